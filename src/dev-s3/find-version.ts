import { isArchived } from "./attributes.ts";
import { S3Error } from "./error.ts";
import { httpDate } from "./http-date.ts";
import type { Bucket, ContentVersion } from "./model.ts";

/** What a key shows now: its newest version, unless that is a delete marker. */
export function currentVersion(bucket: Bucket, key: string): ContentVersion | undefined {
  const newest = bucket.keys.get(key)?.versions[0];
  return newest?.kind === "content" ? newest : undefined;
}

/**
 * The version that a request reads: the one named, or the current one.
 * @throws {S3Error} NoSuchKey, NoSuchVersion; MethodNotAllowed when the version named is a delete marker.
 */
export function findVersion(
  bucket: Bucket,
  key: string,
  versionId: string | undefined,
): ContentVersion {
  const versions = bucket.keys.get(key)?.versions ?? [];
  const found =
    versionId === undefined
      ? versions[0]
      : versions.find((version) => version.versionId === versionId);
  if (found?.kind === "content") return found;
  if (found === undefined) {
    throw versionId === undefined
      ? new S3Error("NoSuchKey", { elements: { Key: key } })
      : new S3Error("NoSuchVersion", { elements: { Key: key, VersionId: versionId } });
  }
  const headers = { "x-amz-delete-marker": "true", "x-amz-version-id": found.versionId };
  if (versionId === undefined) throw new S3Error("NoSuchKey", { elements: { Key: key }, headers });
  throw new S3Error("MethodNotAllowed", {
    headers: { ...headers, allow: "DELETE", "last-modified": httpDate(found.lastModifiedMs) },
  });
}

/** Whether an archived object has no restored copy at `nowMs`. */
export function isUnreadable(version: ContentVersion, nowMs: number): boolean {
  if (!isArchived(version.attributes.storageClass)) return false;
  const { restore } = version;
  return restore === undefined || nowMs < restore.readyMs || nowMs >= restore.expiryMs;
}
