import type { Tombstone } from "../cache/journal.ts";
import { rootInode } from "../cache/volume-state.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { detailOf } from "./attempt-detail.ts";
import type { Bases } from "./bases.ts";
import { isUnavailable, isUnsent } from "./fs-error.ts";
import type { LinkRecords } from "./link-records.ts";
import { rememberDeletion } from "./own-objects.ts";
import type { Revalidator } from "./revalidator.ts";
import type { SyncContext } from "./sync-context.ts";
import { markHeader } from "./write-mark.ts";

/** Deletes objects at S3 whose names are gone here. The tombstone itself is the journal of its deletion. */
export class Tombstones {
  readonly #context: SyncContext;
  readonly #bases: Bases;
  readonly #revalidator: Revalidator;
  readonly #export: (inode: InodeNumber) => Promise<unknown>;
  readonly #links: LinkRecords;

  constructor(
    context: SyncContext,
    parts: {
      readonly bases: Bases;
      readonly revalidator: Revalidator;
      readonly export: (inode: InodeNumber) => Promise<unknown>;
      readonly links: LinkRecords;
    },
  ) {
    this.#context = context;
    this.#bases = parts.bases;
    this.#revalidator = parts.revalidator;
    this.#export = parts.export;
    this.#links = parts.links;
  }

  /**
   * Deletes one object, unless it is another one now. False when the tombstone stays: a file has the name again, and
   * its export will replace the object. @throws {ObjectStoreError}.
   */
  async delete(tombstone: Tombstone): Promise<boolean> {
    const context = this.#context;
    const { state, store, failpoint, signal } = context;
    const { key, etag } = tombstone;
    if (this.#isKept(key)) return false;
    await this.#keepDirectory(key);
    await this.#bases.clear(key, undefined, this.#export);
    if (!(await this.#isNobodys(key))) return false;
    await state.db.sync();
    using _ = await context.keyLocks.acquire(key);
    if (state.journal.tombstone(key)?.etag !== etag) return true;
    if (this.#isKept(key)) return false;
    if (state.inodes.byRemoteKey(key).length > 0) return false;
    let answer: Awaited<ReturnType<typeof store.delete>>;
    try {
      answer = await store.delete(key, etag, { signal });
    } catch (error) {
      if (!isUnsent(error) && (isUnavailable(error) || signal.aborted)) {
        context.transaction(() => rememberDeletion(context, key, etag));
      }
      throw error;
    }
    if (answer.kind === "deleted") {
      // A name of its own: one that dies here deletes once more, so dying each time would never end.
      failpoint("sync.deleted");
      this.#end(key, etag);
      failpoint("sync.recorded");
      return true;
    }
    return this.#changed(tombstone);
  }

  /** Whether an inode that has this name now takes care of the object. */
  #isKept(key: ObjectKey): boolean {
    const context = this.#context;
    const row = context.inodeAt(key);
    if (row === undefined || row.dirty >= 8) return false;
    if (row.remote?.key === key && row.dirty === 0) {
      context.transaction(() => context.state.journal.unbury(key));
      return true;
    }
    return row.dirty !== 0 || context.hasLiveAttempt(row.id);
  }

  /** A directory that is there only because of this object gets its own marker first. */
  async #keepDirectory(key: ObjectKey): Promise<void> {
    const cut = key.lastIndexOf("/", key.length - 2);
    const parent =
      cut === -1 ? undefined : this.#context.inodeAt(key.slice(0, cut + 1) as ObjectKey);
    if (parent === undefined || parent.remote !== undefined || parent.dirty === 0) return;
    await this.#export(parent.id);
  }

  /** False while a record says that the object has other names: ours is to be written first. */
  async #isNobodys(key: ObjectKey): Promise<boolean> {
    const context = this.#context;
    const { state } = context;
    await this.#links.fresh();
    if (await this.#links.isFree(key, undefined)) return true;
    const claims = state.links.namesAt(key).filter(({ isPrimary }) => isPrimary);
    const isOurs = claims.some(({ id }) => (state.links.get(id)?.dirtySinceMs ?? 0) > 0);
    if (isOurs) return false;
    // Another node has given it one before it could learn that it is removed here: it stays, and shows again.
    context.log.warn("Keeping an object that another node has given a further name", { key });
    context.transaction(() => {
      state.journal.unbury(key);
      const above = context.inodeAt(key.slice(0, key.lastIndexOf("/") + 1) as ObjectKey);
      const directory = above ?? state.inodes.get(rootInode);
      if (directory?.type === "directory") state.inodes.put({ ...directory, checkedMs: 0 });
    });
    return true;
  }

  #end(key: ObjectKey, etag: string): void {
    const { state, touched } = this.#context;
    this.#context.transaction(() => {
      if (state.journal.tombstone(key)?.etag === etag) state.journal.unbury(key);
    });
    touched.touch(key);
  }

  /** S3 has refused: the object is not the version that was to be deleted, or another request was under way (409). */
  async #changed({ key, etag, versionId }: Tombstone): Promise<boolean> {
    const context = this.#context;
    const { state } = context;
    const seen = await this.#revalidator.look(key);
    if (seen?.info.etag === etag) {
      const { versionId: now } = seen.info;
      if (versionId === undefined || now === undefined || versionId === now) return false;
    }
    const mark = seen?.info.metadata[markHeader];
    const isOurs = state.journal.ofKey(key).some((attempt) => detailOf(attempt).mark === mark);
    if (seen === undefined || !isOurs) {
      if (seen !== undefined) {
        context.log.info("Keeping an object that somebody wrote after it was deleted here", {
          key,
        });
      }
      this.#end(key, etag);
      return true;
    }
    context.transaction(() => {
      if (state.journal.tombstone(key)?.etag !== etag) return;
      const { etag: etagNow, versionId: versionNow } = seen.info;
      state.journal.bury({ key, etag: etagNow, versionId: versionNow, sinceMs: 0 });
    });
    return false; // the newer tombstone is for the next round
  }
}
