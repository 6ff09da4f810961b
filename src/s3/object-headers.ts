import { decodeHeaderBytes, decodeHeaderText, encodeHeaderText } from "./header-text.ts";
import type { ETag, ObjectHeaders, ObjectInfo } from "./object-store.ts";

const carried = [
  ["contentType", "content-type"],
  ["contentEncoding", "content-encoding"],
  ["contentDisposition", "content-disposition"],
  ["contentLanguage", "content-language"],
  ["cacheControl", "cache-control"],
  ["expires", "expires"],
  ["storageClass", "x-amz-storage-class"],
  ["websiteRedirect", "x-amz-website-redirect-location"],
  ["encryption", "x-amz-server-side-encryption"],
  ["kmsKeyId", "x-amz-server-side-encryption-aws-kms-key-id"],
  ["bucketKey", "x-amz-server-side-encryption-bucket-key-enabled"],
  ["tags", "x-amz-tagging"],
] as const;

const metadataPrefix = "x-amz-meta-";

type HttpHeaders = Readonly<Record<string, string>>;

/** Whether a value cannot stand in a header: control characters but the tab. */
function hasControls(value: string): boolean {
  for (const character of value) {
    const code = character.charCodeAt(0);
    if (code === 0x7f || (code < 0x20 && code !== 9)) return true;
  }
  return false;
}

/**
 * An object's headers as HTTP headers. @throws {RangeError} for a metadata name that is no header name or a header
 * value with control characters.
 */
export function toHttpHeaders(headers: ObjectHeaders): Record<string, string> {
  const http: Record<string, string> = {};
  for (const [field, name] of carried) {
    const value = headers[field];
    if (value === undefined) continue;
    if (hasControls(value)) {
      throw new RangeError(`The ${name} ${JSON.stringify(value)} holds control characters`);
    }
    // These are bytes to S3: what we decoded as UTF-8 goes back as UTF-8.
    http[name] = Buffer.from(value, "utf8").toString("latin1");
  }
  for (const [name, value] of Object.entries(headers.metadata)) {
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name)) {
      throw new RangeError(`Not a metadata name: ${JSON.stringify(name)}`);
    }
    http[metadataPrefix + name.toLowerCase()] = encodeHeaderText(value);
  }
  return http;
}

/** An ETag with its quotes, which some stores leave out. */
export function parseEtag(text: string): ETag {
  return (/^(?:W\/)?".*"$/.test(text) ? text : `"${text}"`) as ETag;
}

function isArchived(http: HttpHeaders): boolean {
  const storageClass = http["x-amz-storage-class"];
  const isCold = storageClass === "GLACIER" || storageClass === "DEEP_ARCHIVE";
  if (!isCold && http["x-amz-archive-status"] === undefined) return false;
  // A restored copy can be read until it expires.
  return !http["x-amz-restore"]?.includes('ongoing-request="false"');
}

/** What the answer to a HEAD says of the object; undefined when it has no ETag or no length. */
export function parseObjectInfo(http: HttpHeaders): ObjectInfo | undefined {
  const etag = http["etag"];
  const sizeBytes = Number(http["content-length"] ?? Number.NaN);
  const lastModifiedMs = Date.parse(http["last-modified"] ?? "");
  if (etag === undefined || !Number.isSafeInteger(sizeBytes) || Number.isNaN(lastModifiedMs)) {
    return undefined;
  }
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(http)) {
    if (name.startsWith(metadataPrefix)) {
      metadata[name.slice(metadataPrefix.length)] = decodeHeaderText(value);
    }
  }
  const fields: Record<string, string> = {};
  for (const [field, name] of carried) {
    const value = http[name];
    if (value !== undefined) fields[field] = decodeHeaderBytes(value);
  }
  // Some stores keep the framing of an SDK's upload as if it were the object's.
  const encoding = fields["contentEncoding"]?.replace(/(?:^|,)\s*aws-chunked\s*(?=,|$)/i, "");
  delete fields["contentEncoding"];
  if (encoding !== undefined && encoding !== "") fields["contentEncoding"] = encoding;
  if (fields["storageClass"] === "STANDARD") delete fields["storageClass"];
  delete fields["tags"];
  // What the bucket does by itself is left to it: its default may be stronger by the next write.
  if (fields["encryption"]?.startsWith("aws:kms") !== true) {
    for (const name of ["encryption", "kmsKeyId", "bucketKey"]) delete fields[name];
  }
  const tagCount = Number(http["x-amz-tagging-count"] ?? 0);
  const versionId = http["x-amz-version-id"];
  return {
    ...fields,
    ...(tagCount > 0 ? { tagCount } : {}),
    metadata,
    etag: parseEtag(etag),
    sizeBytes,
    lastModifiedMs,
    ...(versionId === undefined || versionId === "null" ? {} : { versionId }),
    ...(isArchived(http) ? { archived: true } : {}),
  };
}
