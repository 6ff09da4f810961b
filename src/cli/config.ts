import { readFileSync } from "node:fs";
import { type LogLevel, logLevels } from "../base/log.ts";
import { UsageError } from "./arguments.ts";

/** How the driver reaches its S3 store when a StorageClass does not say otherwise. */
export interface ConnectionConfig {
  /** Absent: AWS. */
  readonly endpoint?: string;
  readonly region: string;
  /** Absent: path style for an own endpoint, virtual-host style for AWS. */
  readonly forcePathStyle?: boolean;
  /** Path of a PEM file. */
  readonly caBundle?: string;
  /** JSON file with `accessKeyId` and `secretAccessKey`, read anew when it changes. Absent: AWS's chain. */
  readonly credentialsFile?: string;
}

/**
 * What the process was told by its environment and its configuration file; frozen. A variable wins over the file,
 * an option of the command line over both.
 */
export interface Config {
  readonly logLevel: LogLevel;
  /** `unix:///path`, as the CO's side-cars and kubelet expect it in `CSI_ENDPOINT`. */
  readonly csiEndpoint?: string;
  /** Kubernetes' name of this node. */
  readonly nodeId?: string;
  /** `https://host:port` of the cluster's API, inside a pod. */
  readonly clusterApi?: string;
  /** Tells clusters on one store apart in what operators see. */
  readonly clusterName?: string;
  /** Connection `default`. */
  readonly connection: ConnectionConfig;
  /** All connections by name. Variables speak of `default` only. */
  readonly connections: {
    readonly default: ConnectionConfig;
    readonly [name: string]: ConnectionConfig;
  };
  /** Durable state of this machine: volumes' caches and the node plugin's stage records. */
  readonly stateDirectory: string;
  /** Sockets, pins and handed-over credentials; on tmpfs. */
  readonly runDirectory: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const topLevel = ["format", "clusterName", "connections", "stateDirectory", "runDirectory"];
const connectionKeys = ["endpoint", "region", "forcePathStyle", "caBundle", "credentialsFile"];

function fieldsOf(
  value: unknown,
  known: readonly string[],
  where: string,
): Readonly<Record<string, unknown>> {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError(`${where} is no JSON object`);
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new UsageError(`${where}: unknown key '${unknown}'; known are ${known.join(", ")}`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function textAt(
  fields: Readonly<Record<string, unknown>>,
  key: string,
  where: string,
): string | undefined {
  const value = fields[key];
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value === "") {
    throw new UsageError(`${where}: ${key} is no text`);
  }
  return value;
}

function flagOf(value: unknown, where: string): boolean | undefined {
  if (value === undefined || value === "") return undefined;
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  throw new UsageError(`${where} is neither true nor false`);
}

function readFile(path: string): { readonly where: string; readonly document: unknown } {
  const where = `Configuration file ${path}`;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError(`${where} cannot be read`, { cause });
  }
  try {
    return { where, document: JSON.parse(text) as unknown };
  } catch (cause) {
    throw new UsageError(`${where} is not JSON`, { cause });
  }
}

function checkedEndpoint(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "") {
    throw new UsageError("The endpoint is no http or https URL without a user name");
  }
  return text.replace(/\/+$/, "");
}

function connectionsOf(
  environment: Environment,
  document: unknown,
  where: string,
): Config["connections"] {
  const names = Object.keys(typeof document === "object" && document !== null ? document : {});
  const given = fieldsOf(document, names, `${where}: connections`);
  const others = names.filter((name) => name !== "default");
  for (const name of others) {
    if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
      throw new UsageError(
        `${where}: connections: '${name}' is no name of 1 to 32 of a-z, 0-9, '-'`,
      );
    }
  }
  return Object.freeze({
    ...Object.fromEntries(
      others.map((name) => [name, connectionOf({}, given[name], `${where}: connections.${name}`)]),
    ),
    default: connectionOf(environment, given["default"], `${where}: connections.default`),
  });
}

function connectionOf(environment: Environment, document: unknown, place: string) {
  const file = fieldsOf(document, connectionKeys, place);
  // An empty variable is what a chart renders for "not set".
  const get = (key: string, ...variables: readonly string[]) =>
    variables.map((name) => environment[name]).find((text) => text !== undefined && text !== "") ??
    textAt(file, key, place);
  const { S3FILES_FORCE_PATH_STYLE } = environment;
  const endpoint = checkedEndpoint(
    get("endpoint", "S3FILES_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
  );
  const forcePathStyle =
    flagOf(S3FILES_FORCE_PATH_STYLE, "S3FILES_FORCE_PATH_STYLE") ??
    flagOf(file["forcePathStyle"], `${place}: forcePathStyle`);
  const caBundle = get("caBundle", "S3FILES_CA_BUNDLE");
  const credentialsFile = get("credentialsFile", "S3FILES_CREDENTIALS_FILE");
  return Object.freeze({
    region: get("region", "S3FILES_REGION", "AWS_REGION", "AWS_DEFAULT_REGION") ?? "us-east-1",
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
    ...(caBundle === undefined ? {} : { caBundle }),
    ...(credentialsFile === undefined ? {} : { credentialsFile }),
  });
}

/** The configuration that an environment and the file it names give. @throws {UsageError} naming key or variable. */
export function parseConfig(
  environment: Environment,
  given: { readonly file?: string | undefined; readonly logLevel?: string | undefined } = {},
): Config {
  const set = (name: string) => environment[name] || undefined;
  const path = given.file ?? set("S3FILES_CONFIG");
  const { where, document } =
    path === undefined ? { where: "Configuration", document: undefined } : readFile(path);
  const file = fieldsOf(document, topLevel, where);
  if (document !== undefined && file["format"] !== 1) {
    throw new UsageError(`${where} has format ${String(file["format"])}, not 1`);
  }
  const connections = connectionsOf(environment, file["connections"], where);
  const levelText = given.logLevel ?? set("S3FILES_LOG_LEVEL") ?? "info";
  const logLevel = logLevels.find((level) => level === levelText);
  if (logLevel === undefined) {
    throw new UsageError(`Log level '${levelText}' is none of ${logLevels.join(", ")}`);
  }
  const csiEndpoint = set("CSI_ENDPOINT");
  const nodeId = set("NODE_ID");
  const host = set("KUBERNETES_SERVICE_HOST");
  const port = set("KUBERNETES_SERVICE_PORT") ?? "443";
  const clusterName = set("S3FILES_CLUSTER_NAME") ?? textAt(file, "clusterName", where);
  return Object.freeze({
    logLevel,
    ...(csiEndpoint === undefined ? {} : { csiEndpoint }),
    ...(nodeId === undefined ? {} : { nodeId }),
    ...(host === undefined
      ? {}
      : { clusterApi: `https://${host.includes(":") ? `[${host}]` : host}:${port}` }),
    ...(clusterName === undefined ? {} : { clusterName }),
    connection: connections.default,
    connections,
    stateDirectory:
      set("S3FILES_STATE_DIRECTORY") ?? textAt(file, "stateDirectory", where) ?? "/var/lib/s3files",
    runDirectory:
      set("S3FILES_RUN_DIRECTORY") ?? textAt(file, "runDirectory", where) ?? "/run/s3files",
  });
}

/** The configuration of this process. `given` comes from the command line and wins. @throws {UsageError} */
export function loadConfig(given: {
  readonly file: string | undefined;
  readonly logLevel: string | undefined;
}): Config {
  return parseConfig(process.env, given);
}
