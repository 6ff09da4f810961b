import { checksumHeader } from "../checksum.ts";
import {
  type Context,
  emptyResponse,
  type S3Request,
  type S3Response,
  wholeSecondsMs,
} from "../context.ts";
import { S3Error } from "../error.ts";
import type { Bucket, Part, Upload } from "../model.ts";
import { receiveBody } from "../receive-body.ts";

const maxPartNumber = 10_000;

/** The upload and part number that a request names. @throws {S3Error} NoSuchUpload, InvalidArgument. */
export function partTarget(
  request: S3Request,
  context: Context,
): { readonly bucket: Bucket; readonly upload: Upload; readonly partNumber: number } {
  const bucket = context.catalog.bucket(request.bucket);
  const text = request.query.get("partNumber") ?? "";
  const partNumber = Number(text);
  if (!/^\d+$/.test(text) || partNumber < 1 || partNumber > maxPartNumber) {
    throw new S3Error("InvalidArgument", {
      message: "Part number must be an integer between 1 and 10000, inclusive",
      elements: { ArgumentName: "partNumber", ArgumentValue: text },
    });
  }
  const uploadId = request.query.get("uploadId") ?? "";
  return { bucket, upload: context.catalog.upload(bucket, uploadId, request.key), partNumber };
}

/** Records a part, unless the upload ended while its bytes came in. @throws {S3Error} NoSuchUpload. */
export function commitPart(
  target: { readonly bucket: Bucket; readonly upload: Upload },
  part: Part,
  context: Context,
): Promise<void> {
  const { bucket, upload } = target;
  return context.catalog.locked(bucket.record.name, upload.key, async () => {
    context.catalog.upload(bucket, upload.uploadId, upload.key);
    await context.catalog.savePart(upload, part);
  });
}

/** UploadPart: a part with a number that is taken replaces the older one. */
export async function uploadPart(request: S3Request, context: Context): Promise<S3Response> {
  const { bucket, upload, partNumber } = partTarget(request, context);
  await using received = await receiveBody(request, context, upload.checksum?.algorithm);
  const { checksum } = received;
  if (upload.checksum !== undefined && checksum?.algorithm !== upload.checksum.algorithm) {
    throw new S3Error("InvalidRequest", {
      message: `Checksum Type mismatch occurred, expected checksum Type: ${upload.checksum.algorithm.toLowerCase()}, actual checksum Type: ${checksum?.algorithm.toLowerCase() ?? "null"}`,
    });
  }
  const etag = `"${received.md5.toString("hex")}"`;
  const part = {
    partNumber,
    etag,
    sizeBytes: received.sizeBytes,
    lastModifiedMs: wholeSecondsMs(context),
    body: received.body,
    ...(checksum === undefined ? {} : { checksum }),
  };
  await commitPart({ bucket, upload }, part, context);
  return emptyResponse(200, {
    etag,
    "x-amz-server-side-encryption": upload.attributes.encryption,
    ...(checksum === undefined ? {} : { [checksumHeader(checksum.algorithm)]: checksum.value }),
  });
}
