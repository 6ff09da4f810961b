import { hash, newDigest } from "../checksum.ts";
import {
  type Context,
  type S3Request,
  type S3Response,
  wholeSecondsMs,
  xmlResponse,
} from "../context.ts";
import { copySource } from "../copy-source.ts";
import { S3Error } from "../error.ts";
import { isoDate } from "../http-date.ts";
import { maxUploadBytes } from "../receive-body.ts";
import { sliceSegments } from "../slice-segments.ts";
import { document, element, optional } from "../xml.ts";
import { commitPart, partTarget } from "./upload-part.ts";

/** The range of `x-amz-copy-source-range`: both ends, within the source. @throws {S3Error} InvalidArgument, InvalidRange. */
function copyRange(header: string | undefined, sizeBytes: number) {
  if (header === undefined) return { offsetBytes: 0, lengthBytes: sizeBytes };
  const match = /^bytes=(\d+)-(\d+)$/.exec(header.trim());
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || last < first) {
    throw new S3Error("InvalidArgument", {
      message:
        "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
      elements: { ArgumentName: "x-amz-copy-source-range", ArgumentValue: header },
    });
  }
  if (last >= sizeBytes) {
    throw new S3Error("InvalidArgument", {
      message: `Range specified is not valid for source object of size: ${sizeBytes}`,
      elements: { ArgumentName: "x-amz-copy-source-range", ArgumentValue: header },
    });
  }
  return { offsetBytes: first, lengthBytes: last - first + 1 };
}

/** UploadPartCopy: the part shares the source's blobs; its MD5 is computed by reading them. */
export async function uploadPartCopy(request: S3Request, context: Context): Promise<S3Response> {
  const { catalog } = context;
  if (context.gaps.has("upload-part-copy")) throw new S3Error("NotImplemented");
  const { bucket, upload, partNumber } = partTarget(request, context);
  const source = copySource(request, context);
  const { offsetBytes, lengthBytes } = copyRange(
    context.gaps.has("upload-part-copy-range")
      ? undefined
      : request.headers.get("x-amz-copy-source-range"),
    source.version.sizeBytes,
  );
  if (lengthBytes > maxUploadBytes) {
    throw new S3Error("InvalidRequest", {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${maxUploadBytes}`,
    });
  }
  const body = sliceSegments(source.version.body, offsetBytes, lengthBytes);
  const algorithm = upload.checksum?.algorithm;
  catalog.retain(body);
  try {
    const md5 = hash("md5");
    const running = algorithm === undefined ? undefined : newDigest(algorithm);
    for await (const piece of catalog.read(body, 0, lengthBytes)) {
      md5.update(piece);
      running?.update(piece);
    }
    const part = {
      partNumber,
      etag: `"${md5.digest().toString("hex")}"`,
      sizeBytes: lengthBytes,
      lastModifiedMs: wholeSecondsMs(context),
      body,
      ...(algorithm === undefined || running === undefined
        ? {}
        : {
            checksum: {
              algorithm,
              type: "FULL_OBJECT" as const,
              value: running.digest().toString("base64"),
            },
          }),
    };
    await commitPart({ bucket, upload }, part, context);
    return xmlResponse(
      document(
        element("CopyPartResult", [
          element("LastModified", isoDate(part.lastModifiedMs)),
          element("ETag", part.etag),
          optional(`Checksum${algorithm}`, part.checksum?.value),
        ]),
      ),
      source.bucket.record.versioning === ""
        ? {}
        : { "x-amz-copy-source-version-id": source.version.versionId },
    );
  } finally {
    await catalog.release(body);
  }
}
