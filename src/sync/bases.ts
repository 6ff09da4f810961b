import { markDirty } from "../cache/dirty.ts";
import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { FsError } from "../vfs/error.ts";
import type { Fetcher } from "./fetcher.ts";
import type { SyncContext } from "./sync-context.ts";

/** Makes files independent of their base objects before those are overwritten or deleted. */
export class Bases {
  readonly #context: SyncContext;
  readonly #fetcher: Fetcher;
  /** Which export waits for which other one. */
  readonly #waits = new Set<{ readonly by: InodeNumber; readonly other: InodeNumber }>();

  constructor(context: SyncContext, fetcher: Fetcher) {
    this.#context = context;
    this.#fetcher = fetcher;
  }

  /**
   * Resolves when no inode but `by` has its object under `key`: one that is to move away is exported first by
   * `move`, one that has no other place (or waits for us in turn) gets its bytes into the cache. The caller holds
   * no lock.
   */
  async clear(
    key: ObjectKey,
    by: InodeNumber | undefined,
    move: (inode: InodeNumber) => Promise<unknown>,
  ): Promise<void> {
    for (;;) {
      const other = this.#context.state.inodes.byRemoteKey(key).find(({ id }) => id !== by);
      if (other === undefined) return;
      if (by !== undefined && this.#isToMove(other, key) && !this.#isWaitingFor(other.id, by)) {
        const wait = { by, other: other.id };
        this.#waits.add(wait);
        try {
          await move(other.id);
        } finally {
          this.#waits.delete(wait);
        }
        const now = this.#context.state.inodes.get(other.id);
        if (now?.remote?.key !== key) continue;
      }
      using _ = await this.#context.locks.acquire(other.id);
      await this.detach(other.id, key, { bury: true });
    }
  }

  #isToMove(row: InodeRow, key: ObjectKey): boolean {
    const target = this.#context.keyOf(row);
    return row.dirty > 0 && row.dirty < dirtyBits.local && target !== undefined && target !== key;
  }

  #isWaitingFor(inode: InodeNumber, by: InodeNumber): boolean {
    const reached = new Set([inode]);
    for (const at of reached) {
      for (const wait of this.#waits) {
        if (wait.by === at) reached.add(wait.other);
      }
    }
    return reached.has(by);
  }

  /** Syncs what the cache holds of a file, so that it can be trusted after a power cut. */
  async secure(inode: InodeNumber, generations?: readonly number[], upTo?: number): Promise<void> {
    const { state } = this.#context;
    const wanted = generations ?? state.extents.unsyncedGenerations(inode);
    const epoch = upTo ?? state.extents.endEpoch();
    if (wanted.length === 0) return;
    try {
      for (const generation of wanted) await state.files.sync(inode, generation);
    } catch (error) {
      // Bytes believed to be on their way to the disk may be lost, unless the whole file is gone on purpose.
      if (state.inodes.get(inode) !== undefined) state.db.distrust();
      throw error;
    }
    this.#context.transaction(() => state.extents.markSynced(inode, epoch, wanted));
  }

  /**
   * Makes an inode need its object under `key` no more: its bytes are all in the cache then, and are exported anew
   * if it has a name. `bury`: the object is to be deleted unless it is replaced. Bytes that S3 does not give any more are lost
   * (they read as an error). The caller holds the inode's lock.
   */
  async detach(
    inode: InodeNumber,
    key: ObjectKey,
    options: { readonly bury: boolean },
  ): Promise<void> {
    const { state } = this.#context;
    for (;;) {
      const row = state.inodes.get(inode);
      if (row?.remote?.key !== key) return;
      let isLost = false;
      if (row.type === "file") {
        try {
          await this.#fetcher.fetchWhole(inode, { keep: true });
        } catch (error) {
          if (!(error instanceof FsError) || error.code !== "STALE") throw error;
          isLost = true;
          this.#context.log.error("Bytes of a file are lost: its object at S3 has changed", {
            inode,
            key,
          });
        }
        await this.secure(inode);
      }
      const isDone = this.#context.transaction(() => this.#cutOff(inode, key, isLost, options));
      if (isDone) return;
    }
  }

  #cutOff(
    inode: InodeNumber,
    key: ObjectKey,
    isLost: boolean,
    options: { readonly bury: boolean },
  ): boolean {
    const { state } = this.#context;
    const row = state.inodes.get(inode);
    if (row?.remote === undefined || row.remote.key !== key) return true;
    if (row.type === "file") {
      const hasGaps = this.#context.absentRanges(row).length > 0;
      if (!isLost && (hasGaps || state.extents.unsyncedGenerations(inode).length > 0)) {
        // Something was written meanwhile; only bytes of the base matter.
        if (hasGaps || this.#hasUnsyncedClean(inode)) return false;
      }
      state.extents.keepClean(inode);
      if (!hasGaps) row.baseSizeBytes = 0;
      row.fetchGeneration = row.nextGeneration;
      row.nextGeneration += 1;
    }
    const { etag, versionId } = row.remote;
    row.remote = undefined;
    row.dirty &= ~dirtyBits.name;
    const { data, metadata } = dirtyBits;
    markDirty(row, row.type === "directory" ? metadata : data | metadata, this.#context.nowMs());
    state.inodes.put(row);
    const isAlone = state.inodes.byRemoteKey(key).every(({ links }) => links === 0);
    if (options.bury && isAlone && state.journal.tombstone(key) === undefined) {
      state.journal.bury({ key, etag, versionId, sinceMs: this.#context.nowMs() });
    }
    return true;
  }

  #hasUnsyncedClean(inode: InodeNumber): boolean {
    const { extents } = this.#context.state;
    const dirty = new Set(extents.unsyncedGenerations(inode, true));
    return extents.unsyncedGenerations(inode).some((generation) => !dirty.has(generation));
  }
}
