import type { VolumeSpec } from "../control/volume-spec.ts";
import { CsiError } from "./error.ts";
import { keyPrefix } from "./parameter-values.ts";
import type { Parameters } from "./parameters.ts";
import type { ClassConnection, VolumeId } from "./volume-id.ts";

/** A connection of the driver's configuration, without its credentials: the same on controller and nodes. */
export interface ConfiguredConnection {
  /** Absent: AWS. */
  readonly endpoint?: string;
  readonly region: string;
  /** Absent: path style for an own endpoint, virtual-host style for AWS. */
  readonly forcePathStyle?: boolean;
  readonly caBundle?: string;
}

/** The driver's connections by name. */
export interface Connections {
  readonly default: ConfiguredConnection;
  readonly [name: string]: ConfiguredConnection;
}

/** How a store is reached, nothing left open. */
export interface Connection {
  /** Whose credentials are the driver's own here; absent: those of `default`. */
  readonly connectionName?: string;
  readonly endpoint?: string;
  readonly region: string;
  readonly forcePathStyle: boolean;
  readonly caBundle?: string;
}

/**
 * What the class says, completed from the driver's configuration. A class with its own endpoint takes
 * neither addressing style nor certificate authority from the driver's, which are for another server.
 * @throws {CsiError} INVALID_ARGUMENT when the driver's configuration has no connection of that name.
 */
export function resolveConnection(own: ClassConnection, connections: Connections): Connection {
  const name = own.connectionName ?? "default";
  const defaults = Object.hasOwn(connections, name) ? connections[name] : undefined;
  if (defaults === undefined) {
    throw new CsiError(
      "INVALID_ARGUMENT",
      `Parameter connection: the driver's configuration has no '${name}'; it has ${Object.keys(connections).join(", ")}`,
    );
  }
  const elsewhere = own.endpoint !== undefined && own.endpoint !== defaults.endpoint;
  const endpoint = own.endpoint ?? defaults.endpoint;
  const style = own.forcePathStyle ?? (elsewhere ? undefined : defaults.forcePathStyle);
  const caBundle = own.caBundle ?? (elsewhere ? undefined : defaults.caBundle);
  return {
    ...(name === "default" ? {} : { connectionName: name }),
    ...(endpoint === undefined ? {} : { endpoint }),
    region: own.region ?? defaults.region,
    forcePathStyle: style ?? endpoint !== undefined,
    ...(caBundle === undefined ? {} : { caBundle }),
  };
}

