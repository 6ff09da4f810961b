import { countDeletion, newVersionId, withNewest } from "../commit-version.ts";
import { checkWrite, type WriteCondition, writeCondition } from "../condition.ts";
import { type Context, emptyResponse, type S3Request, type S3Response } from "../context.ts";
import { S3Error } from "../error.ts";
import { currentVersion } from "../find-version.ts";
import { honoured } from "../gaps.ts";
import type { Bucket, Version } from "../model.ts";

/** What a deletion did: with versioning it may have written a marker, or removed one. */
export interface Deletion {
  readonly versionId?: string;
  readonly deleteMarker: boolean;
}

/** What is left of the versions, and what to report. */
function without(
  bucket: Bucket,
  versions: readonly Version[],
  versionId: string | undefined,
  context: Context,
): { readonly left: readonly Version[]; readonly deletion: Deletion } {
  if (versionId !== undefined) {
    const removed = versions.find((version) => version.versionId === versionId);
    return {
      left: versions.filter((version) => version !== removed),
      deletion: { versionId, deleteMarker: removed?.kind === "deleteMarker" },
    };
  }
  if (bucket.record.versioning === "") return { left: [], deletion: { deleteMarker: false } };
  const marker = {
    kind: "deleteMarker" as const,
    versionId: newVersionId(bucket, context),
    lastModifiedMs: Math.floor(context.nowMs() / 1000) * 1000,
  };
  return {
    left: withNewest(versions, marker),
    deletion: { versionId: marker.versionId, deleteMarker: true },
  };
}

/**
 * Deletes a key or one of its versions under a condition; what is not there counts as deleted.
 * @throws {S3Error} PreconditionFailed, NoSuchKey for If-Match without an object.
 */
export function deleteKey(
  target: {
    readonly bucket: Bucket;
    readonly key: string;
    readonly versionId: string | undefined;
    readonly condition: WriteCondition;
  },
  context: Context,
): Promise<Deletion> {
  const { bucket, key, versionId, condition } = target;
  return context.catalog.locked(bucket.record.name, key, async () => {
    checkWrite(condition, currentVersion(bucket, key), false);
    const versions = bucket.keys.get(key)?.versions ?? [];
    const { left, deletion } = without(bucket, versions, versionId, context);
    const existed = currentVersion(bucket, key) !== undefined;
    if (left.length !== versions.length || left.some((version, i) => version !== versions[i])) {
      await context.catalog.saveVersions(bucket, key, left);
    }
    if (existed && currentVersion(bucket, key) === undefined) countDeletion(bucket, key);
    return deletion;
  });
}

/** DeleteObject. */
export async function deleteObject(request: S3Request, context: Context): Promise<S3Response> {
  const condition = honoured(writeCondition(request.headers), "delete", context.gaps);
  if (condition.kind === "absent") {
    throw new S3Error("NotImplemented", { elements: { Header: "If-None-Match" } });
  }
  const deletion = await deleteKey(
    {
      bucket: context.catalog.bucket(request.bucket),
      key: request.key,
      versionId: request.query.get("versionId"),
      condition,
    },
    context,
  );
  return emptyResponse(204, {
    ...(deletion.versionId === undefined ? {} : { "x-amz-version-id": deletion.versionId }),
    ...(deletion.deleteMarker ? { "x-amz-delete-marker": "true" } : {}),
  });
}
