import { markHeader } from "../sync/write-mark.ts";
import type { XattrName } from "../vfs/name.ts";

/** User metadata of an object, names without `x-amz-meta-`. */
export type UserMetadata = Readonly<Record<string, string>>;

/**
 * Extended attributes as user metadata of the object, both ways:
 *
 * | attribute | metadata |
 * |---|---|
 * | name of lower case letters, digits and `-`; value of printable ASCII, not empty, no spaces around it | the same name and value |
 * | any other | `s3files-xattr-<name in base32, lower case, no padding>` and the value in base64 |
 * | what other clients of the bucket set | shown under its own name, value as UTF-8 |
 * | `file-owner` and so on, and names that begin with `s3files-` | ours: not shown; as attributes in the second form |
 *
 * An attribute in the second form hides one of the same name in the first.
 */
const encodedPrefix = "s3files-xattr-";

/** What S3 takes as user metadata, and what POSIX attributes and the write mark need of it at most. */
const maxMetadataBytes = 2048;
const ownBytes = 416;
/** `x-amz-meta-`, which some stores count and some do not. */
const prefixBytes = 11;

const posixNames: ReadonlySet<string> = new Set([
  "file-permissions",
  "file-owner",
  "file-group",
  "file-mtime",
  "file-atime",
  "file-device",
]);

const isOurs = (key: string): boolean =>
  posixNames.has(key) || key === markHeader || key.startsWith("s3files-");

const digits = "abcdefghijklmnopqrstuvwxyz234567";

function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += digits[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + digits[(held << (5 - bits)) & 31];
}

function fromBase32(text: string): string | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const digit of text) {
    const value = digits.indexOf(digit);
    if (value < 0) return undefined;
    held = (held << 5) | value;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 255);
    held &= (1 << bits) - 1;
  }
  const name = Buffer.from(bytes).toString();
  // What is not our own spelling is not taken for a name: it could not be removed again.
  return name !== "" && base32(Buffer.from(name)) === text ? name : undefined;
}

const encodedKey = (name: XattrName): string => encodedPrefix + base32(Buffer.from(name));

/** Spaces around a value do not survive HTTP; `=?` begins an encoded word. */
function isPlain(name: XattrName, value: Buffer): boolean {
  const text = value.toString("latin1");
  return (
    /^[a-z0-9][a-z0-9-]*$/.test(name) &&
    !isOurs(name) &&
    /^[!-~]([ -~]*[!-~])?$/.test(text) &&
    !text.startsWith("=?")
  );
}

/** The extended attributes that an object's user metadata stand for. */
export function xattrsOf(metadata: UserMetadata): Map<XattrName, Uint8Array> {
  const attributes = new Map<XattrName, Uint8Array>();
  for (const [key, value] of Object.entries(metadata)) {
    if (!isOurs(key)) attributes.set(key as XattrName, Buffer.from(value));
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (!key.startsWith(encodedPrefix)) continue;
    const name = fromBase32(key.slice(encodedPrefix.length));
    if (name !== undefined) attributes.set(name as XattrName, Buffer.from(value, "base64"));
  }
  return attributes;
}

/** The metadata with an extended attribute set, or removed when `value` is undefined; all else stays. */
export function withXattr(
  metadata: UserMetadata,
  name: XattrName,
  value: Uint8Array | undefined,
): UserMetadata {
  const result: Record<string, string> = { ...metadata };
  delete result[encodedKey(name)];
  if (!isOurs(name)) delete result[name];
  if (value === undefined) return result;
  const bytes = Buffer.from(value);
  if (isPlain(name, bytes)) result[name] = bytes.toString("latin1");
  else result[encodedKey(name)] = bytes.toString("base64");
  return result;
}

/** Whether S3 takes these user metadata beside those of our own. */
export function fitsObject(metadata: UserMetadata): boolean {
  let bytes = ownBytes;
  for (const [key, value] of Object.entries(metadata)) {
    if (posixNames.has(key) || key === markHeader) continue;
    bytes += prefixBytes + Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  return bytes <= maxMetadataBytes;
}
