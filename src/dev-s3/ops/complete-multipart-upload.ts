import { completedChecksum, multipartEtag, selectParts, totalBytes } from "../assemble-parts.ts";
import { checksumOfHeaders } from "../checksum.ts";
import { commitVersion, newVersionId, watchDeletions } from "../commit-version.ts";
import { writeCondition } from "../condition.ts";
import {
  type Context,
  type S3Request,
  type S3Response,
  versionHeaders,
  wholeSecondsMs,
  xmlResponse,
} from "../context.ts";
import { S3Error } from "../error.ts";
import { honoured } from "../gaps.ts";
import type { Bucket, CompletedUpload, ContentVersion } from "../model.ts";
import { document, element, optional } from "../xml.ts";

function checkObjectSize(request: S3Request, sizeBytes: number): void {
  const claimed = request.headers.get("x-amz-mp-object-size");
  if (claimed === undefined || Number(claimed) === sizeBytes) return;
  throw new S3Error("InvalidRequest", {
    message: `The provided 'x-amz-mp-object-size' header value ${claimed} does not match what was computed: ${sizeBytes}`,
  });
}

/** Completions that are remembered for each bucket. */
const maxRemembered = 1000;

/** The object that this very completion made, while it is there: AWS answers a repeat like the first. */
function madeBefore(
  bucket: Bucket,
  request: S3Request,
  uploadId: string,
  list: Buffer,
): ContentVersion | undefined {
  const completed = bucket.completed.get(uploadId);
  if (completed?.key !== request.key || !completed.list.equals(list)) return undefined;
  const { versionId, body } = completed.version;
  return bucket.keys
    .get(request.key)
    ?.versions.find(
      (version): version is ContentVersion =>
        version.kind === "content" && version.versionId === versionId && version.body === body,
    );
}

function remember(bucket: Bucket, uploadId: string, completed: CompletedUpload): void {
  bucket.completed.set(uploadId, completed);
  const [oldest] = bucket.completed.keys();
  if (bucket.completed.size > maxRemembered && oldest !== undefined) {
    bucket.completed.delete(oldest);
  }
}

/**
 * CompleteMultipartUpload: the parts become the object in one step, under the key's lock. The upload
 * is forgotten after that, so that a crash between the two leaves an upload that can be completed again.
 * A repeat of a completion that succeeded is answered as the first.
 */
export async function completeMultipartUpload(
  request: S3Request,
  context: Context,
): Promise<S3Response> {
  const { catalog } = context;
  const bucket = catalog.bucket(request.bucket);
  const uploadId = request.query.get("uploadId") ?? "";
  if (!bucket.completed.has(uploadId)) catalog.upload(bucket, uploadId, request.key);
  const condition = honoured(writeCondition(request.headers), "complete", context.gaps);
  using watch = watchDeletions(bucket, request.key);
  const list = await request.body.readAll();
  const claimed = checksumOfHeaders(request.headers);
  const version = await catalog.locked(request.bucket, request.key, async () => {
    const made = madeBefore(bucket, request, uploadId, list);
    if (made !== undefined) return made;
    const upload = catalog.upload(bucket, uploadId, request.key);
    const parts = selectParts(list, upload);
    const checksum = completedChecksum(upload, parts, claimed);
    checkObjectSize(request, totalBytes(parts));
    const version: ContentVersion = {
      kind: "content",
      versionId: newVersionId(bucket, context),
      lastModifiedMs: wholeSecondsMs(context),
      etag: multipartEtag(parts),
      sizeBytes: totalBytes(parts),
      body: parts.flatMap((part) => part.body),
      attributes: upload.attributes,
      partSizes: parts.map((part) => part.sizeBytes),
      ...(checksum === undefined ? {} : { checksum }),
    };
    const { key } = request;
    await commitVersion({ bucket, key, version, condition, watch, lock: "held" }, context);
    await catalog.removeUpload(bucket, upload);
    remember(bucket, uploadId, { key, list, version });
    return version;
  });
  const { checksum } = version;
  return xmlResponse(
    document(
      element("CompleteMultipartUploadResult", [
        element("Location", `/${request.bucket}/${request.key}`),
        element("Bucket", request.bucket),
        element("Key", request.key),
        element("ETag", version.etag),
        optional(`Checksum${checksum?.algorithm}`, checksum?.value),
        optional("ChecksumType", checksum?.type),
      ]),
    ),
    {
      "x-amz-server-side-encryption": version.attributes.encryption,
      ...versionHeaders(bucket.record.versioning, version),
    },
  );
}
