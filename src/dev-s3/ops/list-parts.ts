import { type Context, type S3Request, type S3Response, xmlResponse } from "../context.ts";
import { isoDate } from "../http-date.ts";
import { parseMaximum, takePage } from "../listing.ts";
import { document, element, optional } from "../xml.ts";

/** ListParts, in the order of part numbers. */
export function listParts(request: S3Request, context: Context): Promise<S3Response> {
  const bucket = context.catalog.bucket(request.bucket);
  const uploadId = request.query.get("uploadId") ?? "";
  const upload = context.catalog.upload(bucket, uploadId, request.key);
  const marker = parseMarker(request.query.get("part-number-marker"));
  const maximum = parseMaximum(request.query.get("max-parts"), "max-parts");
  const following = [...upload.parts.values()]
    .filter((part) => part.partNumber > marker)
    .sort((a, b) => a.partNumber - b.partNumber);
  const { page, truncated } = takePage(following, maximum);
  const parts = page.map((part) =>
    element("Part", [
      element("PartNumber", part.partNumber),
      element("LastModified", isoDate(part.lastModifiedMs)),
      element("ETag", part.etag),
      element("Size", part.sizeBytes),
      optional(`Checksum${part.checksum?.algorithm}`, part.checksum?.value),
    ]),
  );
  const owner = [element("ID", context.ownerId)];
  return Promise.resolve(
    xmlResponse(
      document(
        element("ListPartsResult", [
          element("Bucket", request.bucket),
          element("Key", request.key),
          element("UploadId", uploadId),
          element("Initiator", owner),
          element("Owner", owner),
          element("StorageClass", upload.attributes.storageClass),
          element("PartNumberMarker", marker),
          optional("NextPartNumberMarker", truncated ? page.at(-1)?.partNumber : undefined),
          element("MaxParts", maximum),
          element("IsTruncated", truncated),
          optional("ChecksumAlgorithm", upload.checksum?.algorithm),
          optional("ChecksumType", upload.checksum?.type),
          ...parts,
        ]),
      ),
    ),
  );
}

/** A marker is a part number; anything else starts at the beginning. */
function parseMarker(text: string | undefined): number {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : 0;
}
