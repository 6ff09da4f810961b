import { parseAttributes } from "../attributes.ts";
import { checksumHeaders } from "../checksum.ts";
import { commitVersion, newVersionId, watchDeletions } from "../commit-version.ts";
import { writeCondition } from "../condition.ts";
import {
  type Context,
  emptyResponse,
  type S3Request,
  type S3Response,
  versionHeaders,
  wholeSecondsMs,
} from "../context.ts";
import { honoured } from "../gaps.ts";
import { receiveBody } from "../receive-body.ts";

/** PutObject: receives and verifies the body, then checks the condition and commits in one step. */
export async function putObject(request: S3Request, context: Context): Promise<S3Response> {
  const bucket = context.catalog.bucket(request.bucket);
  const condition = honoured(writeCondition(request.headers), "put", context.gaps);
  const attributes = parseAttributes(request.headers);
  using watch = watchDeletions(bucket, request.key);
  await using received = await receiveBody(request, context);
  const etag = `"${received.md5.toString("hex")}"`;
  const version = {
    kind: "content" as const,
    versionId: newVersionId(bucket, context),
    lastModifiedMs: wholeSecondsMs(context),
    etag,
    sizeBytes: received.sizeBytes,
    body: received.body,
    attributes,
    ...(received.checksum === undefined ? {} : { checksum: received.checksum }),
  };
  await commitVersion(
    { bucket, key: request.key, version, condition, watch, lock: "take" },
    context,
  );
  return emptyResponse(200, {
    etag,
    "x-amz-server-side-encryption": attributes.encryption,
    ...checksumHeaders(received.checksum),
    ...versionHeaders(bucket.record.versioning, version),
  });
}