/** The part of the parameters that says how to reach the store. */
export function classConnection(parameters: Parameters): ClassConnection {
  const { endpoint, region, forcePathStyle, caBundle, authenticationSource } = parameters;
  const { connection: connectionName } = parameters;
  return {
    // One spelling of a place: the handle does not name what is meant anyway.
    ...(connectionName === undefined || connectionName === "default" ? {} : { connectionName }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
    ...(caBundle === undefined ? {} : { caBundle }),
    ...(authenticationSource === undefined ? {} : { authenticationSource }),
  };
}

/** How an endpoint is named to people. */
export function describeEndpoint(connection: Connection): string {
  return connection.endpoint ?? `AWS S3 in ${connection.region}`;
}

/**
 * The volume server's specification, with the documented default for each absent parameter.
 * @throws {CsiError} INVALID_ARGUMENT when no bucket is named or the prefix is malformed.
 */
export function volumeSpecOf(
  volume: {
    readonly id: VolumeId;
    readonly parameters: Parameters;
    readonly readOnly: boolean;
    /** Absent: no record is kept of who has the volume. */
    readonly node?: { readonly name: string; readonly isSingle: boolean };
  },
  connections: Connections,
): VolumeSpec {
  const { id, parameters } = volume;
  if (parameters.bucket === undefined) {
    throw new CsiError("INVALID_ARGUMENT", `Volume ${id}: its attributes name no bucket`);
  }
  return {
    volumeId: id,
    bucket: parameters.bucket,
    prefix: parsePrefix(parameters.prefix ?? ""),
    ...resolveConnection(classConnection(parameters), connections),
    cacheMode: parameters.cacheMode ?? "full",
    cacheSizeBytes: parameters.cacheSize ?? 10 * 2 ** 30,
    writeBackDelayMs: parameters.writeBackDelay ?? 60_000,
    writeBackMaxDelayMs: Math.max(
      parameters.writeBackMaxDelay ?? 900_000,
      parameters.writeBackDelay ?? 0,
    ),
    revalidateAfterMs: parameters.revalidateAfter ?? 5_000,
    importSizeLessThanBytes:
      parameters.importTrigger === "ON_FILE_ACCESS"
        ? 0 // nothing ahead: each file when it is read
        : (parameters.importSizeLessThan ?? 128 * 2 ** 10),
    uid: parameters.uid ?? 0,
    gid: parameters.gid ?? 0,
    fileMode: parameters.fileMode ?? 0o644,
    dirMode: parameters.dirMode ?? 0o755,
    memoryLimitBytes: parameters.memoryLimit ?? 256 * 2 ** 20,
    trustObjectModes: parameters.trustObjectModes ?? false,
    capacityBytes: parameters.capacity ?? 0,
    readOnly: volume.readOnly,
    ...(parameters.storageClass === undefined ? {} : { storageClass: parameters.storageClass }),
    ...(parameters.sse === undefined ? {} : { sse: parameters.sse }),
    ...(parameters.kmsKeyId === undefined ? {} : { kmsKeyId: parameters.kmsKeyId }),
    ...(parameters.consistency === "close-to-open" ? { consistency: "close-to-open" } : {}),
    ...(parameters.fsyncTo === "s3" ? { fsyncTo: "s3" } : {}),
    ...(parameters.statMetadata === "listing" ? { statMetadata: "listing" } : {}),
    ...(parameters.archivedObjects === "restore" ? { archivedObjects: "restore" } : {}),
    ...(parameters.lostAndFound === "bucket" ? { lostAndFound: "bucket" } : {}),
    expireAfterLastAccessMs: parameters.expireAfterLastAccess ?? 30 * 24 * 3_600_000,
    ...(parameters.durability === "strict" ? { durability: "strict" } : {}),
    ...(volume.node === undefined ? {} : { nodeName: volume.node.name }),
    ...(volume.node?.isSingle === true ? { singleNode: true } : {}),
  };
}

/** A prefix without templates. @throws {CsiError} INVALID_ARGUMENT */
export function parsePrefix(text: string): string {
  try {
    return keyPrefix(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new CsiError("INVALID_ARGUMENT", `Parameter prefix: '${text}' ${error.message}`, {
      cause: error,
    });
  }
}

/**
 * `template` with `${pvc.namespace}`, `${pvc.name}` and `${pv.name}` replaced from the keys that the
 * provisioner adds with `--extra-create-metadata`; `${pv.name}` falls back to the volume's CSI name.
 * @throws {CsiError} INVALID_ARGUMENT for another template, or one whose key is missing.
 */
export function expandPrefix(
  template: string,
  request: { readonly name: string; readonly parameters: Readonly<Record<string, string>> },
): string {
  const values: Readonly<Record<string, string | undefined>> = {
    "pvc.namespace": request.parameters["csi.storage.k8s.io/pvc/namespace"],
    "pvc.name": request.parameters["csi.storage.k8s.io/pvc/name"],
    "pv.name": request.parameters["csi.storage.k8s.io/pv/name"] ?? request.name,
  };
  return template.replace(/\$\{([^}]*)\}/g, (whole, key: string) => {
    const value = values[key];
    if (value === undefined) {
      const known = Object.hasOwn(values, key);
      throw new CsiError(
        "INVALID_ARGUMENT",
        known
          ? `Parameter prefix: no value for ${whole}; start the provisioner with --extra-create-metadata`
          : `Parameter prefix: unknown template ${whole}; known are \${pvc.namespace}, \${pvc.name}, \${pv.name}`,
      );
    }
    // A value is one name: it must not add a level of its own.
    return value.replace(/[^A-Za-z0-9._-]/g, "-");
  });
}
