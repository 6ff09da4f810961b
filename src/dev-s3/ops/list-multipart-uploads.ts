import { type Context, type S3Request, type S3Response, xmlResponse } from "../context.ts";
import { isoDate } from "../http-date.ts";
import { keyEncoder, parseMaximum, takePage } from "../listing.ts";
import type { Bucket, Upload } from "../model.ts";
import { compareKeys } from "../sorted-map.ts";
import { document, type Element, element, optional } from "../xml.ts";

type Entry =
  | { readonly kind: "upload"; readonly name: string; readonly upload: Upload }
  | { readonly kind: "prefix"; readonly name: string };

/** Uploads ordered by key, then by time begun, rolled up at the delimiter. */
function* walkUploads(
  bucket: Bucket,
  query: { prefix: string; delimiter: string; keyMarker: string; idMarker: string | undefined },
): Generator<Entry> {
  const { prefix, delimiter, keyMarker, idMarker } = query;
  const ordered = [...bucket.uploads.values()].sort(
    (a, b) =>
      compareKeys(a.key, b.key) ||
      a.initiatedMs - b.initiatedMs ||
      compareKeys(a.uploadId, b.uploadId),
  );
  const markerIndex = ordered.findIndex(
    (upload) => upload.key === keyMarker && upload.uploadId === idMarker,
  );
  let rolledUp: string | undefined;
  for (const [i, upload] of ordered.entries()) {
    const { key } = upload;
    const afterMarker = compareKeys(key, keyMarker) > 0 || (markerIndex !== -1 && i > markerIndex);
    if (!afterMarker || !key.startsWith(prefix)) continue;
    const cut = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    if (cut === -1) yield { kind: "upload", name: key, upload };
    else if (rolledUp === undefined || !key.startsWith(rolledUp)) {
      rolledUp = key.slice(0, cut + delimiter.length);
      if (compareKeys(rolledUp, keyMarker) > 0) yield { kind: "prefix", name: rolledUp };
    }
  }
}

/** ListMultipartUploads. */
export function listMultipartUploads(request: S3Request, context: Context): Promise<S3Response> {
  const { query } = request;
  const bucket = context.catalog.bucket(request.bucket);
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const keyMarker = query.get("key-marker") ?? "";
  const idMarker = query.get("upload-id-marker");
  const maximum = parseMaximum(query.get("max-uploads"), "max-uploads");
  const encode = keyEncoder(query.get("encoding-type"));
  const entries = walkUploads(bucket, { prefix, delimiter, keyMarker, idMarker });
  const { page, truncated } = takePage(entries, maximum);
  const owner = [element("ID", context.ownerId)];
  const children = page.map((entry): Element => {
    if (entry.kind === "prefix") {
      return element("CommonPrefixes", [element("Prefix", encode(entry.name))]);
    }
    return element("Upload", [
      element("Key", encode(entry.name)),
      element("UploadId", entry.upload.uploadId),
      element("Initiator", owner),
      element("Owner", owner),
      element("StorageClass", entry.upload.attributes.storageClass),
      element("Initiated", isoDate(entry.upload.initiatedMs)),
    ]);
  });
  const last = page.at(-1);
  return Promise.resolve(
    xmlResponse(
      document(
        element("ListMultipartUploadsResult", [
          element("Bucket", request.bucket),
          element("KeyMarker", encode(keyMarker)),
          element("UploadIdMarker", idMarker ?? ""),
          optional("NextKeyMarker", truncated && last ? encode(last.name) : undefined),
          optional(
            "NextUploadIdMarker",
            truncated && last?.kind === "upload" ? last.upload.uploadId : undefined,
          ),
          optional("Delimiter", delimiter === "" ? undefined : encode(delimiter)),
          element("Prefix", encode(prefix)),
          optional("EncodingType", query.get("encoding-type")),
          element("MaxUploads", maximum),
          element("IsTruncated", truncated),
          ...children,
        ]),
      ),
    ),
  );
}
