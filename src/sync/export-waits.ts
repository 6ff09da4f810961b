import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import { lostAndFoundName, rootInode } from "../cache/volume-state.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { FsError } from "../vfs/error.ts";
import { toFsError } from "./fs-error.ts";
import { Semaphore } from "./semaphore.ts";
import type { SyncContext } from "./sync-context.ts";

/** Makes callers wait until a file is in S3, and tells them why when it does not get there. */
export class ExportWaits {
  readonly #context: SyncContext;
  readonly #export: (inode: InodeNumber) => Promise<unknown>;
  readonly #parallel: Semaphore;
  /** Of each file the export that has not begun yet: who asks meanwhile is served by it as well. */
  readonly #next = new Map<InodeNumber, Promise<void>>();

  constructor(context: SyncContext, exportNow: (inode: InodeNumber) => Promise<unknown>) {
    this.#context = context;
    this.#export = exportNow;
    this.#parallel = new Semaphore(context.options.parallelFiles ?? 16);
  }

  /** See `Synchroniser.exported`. */
  exported(inode: InodeNumber): Promise<void> | undefined {
    const row = this.#context.state.inodes.get(inode);
    if (row === undefined || row.links === 0) return undefined;
    const link = this.#context.state.links.ofInode(inode);
    const isTold = link === undefined || link.dirtySinceMs === 0;
    if (row.dirty === 0 && isTold && !this.#context.hasLiveAttempt(inode)) return undefined;
    if (row.dirty >= dirtyBits.local && !this.#hasLost(row)) return undefined;
    let next = this.#next.get(inode);
    if (next === undefined) {
      // Not in this step: the caller may be inside a transaction that will be rolled back.
      next = this.#context.track(
        Promise.resolve().then(() =>
          this.#parallel.run(1, () => {
            this.#next.delete(inode);
            return this.#run(inode);
          }),
        ),
      );
      this.#next.set(inode, next);
    }
    return next;
  }

  async #run(inode: InodeNumber): Promise<void> {
    const { state, signal, options } = this.#context;
    try {
      signal.throwIfAborted();
      await this.#export(inode);
    } catch (error) {
      throw toFsError(error, `The export of inode ${inode} of volume ${options.volumeId}`);
    }
    const row = state.inodes.get(inode);
    if (row !== undefined && this.#hasLost(row)) {
      throw new FsError(
        "IO",
        `S3 has won a conflict: inode ${inode} of volume ${options.volumeId} is in lost+found`,
      );
    }
  }

  /** Whether the file is in lost+found: S3 does not have what was written to it. */
  #hasLost(row: InodeRow): boolean {
    const { state, options } = this.#context;
    if (row.dirty < dirtyBits.local && !state.exportsLostAndFound) return false;
    const parent = state.entries.parent(row.id);
    const path = parent === undefined ? [] : state.entries.path(parent.directory, rootInode);
    return path?.[0] === lostAndFoundName(options.volumeId);
  }
}
