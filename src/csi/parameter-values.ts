/** Reads one parameter's text. @throws {RangeError} that completes the sentence "bucket 'x' …". */
export type ParseValue<T> = (text: string) => T;

const unitBytes: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
};

/** Bytes from a Kubernetes quantity or its spelled form: `10Gi`, `10 GiB`, `1.5G`, `131072`. */
export const quantity: ParseValue<number> = (text) => {
  const match = /^(\d+(?:\.\d+)?) ?(?:(Ki|Mi|Gi|Ti|Pi|k|M|G|T)B?|B)?$/.exec(text);
  const bytes = Number(match?.[1]) * (unitBytes[match?.[2] ?? ""] ?? Number.NaN);
  if (!Number.isSafeInteger(bytes)) {
    throw new RangeError("is no size in whole bytes such as 128Ki, 10Gi or 10 GiB");
  }
  return bytes;
};

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  m: 6e4,
  min: 6e4,
  h: 36e5,
  d: 864e5,
};

/** Milliseconds from `0s`, `500ms`, `60s`, `15m`, `15 min`, `2h` or `30d`; at most 10 years. */
export const duration: ParseValue<number> = (text) => {
  const match = /^(\d+(?:\.\d+)?) ?(ms|s|min|m|h|d)$/.exec(text);
  const ms = Number(match?.[1]) * (unitMs[match?.[2] ?? ""] ?? Number.NaN);
  if (!Number.isInteger(ms) || ms > 3650 * 864e5) {
    throw new RangeError("is no duration with a unit such as 0s, 60s, 15m or 30d");
  }
  return ms;
};

/** `true` or `false`, nothing else: a typing mistake must not mean false. */
export const boolean: ParseValue<boolean> = (text) => {
  if (text !== "true" && text !== "false") throw new RangeError("is neither true nor false");
  return text === "true";
};

/** Permission bits in octal without type bits: `644`, `0644`, `0o644`. */
export const octalMode: ParseValue<number> = (text) => {
  if (!/^(?:0o?)?[0-7]{3,4}$/.test(text)) {
    throw new RangeError("is no octal mode such as 0644");
  }
  return Number.parseInt(text.replace("0o", ""), 8);
};

/** A POSIX user or group id; 2^32−1 means "unchanged" to chown and is refused. */
export const posixId: ParseValue<number> = (text) => {
  if (!/^\d{1,10}$/.test(text) || Number(text) >= 2 ** 32 - 1) {
    throw new RangeError("is no user or group id");
  }
  return Number(text);
};

/** One of the given words. */
export function oneOf<const Words extends readonly string[]>(
  words: Words,
): ParseValue<Words[number]> {
  return (text) => {
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw new RangeError(`is none of ${words.join(", ")}`);
    return word;
  };
}

const bucketPattern = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const reservedBucket = /^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/;

/** Whether S3 lets a general purpose bucket have this name (3 to 63 characters, no IP address). */
export function isBucketName(text: string): boolean {
  return (
    bucketPattern.test(text) &&
    !text.includes("..") &&
    !reservedBucket.test(text) &&
    !/^\d+\.\d+\.\d+\.\d+$/.test(text)
  );
}

/** A bucket's name. */
export const bucketName: ParseValue<string> = (text) => {
  if (!isBucketName(text)) throw new RangeError("is no bucket name");
  return text;
};

/** A key prefix in its one form: empty, or path parts that a file system can show, ending in `/`. */
export const keyPrefix: ParseValue<string> = (text) => {
  const parts = text.replace(/\/$/, "").split("/");
  if (text === "" || text === "/") return "";
  if (Buffer.byteLength(text) > 512 || !text.isWellFormed()) {
    throw new RangeError("is over 512 bytes or not well-formed Unicode");
  }
  for (const part of parts) {
    if (part === "" || part === "." || part === ".." || /\p{Cc}/u.test(part)) {
      throw new RangeError("has a part that is empty, '.', '..' or holds a control character");
    }
    if (Buffer.byteLength(part) > 255) throw new RangeError("has a part over 255 bytes");
    if (part === ".s3files") throw new RangeError("has the part '.s3files', which is the driver's");
  }
  return `${parts.join("/")}/`;
};

/** The origin of an S3 endpoint: scheme http or https, host, port; no user, path or query. */
export const endpointUrl: ParseValue<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    !["http:", "https:"].includes(url.protocol) ||
    url.username !== "" ||
    url.password !== "" ||
    url.pathname !== "/" ||
    url.search !== "" ||
    url.hash !== ""
  ) {
    throw new RangeError("is no URL of the form https://host:port without user, path or query");
  }
  return url.origin;
};

/** A region's name as it goes into a signature. */
export const regionName: ParseValue<string> = (text) => {
  if (!/^[A-Za-z0-9-]{1,64}$/.test(text)) throw new RangeError("is no region");
  return text;
};

/** An absolute path of a file inside the driver's containers. */
export const absolutePath: ParseValue<string> = (text) => {
  if (!/^\/[^\p{Cc}]{1,200}$/u.test(text)) throw new RangeError("is no absolute path of a file");
  return text;
};

/** The name of a connection in the driver's configuration. */
export const connectionName: ParseValue<string> = (text) => {
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(text)) {
    throw new RangeError("is no connection's name: 1 to 32 of a-z, 0-9 and '-'");
  }
  return text;
};

/** Any text. */
export const anyText: ParseValue<string> = (text) => text;

/** S3's storage class of objects that are read as they are; archives have to be restored first. */
export const writableStorageClass: ParseValue<string> = (text) => {
  if (text === "GLACIER" || text === "DEEP_ARCHIVE") {
    throw new RangeError("is an archive: its objects cannot be read before they are restored");
  }
  if (!/^[A-Z][A-Z0-9_]{0,63}$/.test(text)) throw new RangeError("is no storage class");
  return text;
};

/** A KMS key's id, ARN or alias, as it goes into a header. */
export const kmsKey: ParseValue<string> = (text) => {
  if (!/^[\w:/.+=@-]{1,2048}$/.test(text)) throw new RangeError("is no KMS key");
  return text;
};
