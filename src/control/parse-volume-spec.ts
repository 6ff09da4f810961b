import { ControlError } from "./error.ts";
import type { CredentialsFile, VolumeSpec } from "./volume-spec.ts";

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === "string" && value !== "";
const anyText: Check = (value) => typeof value === "string";
const flag: Check = (value) => typeof value === "boolean";
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const mode: Check = (value) => count(value) && (value as number) <= 0o7777;
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const specFields = {
  volumeId: (value) => text(value) && Buffer.byteLength(value as string) <= 128,
  bucket: text,
  prefix: (value) => value === "" || (text(value) && (value as string).endsWith("/")),
  connectionName: optional(text),
  endpoint: optional((value) => text(value) && URL.canParse(value as string)),
  region: text,
  forcePathStyle: flag,
  caBundle: optional(text),
  cacheMode: (value) => value === "full" || value === "metadata-only",
  cacheSizeBytes: count,
  writeBackDelayMs: count,
  writeBackMaxDelayMs: count,
  revalidateAfterMs: count,
  importSizeLessThanBytes: count,
  uid: count,
  gid: count,
  fileMode: mode,
  dirMode: mode,
  memoryLimitBytes: count,
  trustObjectModes: flag,
  capacityBytes: count,
  readOnly: flag,
  storageClass: optional(text),
  sse: optional(text),
  kmsKeyId: optional(text),
  consistency: optional((value) => value === "close-to-open"),
  fsyncTo: optional((value) => value === "s3"),
  durability: optional((value) => value === "strict"),
  statMetadata: optional((value) => value === "listing"),
  archivedObjects: optional((value) => value === "restore"),
  lostAndFound: optional((value) => value === "bucket"),
  expireAfterLastAccessMs: optional(count),
  nodeName: optional(text),
  singleNode: optional(flag),
} satisfies Record<keyof VolumeSpec, Check>;

const credentialFields = {
  accessKeyId: text,
  secretAccessKey: text,
  sessionToken: optional(anyText),
} satisfies Record<keyof CredentialsFile, Check>;

function pick<T>(value: unknown, fields: Readonly<Record<string, Check>>, what: string): T {
  if (typeof value !== "object" || value === null) {
    throw new ControlError("invalid", `${what} is missing`);
  }
  const given = value as Record<string, unknown>;
  // Names only: a value may be a secret.
  const wrong = Object.keys(fields).filter((name) => fields[name]?.(given[name]) !== true);
  if (wrong.length > 0) {
    throw new ControlError("invalid", `${what}: missing or not valid: ${wrong.join(", ")}`);
  }
  // What a newer peer has added is left out: this release would not obey it.
  return Object.fromEntries(
    Object.keys(fields).flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])),
  ) as T;
}

/** The specification in a message or a file, checked field by field. @throws {ControlError} invalid */
export function parseVolumeSpec(value: unknown): VolumeSpec {
  return pick<VolumeSpec>(value, specFields, "The volume's specification");
}

/** Groups in a message or a file. @throws {ControlError} invalid */
export function parseGroups(value: unknown): readonly number[] {
  const isGroup = (gid: unknown) => count(gid) && (gid as number) < 2 ** 32 - 1;
  if (Array.isArray(value) && value.length <= 1_000 && value.every(isGroup)) return value;
  throw new ControlError("invalid", "gids is no list of group ids");
}

/** Credentials in a message or a file. @throws {ControlError} invalid; the message holds no value. */
export function parseCredentials(value: unknown): CredentialsFile {
  return pick<CredentialsFile>(value, credentialFields, "The credentials");
}

/** A volume's handle in a request. @throws {ControlError} invalid */
export function parseVolumeId(volumeId: unknown): string {
  if (typeof volumeId !== "string" || volumeId === "") {
    throw new ControlError("invalid", "The volume id is missing");
  }
  return volumeId;
}
