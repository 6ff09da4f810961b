import {
  type Context,
  emptyResponse,
  type S3Request,
  type S3Response,
  versionHeaders,
  xmlResponse,
} from "../context.ts";
import { S3Error } from "../error.ts";
import { findVersion } from "../find-version.ts";
import type { ContentVersion } from "../model.ts";
import { parseTagDocument, tagDocument } from "../tags.ts";

type Tags = Readonly<Record<string, string>>;

/** Replaces one version of a key by what `change` makes of it, under the key's lock. */
export function changeVersion<Result>(
  request: S3Request,
  context: Context,
  change: (version: ContentVersion) => { version: ContentVersion; result: Result },
): Promise<Result> {
  const bucket = context.catalog.bucket(request.bucket);
  return context.catalog.locked(request.bucket, request.key, async () => {
    const before = findVersion(bucket, request.key, request.query.get("versionId"));
    const { version, result } = change(before);
    const versions = bucket.keys.get(request.key)?.versions ?? [];
    await context.catalog.saveVersions(
      bucket,
      request.key,
      versions.map((old) => (old === before ? version : old)),
    );
    return result;
  });
}

function setObjectTags(request: S3Request, context: Context, tags: Tags): Promise<ContentVersion> {
  return changeVersion(request, context, (before) => {
    const version = { ...before, attributes: { ...before.attributes, tags } };
    return { version, result: version };
  });
}

/** GetObjectTagging. */
export function getObjectTagging(request: S3Request, context: Context): Promise<S3Response> {
  const bucket = context.catalog.bucket(request.bucket);
  const version = findVersion(bucket, request.key, request.query.get("versionId"));
  const headers = versionHeaders(bucket.record.versioning, version);
  return Promise.resolve(xmlResponse(tagDocument(version.attributes.tags), headers));
}

/** PutObjectTagging: replaces all tags; ETag and Last-Modified stay. */
export async function putObjectTagging(request: S3Request, context: Context): Promise<S3Response> {
  const tags = parseTagDocument(await request.body.readAll(), 10);
  const version = await setObjectTags(request, context, tags);
  const { versioning } = context.catalog.bucket(request.bucket).record;
  return emptyResponse(200, versionHeaders(versioning, version));
}

/** DeleteObjectTagging. */
export async function deleteObjectTagging(
  request: S3Request,
  context: Context,
): Promise<S3Response> {
  await setObjectTags(request, context, {});
  return emptyResponse(204);
}

/** GetBucketTagging: an error when the bucket has none. */
export function getBucketTagging(request: S3Request, context: Context): Promise<S3Response> {
  const { tags } = context.catalog.bucket(request.bucket).record;
  if (Object.keys(tags).length === 0) throw new S3Error("NoSuchTagSet");
  return Promise.resolve(xmlResponse(tagDocument(tags)));
}

function setBucketTags(request: S3Request, context: Context, tags: Tags): Promise<S3Response> {
  return context.catalog.locked(request.bucket, "", async () => {
    const { record } = context.catalog.bucket(request.bucket);
    await context.catalog.saveBucket({ ...record, tags });
    return emptyResponse(204);
  });
}

/** PutBucketTagging: at most 50 tags. */
export async function putBucketTagging(request: S3Request, context: Context): Promise<S3Response> {
  const tags = parseTagDocument(await request.body.readAll(), 50);
  return setBucketTags(request, context, tags);
}

/** DeleteBucketTagging. */
export function deleteBucketTagging(request: S3Request, context: Context): Promise<S3Response> {
  return setBucketTags(request, context, {});
}
