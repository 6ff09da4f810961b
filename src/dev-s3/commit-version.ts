import { checkWrite, type WriteCondition } from "./condition.ts";
import type { Context } from "./context.ts";
import { currentVersion } from "./find-version.ts";
import type { Bucket, ContentVersion, Version } from "./model.ts";

/** How many deletions a key had seen; a conditional write compares the count at its start and at its end. */
export interface DeletionWatch extends Disposable {
  readonly happened: boolean;
}

/** Starts to count the deletions of a key, for as long as the watch is held. */
export function watchDeletions(bucket: Bucket, key: string): DeletionWatch {
  const { deletions } = bucket;
  const watchers = deletions.get(key) ?? { watchers: 0, count: 0 };
  watchers.watchers++;
  deletions.set(key, watchers);
  const start = watchers.count;
  return {
    get happened() {
      return watchers.count !== start;
    },
    [Symbol.dispose]() {
      watchers.watchers--;
      if (watchers.watchers === 0) deletions.delete(key);
    },
  };
}

/** Tells those who watch that the key was deleted. */
export function countDeletion(bucket: Bucket, key: string): void {
  const watchers = bucket.deletions.get(key);
  if (watchers !== undefined) watchers.count++;
}

/** The id of a new version: `null` unless versioning is enabled. */
export function newVersionId(bucket: Bucket, context: Context): string {
  return bucket.record.versioning === "Enabled" ? context.newId() : "null";
}

/** The versions after `version` came on top: an unversioned one takes the place of the `null` version. */
export function withNewest(versions: readonly Version[], version: Version): Version[] {
  return [version, ...versions.filter((old) => old.versionId !== version.versionId)];
}

/**
 * Checks the condition and makes `version` the newest of its key, in one step.
 * `lock: "held"` when the caller holds the key's lock already.
 * @throws {S3Error} PreconditionFailed, NoSuchKey, ConditionalRequestConflict, NoSuchBucket.
 */
export async function commitVersion(
  options: {
    readonly bucket: Bucket;
    readonly key: string;
    readonly version: ContentVersion;
    readonly condition: WriteCondition;
    readonly watch: DeletionWatch;
    readonly lock: "take" | "held";
  },
  context: Context,
): Promise<void> {
  const { bucket, key, version, condition, watch } = options;
  const commit = async (): Promise<void> => {
    checkWrite(condition, currentVersion(bucket, key), watch.happened);
    const versions = bucket.keys.get(key)?.versions ?? [];
    await context.catalog.saveVersions(bucket, key, withNewest(versions, version));
  };
  if (options.lock === "held") await commit();
  else await context.catalog.locked(bucket.record.name, key, commit);
}
