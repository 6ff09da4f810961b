import type { Clock } from "../base/clock.ts";
import type { DataFiles } from "../cache/data-files.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { BufferPool } from "./buffer-pool.ts";

/** A blocking read that took longer had to wait for the disk. */
const slowMs = 1;
/** How long no read blocks after such a one. */
const penaltyMs = 1_000;
/** Idle blocks of 1 MiB that are kept. */
const maxFreeBlocks = 16;

/** A range of a cache file. */
export interface CachedRange {
  readonly start: number;
  readonly end: number;
  readonly generation: number;
}

/**
 * Reads of cache files. A small one costs a fifth when it is made at once instead of by the thread pool, but it
 * stops everything else when the page is not in memory: so it is tried while that goes well, and after a slow
 * one not for a second.
 */
export class CacheReads {
  readonly #files: DataFiles;
  readonly #clock: Clock;
  readonly #maxBlockingBytes: number;
  readonly #pool = new BufferPool(maxFreeBlocks);
  #blockingFromMs = Number.NEGATIVE_INFINITY;

  constructor(files: DataFiles, clock: Clock, maxBlockingBytes = 256 << 10) {
    this.#files = files;
    this.#clock = clock;
    this.#maxBlockingBytes = maxBlockingBytes;
  }

  /** Whether a read of so many bytes should be made by {@link readNow}. */
  isFast(sizeBytes: number): boolean {
    return sizeBytes <= this.#maxBlockingBytes && this.#clock.monotonicMs() >= this.#blockingFromMs;
  }

  /** Reads at once. The memory is lent until the call is closed. @throws what `node:fs` throws. */
  readNow(call: Call, inode: InodeNumber, range: CachedRange): Uint8Array {
    const { bytes, giveBack } = this.#pool.take(range.end - range.start);
    call.onClose(giveBack);
    const startMs = this.#clock.monotonicMs();
    this.#files.readSync(inode, range.generation, range.start, bytes);
    const endMs = this.#clock.monotonicMs();
    if (endMs - startMs > slowMs) this.#blockingFromMs = endMs + penaltyMs;
    return bytes;
  }

  /** Reads by the thread pool. The memory is lent until the call is closed, and until `done` has settled. */
  read(
    call: Call,
    inode: InodeNumber,
    range: CachedRange,
  ): { readonly bytes: Uint8Array; readonly done: Promise<void> } {
    const { bytes, giveBack } = this.#pool.take(range.end - range.start);
    const done = this.#files.read(inode, range.generation, range.start, bytes);
    // Given up, a read still writes into the memory.
    call.onClose(() => void done.then(giveBack, giveBack));
    return { bytes, done };
  }

  /** Lets idle memory go. */
  relax(): void {
    this.#pool.clear();
  }
}
