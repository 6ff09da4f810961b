import { S3Error } from "./error.ts";
import type { Attributes } from "./model.ts";
import { parseTagHeader } from "./tags.ts";

/** Headers kept with an object and sent with it. */
const kept = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
  "x-amz-server-side-encryption-aws-kms-key-id",
  "x-amz-server-side-encryption-bucket-key-enabled",
  "x-amz-website-redirect-location",
] as const;

/** Storage classes whose objects must be restored before they can be read. */
const archived = new Set(["GLACIER", "DEEP_ARCHIVE"]);
const storageClasses = new Set([
  "STANDARD",
  "REDUCED_REDUNDANCY",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER_IR",
  ...archived,
]);

/** Headers that ask for what this server does not do: an answer as if it did would be a lie. */
const refused = [
  "x-amz-write-offset-bytes",
  "x-amz-server-side-encryption-customer-algorithm",
  "x-amz-object-lock-mode",
  "x-amz-object-lock-legal-hold",
];

const metadataPrefix = "x-amz-meta-";
/** S3 user guide, "User-defined object metadata": 2 KB, names and values together. */
const maxMetadataBytes = 2048;

/** Whether objects of the class must be restored before they can be read. */
export function isArchived(storageClass: string): boolean {
  return archived.has(storageClass);
}

function parseMetadata(headers: ReadonlyMap<string, string>): Record<string, string> {
  const metadata: Record<string, string> = {};
  let size = 0;
  for (const [name, value] of headers) {
    if (!name.startsWith(metadataPrefix)) continue;
    const short = name.slice(metadataPrefix.length);
    metadata[short] = value;
    // Header text holds one character a byte.
    size += short.length + value.length;
  }
  if (size > maxMetadataBytes) {
    throw new S3Error("MetadataTooLarge", {
      elements: { Size: size, MaxSizeAllowed: maxMetadataBytes },
    });
  }
  return metadata;
}

/** `aws-chunked` describes the transfer, not the object. */
function contentEncoding(value: string): string {
  const codings = value.split(",").map((coding) => coding.trim());
  return codings.filter((coding) => coding !== "aws-chunked" && coding !== "").join(",");
}

/** @throws {S3Error} InvalidStorageClass. */
export function parseStorageClass(name: string | undefined): string {
  if (name === undefined) return "STANDARD";
  if (!storageClasses.has(name)) throw new S3Error("InvalidStorageClass");
  return name;
}

/**
 * What the headers of an upload set on the object.
 * @throws {S3Error} NotImplemented, MetadataTooLarge, InvalidStorageClass, InvalidTag.
 */
export function parseAttributes(headers: ReadonlyMap<string, string>): Attributes {
  for (const name of refused) {
    if (headers.has(name)) throw new S3Error("NotImplemented", { elements: { Header: name } });
  }
  const own: Record<string, string> = { "content-type": "binary/octet-stream" };
  for (const name of kept) {
    const value = headers.get(name);
    if (value === undefined) continue;
    const cleaned = name === "content-encoding" ? contentEncoding(value) : value;
    if (cleaned !== "") own[name] = cleaned;
  }
  return {
    headers: own,
    metadata: parseMetadata(headers),
    storageClass: parseStorageClass(headers.get("x-amz-storage-class")),
    encryption: headers.get("x-amz-server-side-encryption") ?? "AES256",
    tags: parseTagHeader(headers.get("x-amz-tagging")),
  };
}

/** The response headers of attributes. */
export function attributeHeaders(attributes: Attributes): Record<string, string> {
  const tagCount = Object.keys(attributes.tags).length;
  const { storageClass } = attributes;
  return {
    ...attributes.headers,
    ...Object.fromEntries(
      Object.entries(attributes.metadata).map(([name, value]) => [metadataPrefix + name, value]),
    ),
    "x-amz-server-side-encryption": attributes.encryption,
    ...(storageClass === "STANDARD" ? {} : { "x-amz-storage-class": storageClass }),
    ...(tagCount === 0 ? {} : { "x-amz-tagging-count": String(tagCount) }),
  };
}
