import { type Context, type S3Request, type S3Response, xmlResponse } from "../context.ts";
import { S3Error } from "../error.ts";
import { currentVersion } from "../find-version.ts";
import { unlistedMs } from "../gaps.ts";
import { isoDate } from "../http-date.ts";
import {
  entryName,
  keyEncoder,
  type ListEntry,
  parseMaximum,
  takePage,
  walkKeys,
} from "../listing.ts";
import type { Bucket, ContentVersion, KeyRecord } from "../model.ts";
import { document, type Element, element, optional } from "../xml.ts";

/** What XML 1.0 cannot carry, as servers write it that do not know `encoding-type`. */
function withoutControls(key: string): string {
  return Array.from(key, (c) => (c < " " ? "\ufffd" : c)).join("");
}

/** A page of current objects and what every listing writes about itself. */
function listPage(request: S3Request, context: Context, after: string) {
  const bucket = context.catalog.bucket(request.bucket);
  const { query } = request;
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const maximum = parseMaximum(query.get("max-keys"), "max-keys");
  const { gaps } = context;
  const encodingType = gaps.has("encoding-type") ? undefined : query.get("encoding-type");
  const encode = gaps.has("encoding-type") ? withoutControls : keyEncoder(encodingType);
  const listedUntilMs = gaps.has("list-after-write")
    ? context.nowMs() - unlistedMs
    : Number.POSITIVE_INFINITY;
  const entries = walkKeys(
    bucket.keys,
    { prefix, delimiter, after },
    ({ versions: [newest] }) =>
      newest?.kind === "content" && newest.lastModifiedMs <= listedUntilMs,
  );
  const { page, truncated } = takePage(entries, maximum);
  const head = [
    element("Name", request.bucket),
    element("Prefix", encode(prefix)),
    optional("Delimiter", delimiter === "" ? undefined : encode(delimiter)),
    optional("EncodingType", encodingType),
    element("MaxKeys", maximum),
    element("IsTruncated", truncated),
  ];
  return { bucket, page, truncated, encode, head };
}

function objectElement(key: string, version: ContentVersion, owner: Element | undefined): Element {
  const { checksum } = version;
  return element("Contents", [
    element("Key", key),
    element("LastModified", isoDate(version.lastModifiedMs)),
    element("ETag", version.etag),
    optional("ChecksumAlgorithm", checksum?.algorithm),
    optional("ChecksumType", checksum?.type),
    element("Size", version.sizeBytes),
    owner,
    element("StorageClass", version.attributes.storageClass),
  ]);
}

function entryElements(
  bucket: Bucket,
  page: readonly ListEntry<KeyRecord>[],
  encode: (key: string) => string,
  owner: Element | undefined,
): Element[] {
  const objects: Element[] = [];
  const prefixes: Element[] = [];
  for (const entry of page) {
    if (entry.kind === "prefix") {
      prefixes.push(element("CommonPrefixes", [element("Prefix", encode(entry.prefix))]));
      continue;
    }
    const version = currentVersion(bucket, entry.key);
    if (version !== undefined) objects.push(objectElement(encode(entry.key), version, owner));
  }
  return [...objects, ...prefixes];
}

/** Tokens are opaque to clients; ours hold the last entry of the page before. */
function parseToken(token: string): string {
  const text = Buffer.from(token, "base64url").toString("utf8");
  if (!text.startsWith("after:")) {
    throw new S3Error("InvalidArgument", {
      message: "The continuation token provided is incorrect",
    });
  }
  return text.slice("after:".length);
}

/** ListObjectsV2: the token wins over start-after. */
export function listObjectsV2(request: S3Request, context: Context): Promise<S3Response> {
  const { query } = request;
  const token = query.get("continuation-token");
  const startAfter = context.gaps.has("start-after") ? undefined : query.get("start-after");
  const after = token === undefined ? (startAfter ?? "") : parseToken(token);
  const { bucket, page, truncated, encode, head } = listPage(request, context, after);
  const last = page.at(-1);
  const next =
    truncated && last !== undefined
      ? Buffer.from(`after:${entryName(last)}`).toString("base64url")
      : undefined;
  const owner =
    query.get("fetch-owner") === "true"
      ? element("Owner", [element("ID", context.ownerId)])
      : undefined;
  return Promise.resolve(
    xmlResponse(
      document(
        element("ListBucketResult", [
          ...head,
          element("KeyCount", page.length),
          optional("StartAfter", startAfter === undefined ? undefined : encode(startAfter)),
          optional("ContinuationToken", token),
          optional("NextContinuationToken", next),
          ...entryElements(
            bucket,
            context.gaps.has("listing-order") ? page.toReversed() : page,
            encode,
            owner,
          ),
        ]),
      ),
    ),
  );
}

/** ListObjects, version 1: NextMarker only together with a delimiter. */
export function listObjects(request: S3Request, context: Context): Promise<S3Response> {
  const marker = request.query.get("marker") ?? "";
  const { bucket, page, truncated, encode, head } = listPage(request, context, marker);
  const last = page.at(-1);
  const next =
    truncated && last !== undefined && request.query.has("delimiter")
      ? encode(entryName(last))
      : undefined;
  const owner = element("Owner", [element("ID", context.ownerId)]);
  return Promise.resolve(
    xmlResponse(
      document(
        element("ListBucketResult", [
          ...head,
          element("Marker", encode(marker)),
          optional("NextMarker", next),
          ...entryElements(bucket, page, encode, owner),
        ]),
      ),
    ),
  );
}
