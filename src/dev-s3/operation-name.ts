import { S3Error } from "./error.ts";

/** The parts of a request that decide which operation it is. */
export interface OperationTarget {
  readonly method: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly query: ReadonlyMap<string, string>;
  readonly headers: ReadonlyMap<string, string>;
}

/** Rows of the table: level, method, required query parameter (none: no sub-resource), operation. */
const table = [
  ["service", "GET", "", "ListBuckets"],
  ["bucket", "PUT", "", "CreateBucket"],
  ["bucket", "HEAD", "", "HeadBucket"],
  ["bucket", "DELETE", "", "DeleteBucket"],
  ["bucket", "GET", "", "ListObjects"],
  ["bucket", "GET", "list-type", "ListObjectsV2"],
  ["bucket", "GET", "versions", "ListObjectVersions"],
  ["bucket", "GET", "uploads", "ListMultipartUploads"],
  ["bucket", "POST", "delete", "DeleteObjects"],
  ["bucket", "GET", "location", "GetBucketLocation"],
  ["bucket", "GET", "versioning", "GetBucketVersioning"],
  ["bucket", "PUT", "versioning", "PutBucketVersioning"],
  ["bucket", "GET", "tagging", "GetBucketTagging"],
  ["bucket", "PUT", "tagging", "PutBucketTagging"],
  ["bucket", "DELETE", "tagging", "DeleteBucketTagging"],
  ["object", "GET", "", "GetObject"],
  ["object", "HEAD", "", "HeadObject"],
  ["object", "PUT", "", "PutObject"],
  ["object", "DELETE", "", "DeleteObject"],
  ["object", "GET", "tagging", "GetObjectTagging"],
  ["object", "PUT", "tagging", "PutObjectTagging"],
  ["object", "DELETE", "tagging", "DeleteObjectTagging"],
  ["object", "POST", "restore", "RestoreObject"],
  ["object", "POST", "uploads", "CreateMultipartUpload"],
  ["object", "PUT", "uploadId", "UploadPart"],
  ["object", "POST", "uploadId", "CompleteMultipartUpload"],
  ["object", "DELETE", "uploadId", "AbortMultipartUpload"],
  ["object", "GET", "uploadId", "ListParts"],
] as const;

/** The operations of the S3 API that this server performs, by their names in it. */
export type OperationName = (typeof table)[number][3] | "CopyObject" | "UploadPartCopy";

/** All of them. */
export const operationNames: ReadonlySet<string> = new Set<OperationName>([
  ...table.map((row) => row[3]),
  "CopyObject",
  "UploadPartCopy",
]);

/** Query parameters that select another operation; one that no row knows is answered NotImplemented. */
const subresources = new Set(
  `accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory
  legal-hold lifecycle list-type location logging metadataTable metrics notification object-lock
  ownershipControls policy policyStatus publicAccessBlock renameObject replication requestPayment
  restore retention select select-type session tagging torrent uploadId uploads versioning versions
  website`.split(/\s+/),
);

const rows = new Map(table.map((row) => [row.slice(0, 3).join(" "), row[3]]));

/** Names the operation. @throws {S3Error} NotImplemented, MethodNotAllowed. */
export function operationName(target: OperationTarget): OperationName {
  const { method, query, headers } = target;
  const level =
    target.bucket === undefined ? "service" : target.key === undefined ? "bucket" : "object";
  const subresource = [...query.keys()].find((name) => subresources.has(name)) ?? "";
  const found = rows.get(`${level} ${method} ${subresource}`);
  if (found === undefined) {
    throw new S3Error(subresource === "" ? "MethodNotAllowed" : "NotImplemented");
  }
  if (!headers.has("x-amz-copy-source")) return found;
  if (found === "PutObject") return "CopyObject";
  return found === "UploadPart" ? "UploadPartCopy" : found;
}
