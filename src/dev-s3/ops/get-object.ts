import { attributeHeaders } from "../attributes.ts";
import { parseRange, rangeOfPart } from "../byte-range.ts";
import { checksumHeaders } from "../checksum.ts";
import { checkRead } from "../condition.ts";
import {
  type Context,
  emptyResponse,
  type S3Request,
  type S3Response,
  versionHeaders,
} from "../context.ts";
import { S3Error } from "../error.ts";
import { findVersion, isUnreadable } from "../find-version.ts";
import { httpDate } from "../http-date.ts";
import type { Bucket, ContentVersion } from "../model.ts";

/** Query parameters by which a GET chooses headers of its answer. */
const overrides = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
];

function restoreHeader(version: ContentVersion, nowMs: number): Record<string, string> {
  const { restore } = version;
  if (restore === undefined || nowMs >= restore.expiryMs) return {};
  const text =
    nowMs < restore.readyMs
      ? 'ongoing-request="true"'
      : `ongoing-request="false", expiry-date="${httpDate(restore.expiryMs)}"`;
  return { "x-amz-restore": text };
}

/** Headers of the object itself, whatever part of it is sent. */
function objectHeaders(
  bucket: Bucket,
  version: ContentVersion,
  nowMs: number,
): Record<string, string> {
  return {
    "accept-ranges": "bytes",
    etag: version.etag,
    "last-modified": httpDate(version.lastModifiedMs),
    ...attributeHeaders(version.attributes),
    ...versionHeaders(bucket.record.versioning, version),
    ...restoreHeader(version, nowMs),
  };
}

/** The part of the object that the request asks for, or undefined for all of it. */
function wanted(request: S3Request, version: ContentVersion) {
  const part = request.query.get("partNumber");
  const range = request.headers.get("range");
  if (part === undefined) return parseRange(range, version.sizeBytes);
  if (range !== undefined) {
    throw new S3Error("InvalidRequest", {
      message: "Cannot specify both Range header and partNumber query parameter",
    });
  }
  return rangeOfPart(Number(part), version.sizeBytes, version.partSizes);
}

function partsCount(request: S3Request, version: ContentVersion): Record<string, string> {
  return request.query.has("partNumber") && version.partSizes !== undefined
    ? { "x-amz-mp-parts-count": String(version.partSizes.length) }
    : {};
}

/** GetObject and HeadObject: the same answer, with and without its body. */
export function readObject(request: S3Request, context: Context): Promise<S3Response> {
  const bucket = context.catalog.bucket(request.bucket);
  const version = findVersion(bucket, request.key, request.query.get("versionId"));
  const headers = objectHeaders(bucket, version, context.nowMs());
  if (checkRead(request.headers, version) === "notModified") {
    return Promise.resolve(emptyResponse(304, headers));
  }
  if (request.operation === "GetObject" && isUnreadable(version, context.nowMs())) {
    throw new S3Error("InvalidObjectState", {
      elements: { StorageClass: version.attributes.storageClass },
    });
  }
  const range = wanted(request, version);
  const { offsetBytes, lengthBytes } = range ?? { offsetBytes: 0, lengthBytes: version.sizeBytes };
  // A checksum of the whole object says nothing about a range of it.
  const checksum =
    range === undefined && request.headers.get("x-amz-checksum-mode")?.toUpperCase() === "ENABLED"
      ? checksumHeaders(version.checksum)
      : {};
  const last = offsetBytes + lengthBytes - 1;
  const overridden = overrides.flatMap((name) => {
    const value = request.query.get(`response-${name}`);
    return value === undefined ? [] : [[name, value]];
  });
  context.catalog.retain(version.body);
  return Promise.resolve({
    status: range === undefined || lengthBytes === 0 ? 200 : 206,
    headers: {
      ...headers,
      ...checksum,
      ...partsCount(request, version),
      ...Object.fromEntries(overridden),
      "content-length": String(lengthBytes),
      ...(range === undefined || lengthBytes === 0
        ? {}
        : { "content-range": `bytes ${offsetBytes}-${last}/${version.sizeBytes}` }),
    },
    body: { kind: "bytes", segments: version.body, offsetBytes, lengthBytes },
  });
}
