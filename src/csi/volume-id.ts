import { createHash } from "node:crypto";
import type { Brand } from "../base/brand.ts";
import { CsiError } from "./error.ts";
import {
  connectionName,
  endpointUrl,
  isBucketName,
  keyPrefix,
  regionName,
} from "./parameter-values.ts";

/** A volume handle: 1 to 128 bytes without control characters. Handles of static volumes are free text. */
export type VolumeId = Brand<string, "VolumeId">;

const maxIdBytes = 128;

/** @throws {CsiError} INVALID_ARGUMENT when `text` is empty, over 128 bytes (CSI spec, Size Limits) or holds control characters. */
export function volumeId(text: string): VolumeId {
  if (text === "") throw new CsiError("INVALID_ARGUMENT", "The volume id is missing");
  if (Buffer.byteLength(text) > maxIdBytes || /\p{Cc}/u.test(text)) {
    throw new CsiError("INVALID_ARGUMENT", "The volume id is over 128 bytes or not printable");
  }
  return text as VolumeId;
}

/** How a volume's StorageClass reaches its store, where that differs from the driver's configuration. */
export interface ClassConnection {
  /** A connection of the driver's configuration; absent: `default`. */
  readonly connectionName?: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly forcePathStyle?: boolean;
  readonly caBundle?: string;
  readonly authenticationSource?: "driver" | "secret";
}

/** Where a provisioned volume lies. */
export interface VolumeLocation {
  readonly bucket: string;
  /** Empty: the bucket was made for the volume. Else a prefix that ends in `/`. */
  readonly prefix: string;
  readonly connection: ClassConnection;
}

/**
 * The handle of a provisioned volume: `bucket[/prefix][?e=endpoint&r=region&p=0|1&c=caBundle&a=secret&n=connection]`.
 * DeleteVolume gets nothing else, so the handle alone must lead to the volume; the query holds only what
 * the StorageClass itself set. Undefined when that is over 128 bytes.
 */
export function formatLocation(location: VolumeLocation): VolumeId | undefined {
  const { bucket, prefix, connection } = location;
  const query = new URLSearchParams();
  if (connection.endpoint !== undefined) query.set("e", connection.endpoint);
  if (connection.region !== undefined) query.set("r", connection.region);
  if (connection.forcePathStyle !== undefined)
    query.set("p", connection.forcePathStyle ? "1" : "0");
  if (connection.caBundle !== undefined) query.set("c", connection.caBundle);
  if (connection.authenticationSource === "secret") query.set("a", "secret");
  if (connection.connectionName !== undefined) query.set("n", connection.connectionName);
  // Escaping ':' and '/' would cost two bytes each of the 128, and nothing here needs it.
  const tail = query.toString().replaceAll("%3A", ":").replaceAll("%2F", "/");
  const path = prefix === "" ? "" : `/${encodeQuestion(prefix.slice(0, -1))}`;
  const id = `${bucket}${path}${tail === "" ? "" : `?${tail}`}`;
  return Buffer.byteLength(id) > maxIdBytes ? undefined : (id as VolumeId);
}

const encodeQuestion = (text: string) => text.replaceAll("%", "%25").replaceAll("?", "%3F");
const decodeQuestion = (text: string) => text.replaceAll("%3F", "?").replaceAll("%25", "%");

/** Inverse of {@link formatLocation}; undefined for a handle that this driver never issued. */
export function parseLocation(id: string): VolumeLocation | undefined {
  const [path = "", tail, ...more] = id.split("?");
  if (more.length > 0) return undefined;
  const slash = path.indexOf("/");
  const bucket = slash < 0 ? path : path.slice(0, slash);
  if (!isBucketName(bucket)) return undefined;
  const query = new URLSearchParams(tail ?? "");
  const [endpoint, region, style, caBundle, name] = ["e", "r", "p", "c", "n"].map((key) =>
    query.get(key),
  );
  try {
    const location: VolumeLocation = {
      bucket,
      prefix: slash < 0 ? "" : keyPrefix(decodeQuestion(path.slice(slash + 1))),
      connection: {
        ...(endpoint == null ? {} : { endpoint: endpointUrl(endpoint) }),
        ...(region == null ? {} : { region: regionName(region) }),
        ...(style == null ? {} : { forcePathStyle: style === "1" }),
        ...(caBundle == null ? {} : { caBundle }),
        ...(query.get("a") === "secret" ? { authenticationSource: "secret" as const } : {}),
        ...(name == null ? {} : { connectionName: connectionName(name) }),
      },
    };
    // One handle per volume: a second spelling of the same place is none of ours.
    return formatLocation(location) === id ? location : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const digest = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 10);

/**
 * The bucket for a volume of this CSI name: the name itself where S3 allows it and it is nobody else's idea
 * ({@link isDerivedBucketName}), otherwise its lower case form, cut, with ten hexadecimal digits of its hash. So
 * two names never share a bucket, and a repeat after a crash knows the unmarked bucket for its own.
 */
export function bucketFor(csiName: string): string {
  if (isBucketName(csiName) && !csiName.includes(".") && isDerivedBucketName(csiName)) {
    return csiName;
  }
  const readable = csiName
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-/, "");
  const stem = `s3files-${readable}`.slice(0, 52).replace(/-$/, "");
  return `${stem}-${digest(csiName)}`;
}

/**
 * Whether the name itself shows that only this driver would have made the bucket: it holds a UUID (as the
 * provisioner's names do) or our hash. Such a bucket, empty and unmarked, is what a crash between "create
 * bucket" and "write mark" leaves; any other unmarked bucket belongs to somebody else.
 */
export function isDerivedBucketName(bucket: string): boolean {
  return (
    /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(bucket) ||
    /^s3files-.*-[0-9a-f]{10}$/.test(bucket)
  );
}

/**
 * `prefix` when the handle fits into 128 bytes, otherwise its beginning and its hash, so that it fits.
 * Undefined when even that does not, because of a long endpoint.
 */
export function fittingPrefix(location: VolumeLocation): string | undefined {
  if (formatLocation(location) !== undefined) return location.prefix;
  const hash = digest(location.prefix);
  const letters = Array.from(location.prefix.slice(0, -1));
  for (let length = Math.min(letters.length, maxIdBytes); length >= 0; length--) {
    const stem = letters
      .slice(0, length)
      .join("")
      .replace(/[/.]+$/, "");
    const prefix = `${stem}${stem === "" ? "" : "-"}${hash}/`;
    if (formatLocation({ ...location, prefix }) !== undefined) return prefix;
  }
  return undefined;
}
