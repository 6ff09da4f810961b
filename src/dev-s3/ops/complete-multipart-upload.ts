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
import { document, element, optional } from "../xml.ts";

function checkObjectSize(request: S3Request, sizeBytes: number): void {
  const claimed = request.headers.get("x-amz-mp-object-size");
  if (claimed === undefined || Number(claimed) === sizeBytes) return;
  throw new S3Error("InvalidRequest", {
    message: `The provided 'x-amz-mp-object-size' header value ${claimed} does not match what was computed: ${sizeBytes}`,
  });
}

/**
 * CompleteMultipartUpload: the parts become the object in one step, under the key's lock. The upload
 * is forgotten after that, so that a crash between the two leaves an upload that can be completed again.
 */
export async function completeMultipartUpload(
  request: S3Request,
  context: Context,
): Promise<S3Response> {
  const { catalog } = context;
  const bucket = catalog.bucket(request.bucket);
  const uploadId = request.query.get("uploadId") ?? "";
  catalog.upload(bucket, uploadId, request.key);
  const condition = writeCondition(request.headers);
  using watch = watchDeletions(bucket, request.key);
  const list = await request.body.readAll();
  const claimed = checksumOfHeaders(request.headers);
  const version = await catalog.locked(request.bucket, request.key, async () => {
    const upload = catalog.upload(bucket, uploadId, request.key);
    const parts = selectParts(list, upload);
    const checksum = completedChecksum(upload, parts, claimed);
    checkObjectSize(request, totalBytes(parts));
    const version = {
      kind: "content" as const,
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
    return { ...version, checksum };
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
