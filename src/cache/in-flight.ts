import type { InodeNumber } from "../vfs/attributes.ts";

interface FileWrites {
  /** Writes whose bytes are on their way to the cache file or there, but not yet in the extents. */
  staged: number;
  /** Freezes that wait or run; while there is one, no write is admitted. */
  freezes: number;
  readonly quiet: (() => void)[];
  readonly admitted: (() => void)[];
}

/**
 * The writes between their two halves: bytes put into the cache file (asynchronous), extents changed (in the
 * transaction that answers). A write may overwrite bytes of the current write generation in place, so that
 * generation may be frozen only while no write of that file is between its halves. The rule:
 *
 * - a write asks {@link admission}, then calls {@link begin} in the same synchronous step;
 * - a freeze runs in {@link whenQuiet}: from its call on no new write of the file is admitted, and when the
 *   last one has been applied or given up, the freeze (copy the extents, take a new write generation) runs in
 *   one synchronous step. So a frozen generation is one moment of the file and is never written again.
 */
export class WritesInFlight {
  readonly #files = new Map<InodeNumber, FileWrites>();
  readonly #maxStagedBytes: number;
  readonly #room: (() => void)[] = [];
  #stagedBytes = 0;

  constructor(options: { readonly maxStagedBytes: number }) {
    this.#maxStagedBytes = options.maxStagedBytes;
  }

  #of(inode: InodeNumber): FileWrites {
    let file = this.#files.get(inode);
    if (file === undefined) {
      file = { staged: 0, freezes: 0, quiet: [], admitted: [] };
      this.#files.set(inode, file);
    }
    return file;
  }

  #forget(inode: InodeNumber, file: FileWrites): void {
    if (file.staged === 0 && file.freezes === 0) this.#files.delete(inode);
  }

  /** Undefined when a write may begin at once, else a promise after which to ask again. */
  admission(inode: InodeNumber, sizeBytes: number): Promise<void> | undefined {
    const file = this.#files.get(inode);
    if (file !== undefined && file.freezes > 0) {
      return new Promise((resolve) => file.admitted.push(resolve));
    }
    // One write is always admitted, however large.
    if (this.#stagedBytes > 0 && this.#stagedBytes + sizeBytes > this.#maxStagedBytes) {
      return new Promise((resolve) => this.#room.push(resolve));
    }
    return undefined;
  }

  /**
   * Counts a write of `sizeBytes` until the returned function is called (once or more): when it has been
   * applied, or when it was given up and its bytes have reached the cache file.
   */
  begin(inode: InodeNumber, sizeBytes: number): () => void {
    const file = this.#of(inode);
    file.staged += 1;
    this.#stagedBytes += sizeBytes;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      file.staged -= 1;
      this.#stagedBytes -= sizeBytes;
      for (const wake of this.#room.splice(0)) wake();
      if (file.staged > 0) return;
      for (const wake of file.quiet.splice(0)) wake();
      this.#forget(inode, file);
    };
  }

  /** Bytes of all writes between their halves. */
  get stagedBytes(): number {
    return this.#stagedBytes;
  }

  /** Runs the synchronous `run` at a moment when no write of the file is between its halves; new ones wait meanwhile. */
  async whenQuiet<T>(inode: InodeNumber, run: () => T): Promise<T> {
    const file = this.#of(inode);
    file.freezes += 1;
    try {
      while (file.staged > 0) await new Promise<void>((resolve) => file.quiet.push(resolve));
      return run();
    } finally {
      file.freezes -= 1;
      if (file.freezes === 0) {
        for (const wake of file.admitted.splice(0)) wake();
        this.#forget(inode, file);
      }
    }
  }
}
