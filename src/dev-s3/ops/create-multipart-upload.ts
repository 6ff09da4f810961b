import { parseAttributes } from "../attributes.ts";
import { type ChecksumAlgorithm, type ChecksumType, parseAlgorithm } from "../checksum.ts";
import { type Context, type S3Request, type S3Response, xmlResponse } from "../context.ts";
import { S3Error } from "../error.ts";
import { document, element } from "../xml.ts";

/** The types that an algorithm allows, its default first (S3 user guide, "Checking object integrity"). */
const allowedTypes = {
  CRC32: ["COMPOSITE", "FULL_OBJECT"],
  CRC32C: ["COMPOSITE", "FULL_OBJECT"],
  CRC64NVME: ["FULL_OBJECT"],
  SHA1: ["COMPOSITE"],
  SHA256: ["COMPOSITE"],
} as const satisfies Record<ChecksumAlgorithm, readonly ChecksumType[]>;

/** The checksum of the object to be, as the request names it. @throws {S3Error} InvalidRequest. */
function parseChecksum(headers: ReadonlyMap<string, string>) {
  const name = headers.get("x-amz-checksum-algorithm");
  const typeName = headers.get("x-amz-checksum-type");
  if (name === undefined) {
    if (typeName !== undefined) {
      throw new S3Error("InvalidRequest", {
        message: "The x-amz-checksum-type header can only be used with x-amz-checksum-algorithm",
      });
    }
    return undefined;
  }
  const algorithm = parseAlgorithm(name);
  const types: readonly ChecksumType[] = allowedTypes[algorithm];
  const type = typeName === undefined ? types[0] : types.find((one) => one === typeName);
  if (type === undefined) {
    throw new S3Error("InvalidRequest", {
      message: `The ${typeName} checksum type cannot be used with the ${algorithm} checksum algorithm`,
    });
  }
  return { algorithm, type };
}

/** CreateMultipartUpload. */
export async function createMultipartUpload(
  request: S3Request,
  context: Context,
): Promise<S3Response> {
  const bucket = context.catalog.bucket(request.bucket);
  const attributes = parseAttributes(request.headers);
  const checksum = parseChecksum(request.headers);
  const uploadId = context.newId();
  await context.catalog.saveUpload(bucket, {
    uploadId,
    bucket: request.bucket,
    key: request.key,
    initiatedMs: Math.floor(context.nowMs() / 1000) * 1000,
    attributes,
    ...(checksum === undefined ? {} : { checksum }),
  });
  return xmlResponse(
    document(
      element("InitiateMultipartUploadResult", [
        element("Bucket", request.bucket),
        element("Key", request.key),
        element("UploadId", uploadId),
      ]),
    ),
    {
      "x-amz-server-side-encryption": attributes.encryption,
      ...(checksum === undefined
        ? {}
        : {
            "x-amz-checksum-algorithm": checksum.algorithm,
            "x-amz-checksum-type": checksum.type,
          }),
    },
  );
}
