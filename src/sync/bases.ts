import { markDirty } from "../cache/dirty.ts";
import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { FsError } from "../vfs/error.ts";
import type { Fetcher } from "./fetcher.ts";
import { adoptOwn } from "./own-objects.ts";
import type { SeenObject } from "./remote-change.ts";
import type { Revalidator } from "./revalidator.ts";
import type { SyncContext } from "./sync-context.ts";

/** Rounds until a detachment goes on although S3's answers contradict each other, or writes do not stop. */
const maxRounds = 8;

/** Makes files independent of their base objects before those are overwritten or deleted. */
export class Bases {
  readonly #context: SyncContext;
  readonly #fetcher: Fetcher;
  readonly #revalidator: Revalidator;
  /** Which export waits for which other one. */
  readonly #waits = new Set<{ readonly by: InodeNumber; readonly other: InodeNumber }>();

  constructor(context: SyncContext, fetcher: Fetcher, revalidator: Revalidator) {
    this.#context = context;
    this.#fetcher = fetcher;
    this.#revalidator = revalidator;
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

  /**
   * Syncs what the cache holds of a file, so that it can be trusted after a power cut. @throws {FsError} IO for ever
   * once any sync of the volume's cache has failed: what then looks synced may not be.
   */
  async secure(inode: InodeNumber, generations?: readonly number[], upTo?: number): Promise<void> {
    const { state } = this.#context;
    const wanted = generations ?? state.extents.unsyncedGenerations(inode);
    const epoch = upTo ?? state.extents.endEpoch();
    this.#requireTrust(inode);
    if (wanted.length === 0) return;
    try {
      for (const generation of wanted) await state.syncFile(inode, generation);
    } catch (error) {
      // Bytes believed to be on their way to the disk may be lost.
      state.db.distrust();
      throw error;
    }
    this.#requireTrust(inode);
    this.#context.transaction(() => state.extents.markSynced(inode, epoch, wanted));
  }

  #requireTrust(inode: InodeNumber): void {
    if (!this.#context.state.db.isDistrusted) return;
    throw new FsError(
      "IO",
      `Inode ${inode} is not exported: a sync of the cache has failed, its data may be lost`,
    );
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
    for (let round = 0; ; round++) {
      const row = state.inodes.get(inode);
      if (row?.remote?.key !== key) return;
      let isLost = false;
      if (row.type === "file") {
        try {
          await this.#fetcher.fetchWhole(inode, { keep: true });
        } catch (error) {
          if (!(error instanceof FsError) || error.code !== "STALE") throw error;
          const seen = await this.#revalidator.look(key);
          if (!this.#isLost(row, seen)) {
            if (round >= maxRounds) throw error;
            continue;
          }
          isLost = true;
          this.#context.log.error("Bytes of a file are lost: its object at S3 has changed", {
            inode,
            key,
          });
        }
        await this.secure(inode);
      }
      const isFinal = round >= maxRounds;
      const isDone = this.#context.transaction(() =>
        this.#cutOff(inode, key, { isLost, isFinal }, options),
      );
      if (isDone) return;
    }
  }

  /**
   * Whether bytes of the version in `asked` are gone for good, by what S3 has under its key now. A late request of
   * our own has them as well, and a file that was not edited simply shows what S3 has.
   */
  #isLost(asked: InodeRow, seen: SeenObject | undefined): boolean {
    const context = this.#context;
    return context.transaction(() => {
      const row = context.state.inodes.get(asked.id);
      const { remote } = asked;
      if (row?.remote === undefined || remote === undefined) return false;
      if (row.remote.key !== remote.key || row.remote.etag !== remote.etag) return false;
      if (seen?.info.etag === remote.etag) return false;
      if (seen !== undefined && adoptOwn(context, row, seen)) return false;
      const isEdited = (row.dirty & (dirtyBits.data | dirtyBits.metadata)) !== 0;
      if (isEdited || row.links === 0 || context.hasLiveAttempt(row.id)) return true;
      return this.#revalidator.apply(row.id, remote, seen) === "lost";
    });
  }

  #cutOff(
    inode: InodeNumber,
    key: ObjectKey,
    { isLost, isFinal }: { readonly isLost: boolean; readonly isFinal: boolean },
    options: { readonly bury: boolean },
  ): boolean {
    const { state } = this.#context;
    const row = state.inodes.get(inode);
    if (row?.remote === undefined || row.remote.key !== key) return true;
    if (row.type === "file") {
      const hasGaps = this.#context.absentRanges(row).length > 0;
      if (!isLost && (hasGaps || this.#hasUnsyncedClean(inode))) return false;
      // What was written meanwhile may have taken the place of bytes of the base; a busy writer is not waited for.
      if (!isFinal && state.extents.unsyncedGenerations(inode).length > 0) return false;
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
