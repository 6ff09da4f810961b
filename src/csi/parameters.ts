import { CsiError } from "./error.ts";
import {
  absolutePath,
  anyText,
  boolean,
  bucketName,
  connectionName,
  duration,
  endpointUrl,
  kmsKey,
  octalMode,
  oneOf,
  type ParseValue,
  posixId,
  quantity,
  regionName,
  writableStorageClass,
} from "./parameter-values.ts";

/** A known word or parameter that this release does not carry out. */
class NotSupportedYet extends RangeError {}

const notYet: ParseValue<string> = () => {
  throw new NotSupportedYet("is not supported yet");
};

/** One of the `working` words; those of `later` are known and refused as not supported yet. */
function words<const Working extends readonly string[]>(
  working: Working,
  later: readonly string[] = [],
): ParseValue<Working[number]> {
  const parse = oneOf(working);
  return (text) => (later.includes(text) ? (notYet(text) as Working[number]) : parse(text));
}

/** One size for the volume; several rules by prefix come with the import engine. */
const importRule: ParseValue<number> = (text) =>
  quantity(/[=,;:/]/.test(text) ? notYet(text) : text);

/**
 * The one schema of StorageClass `parameters`, PersistentVolume `volumeAttributes` and the options of
 * `s3files mount`: a row per parameter of the reference page. What does not
 * work in this release is known too, and refused as not supported yet: a parameter is never ignored.
 */
export const parameterRows = {
  bucket: bucketName,
  /** Text, because templates are expanded before the prefix is judged. */
  prefix: anyText,
  endpoint: endpointUrl,
  region: regionName,
  forcePathStyle: boolean,
  caBundle: absolutePath,
  connection: connectionName,
  authenticationSource: words(["driver", "secret"], ["pod"]),
  cacheMode: words(["full", "metadata-only"]),
  cacheSize: quantity,
  expireAfterLastAccess: duration,
  importSizeLessThan: importRule,
  importTrigger: words(["ON_DIRECTORY_FIRST_ACCESS", "ON_FILE_ACCESS"]),
  writeBackDelay: duration,
  writeBackMaxDelay: duration,
  consistency: words(["relaxed", "close-to-open"]),
  revalidateAfter: duration,
  scope: words(["node"], ["cluster"]),
  unpublishFlushTimeout: duration,
  unstageFlushTimeout: duration,
  pendingElsewhere: words(["wait"]),
  durability: words(["ordered", "strict"]),
  fsyncTo: words(["node", "s3"]),
  onDelete: words(["delete", "retain", "archive"]),
  uid: posixId,
  gid: posixId,
  fileMode: octalMode,
  dirMode: octalMode,
  sse: words(["AES256", "aws:kms", "aws:kms:dsse"]),
  kmsKeyId: kmsKey,
  sseCustomerKeySecret: notYet,
  storageClass: writableStorageClass,
  archivedObjects: words(["show", "restore"]),
  unmappableKeys: words(["hide"], ["escape"]),
  checksums: words(["auto"]),
  memoryLimit: quantity,
  trustObjectModes: boolean,
  lostAndFound: words(["local", "bucket"]),
  statMetadata: words(["exact", "listing"]),
} as const satisfies Record<string, ParseValue<unknown>>;

type Rows = typeof parameterRows;
/** A known parameter's name. */
export type ParameterName = keyof Rows;
/** The given parameters by name, each parsed; sizes in bytes, durations in milliseconds. */
export type Parameters = {
  readonly [K in ParameterName]?: ReturnType<Rows[K]>;
} & {
  /** Bytes that `df` shows; only in volume attributes, written there by CreateVolume. */
  readonly capacity?: number;
};

/** Kubernetes' own keys, which the sidecars and kubelet add to ours. */
export function isReservedKey(key: string): boolean {
  return key.startsWith("csi.storage.k8s.io/") || key.startsWith("storage.kubernetes.io/");
}

function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const current = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const substituted = (previous[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      current.push(Math.min(substituted, (previous[j + 1] ?? 0) + 1, (current[j] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

function nearest(key: string): string {
  const known = Object.keys(parameterRows);
  const by = (name: string) => distance(key.toLowerCase(), name.toLowerCase());
  return known.reduce((best, name) => (by(name) < by(best) ? name : best));
}

/**
 * Every given parameter, parsed once. `where` is `"class"` for StorageClass parameters and `"volume"`
 * for volume attributes, which CreateVolume or an administrator wrote. Kubernetes' own keys are skipped.
 * @throws {CsiError} INVALID_ARGUMENT naming the key: unknown (with the nearest known one), malformed,
 * or not supported yet.
 */
export function parseParameters(
  given: Readonly<Record<string, string>>,
  where: "class" | "volume",
): Parameters {
  const parsed: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(given)) {
    if (isReservedKey(key)) continue;
    const found: ParseValue<unknown> | undefined =
      key === "capacity" && where === "volume"
        ? quantity
        : Object.hasOwn(parameterRows, key)
          ? parameterRows[key as ParameterName]
          : undefined;
    if (found === undefined) {
      const message = `Unknown parameter '${key}'; the nearest known one is '${nearest(key)}'`;
      throw new CsiError("INVALID_ARGUMENT", message);
    }
    parsed[key] = parseValue(key, text, found);
  }
  const parameters = parsed as Parameters;
  if (where === "class" && parameters.statMetadata === "listing") {
    throw new CsiError(
      "INVALID_ARGUMENT",
      "statMetadata=listing is for buckets of others, in volume attributes: files of a volume that the driver makes carry attributes of their own",
    );
  }
  const { writeBackDelay = 0, writeBackMaxDelay = Number.POSITIVE_INFINITY } = parameters;
  if (writeBackDelay > writeBackMaxDelay) {
    throw new CsiError("INVALID_ARGUMENT", "writeBackDelay is longer than writeBackMaxDelay");
  }
  if (parameters.kmsKeyId !== undefined && parameters.sse?.startsWith("aws:kms") !== true) {
    throw new CsiError("INVALID_ARGUMENT", "kmsKeyId needs sse aws:kms or aws:kms:dsse");
  }
  return parameters;
}

function parseValue(key: string, text: string, parse: ParseValue<unknown>): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new CsiError("INVALID_ARGUMENT", `Parameter ${key}: '${text}' ${error.message}`, {
      cause: error,
    });
  }
}
