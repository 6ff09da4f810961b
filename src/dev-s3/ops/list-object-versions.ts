import { type Context, type S3Request, type S3Response, xmlResponse } from "../context.ts";
import { S3Error } from "../error.ts";
import { isoDate } from "../http-date.ts";
import { keyEncoder, parseMaximum, takePage, walkKeys } from "../listing.ts";
import type { Bucket, Version } from "../model.ts";
import { document, type Element, element, optional } from "../xml.ts";

type Entry =
  | { readonly kind: "prefix"; readonly name: string }
  | {
      readonly kind: "version";
      readonly name: string;
      readonly version: Version;
      readonly isLatest: boolean;
    };

interface VersionQuery {
  readonly prefix: string;
  readonly delimiter: string;
  readonly keyMarker: string;
  readonly versionMarker: string | undefined;
}

/** Versions of one key after the marker, newest first. */
function* versionsOf(bucket: Bucket, key: string, after: string | undefined): Generator<Entry> {
  const versions = bucket.keys.get(key)?.versions ?? [];
  const start =
    after === undefined ? 0 : versions.findIndex((version) => version.versionId === after) + 1;
  for (const [i, version] of versions.entries()) {
    if (i >= start) yield { kind: "version", name: key, version, isLatest: i === 0 };
  }
}

function* walkVersions(bucket: Bucket, query: VersionQuery): Generator<Entry> {
  const { prefix, delimiter, keyMarker, versionMarker } = query;
  if (versionMarker !== undefined && keyMarker.startsWith(prefix)) {
    const isPrefix = delimiter !== "" && keyMarker.includes(delimiter, prefix.length);
    if (!isPrefix) yield* versionsOf(bucket, keyMarker, versionMarker);
  }
  for (const entry of walkKeys(bucket.keys, { prefix, delimiter, after: keyMarker }, () => true)) {
    if (entry.kind === "prefix") yield { kind: "prefix", name: entry.prefix };
    else yield* versionsOf(bucket, entry.key, undefined);
  }
}

function entryElement(entry: Entry, encode: (key: string) => string, owner: Element): Element {
  if (entry.kind === "prefix") {
    return element("CommonPrefixes", [element("Prefix", encode(entry.name))]);
  }
  const { version } = entry;
  const head = [
    element("Key", encode(entry.name)),
    element("VersionId", version.versionId),
    element("IsLatest", entry.isLatest),
    element("LastModified", isoDate(version.lastModifiedMs)),
  ];
  switch (version.kind) {
    case "deleteMarker":
      return element("DeleteMarker", [...head, owner]);
    case "content":
      return element("Version", [
        ...head,
        element("ETag", version.etag),
        element("Size", version.sizeBytes),
        element("StorageClass", version.attributes.storageClass),
        owner,
      ]);
  }
}

/** ListObjectVersions: by key, the newest version of each first. */
export function listObjectVersions(request: S3Request, context: Context): Promise<S3Response> {
  const { query } = request;
  const bucket = context.catalog.bucket(request.bucket);
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const keyMarker = query.get("key-marker") ?? "";
  const versionMarker = query.get("version-id-marker");
  if (versionMarker !== undefined && keyMarker === "") {
    throw new S3Error("InvalidArgument", {
      message: "A version-id marker cannot be specified without a key marker",
    });
  }
  const maximum = parseMaximum(query.get("max-keys"), "max-keys");
  const encode = keyEncoder(query.get("encoding-type"));
  const entries = walkVersions(bucket, { prefix, delimiter, keyMarker, versionMarker });
  const { page, truncated } = takePage(entries, maximum);
  const last = truncated ? page.at(-1) : undefined;
  const owner = element("Owner", [element("ID", context.ownerId)]);
  return Promise.resolve(
    xmlResponse(
      document(
        element("ListVersionsResult", [
          element("Name", request.bucket),
          element("Prefix", encode(prefix)),
          element("KeyMarker", encode(keyMarker)),
          element("VersionIdMarker", versionMarker ?? ""),
          optional("NextKeyMarker", last === undefined ? undefined : encode(last.name)),
          optional(
            "NextVersionIdMarker",
            last?.kind === "version" ? last.version.versionId : undefined,
          ),
          element("MaxKeys", maximum),
          optional("Delimiter", delimiter === "" ? undefined : encode(delimiter)),
          optional("EncodingType", query.get("encoding-type")),
          element("IsTruncated", truncated),
          ...page.map((entry) => entryElement(entry, encode, owner)),
        ]),
      ),
    ),
  );
}
