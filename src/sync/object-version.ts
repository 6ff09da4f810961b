import type { RemoteObject } from "../cache/inodes.ts";
import type { ObjectHeaders, ObjectInfo, ObjectKey, ObjectVersion } from "../s3/object-store.ts";

/**
 * Whether both are the same version of an object. A time of 0 is unknown (our own upload's answer does not tell
 * it); times are compared in whole seconds, since some stores give milliseconds in listings only.
 */
export function isSameVersion(known: RemoteObject, seen: ObjectVersion): boolean {
  if (known.etag !== seen.etag || known.sizeBytes !== seen.sizeBytes) return false;
  if (
    known.versionId !== undefined &&
    seen.versionId !== undefined &&
    known.versionId !== seen.versionId
  ) {
    return false;
  }
  if (known.lastModifiedMs === 0 || seen.lastModifiedMs === 0) return true;
  return Math.floor(known.lastModifiedMs / 1000) === Math.floor(seen.lastModifiedMs / 1000);
}

/** The version under its key, as the inode table keeps it. */
export function remoteObject(key: ObjectKey, version: ObjectVersion): RemoteObject {
  return {
    key,
    etag: version.etag,
    versionId: version.versionId,
    sizeBytes: version.sizeBytes,
    lastModifiedMs: version.lastModifiedMs,
  };
}

/** What an export must carry forward of what a HEAD said. */
export function headersOf(info: ObjectInfo): ObjectHeaders {
  const { etag: _etag, sizeBytes: _size, lastModifiedMs: _time, ...rest } = info;
  const { versionId: _version, ...headers } = rest;
  return headers;
}
