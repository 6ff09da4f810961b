import { checkCopySource } from "./condition.ts";
import type { Context, S3Request } from "./context.ts";
import { S3Error } from "./error.ts";
import { findVersion, isUnreadable } from "./find-version.ts";
import type { Bucket, ContentVersion } from "./model.ts";
import { decodeUri } from "./request-target.ts";

/** The object that a copy reads, its conditions checked. */
export interface CopySource {
  readonly bucket: Bucket;
  readonly key: string;
  readonly version: ContentVersion;
}

/**
 * Resolves `x-amz-copy-source`: `bucket/key`, percent-encoded, with or without a leading slash and `?versionId=`.
 * @throws {S3Error} InvalidArgument, NoSuchBucket, NoSuchKey, PreconditionFailed, ObjectNotInActiveTierError.
 */
export function copySource(request: S3Request, context: Context): CopySource {
  const header = request.headers.get("x-amz-copy-source") ?? "";
  const [path = "", versionQuery] = header.split(/\?versionId=(?=[^?]*$)/);
  const decoded = decodeUri(path).replace(/^\//, "");
  const slash = decoded.indexOf("/");
  if (slash < 1 || slash === decoded.length - 1) {
    throw new S3Error("InvalidArgument", {
      message: "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
    });
  }
  const bucket = context.catalog.bucket(decoded.slice(0, slash));
  const key = decoded.slice(slash + 1);
  const version = findVersion(bucket, key, versionQuery);
  const gap =
    `${request.operation === "CopyObject" ? "copy-source" : "upload-part-copy"}-if-match` as const;
  if (!context.gaps.has(gap)) checkCopySource(request.headers, version);
  if (isUnreadable(version, context.nowMs())) throw new S3Error("ObjectNotInActiveTierError");
  return { bucket, key, version };
}
