import type { InodeNumber } from "../vfs/attributes.ts";
import type { Context } from "./context.ts";

/** Clean bytes in one cache file beyond which fetches go to a new one, so that a part can be given up. */
const splitBytes = 256 << 20;
/** Cache files given up in one transaction. */
const stepFiles = 64;
/** How often the cache is looked at when nobody waits, in milliseconds. */
const lookMs = 1_000;

/** A scan of the extents is followed by so many times its duration without one. */
const scanShare = 50;
/** And by no longer than this, in milliseconds: a scan on a busy machine takes long and says little. */
const maxScanPauseMs = 10_000;

/** How often old files are looked for, at the least, in milliseconds. */
const maxExpiryPauseMs = 3_600_000;

interface CleanFile {
  readonly inode: InodeNumber;
  readonly generation: number;
  readonly bytes: number;
}

/**
 * Keeps clean data below its ceiling and the disk's reserve free: gives up clean extents, cache file by cache
 * file, those of the inodes used longest ago first. Never dirty ones.
 */
export class Eviction {
  readonly #context: Context;
  #stopped = false;
  #cancel: () => void = () => {};
  #running: Promise<void> | undefined;
  #again = false;
  #neededBytes = 0;
  #nextScanMs = 0;
  #scannedCommit = 0;
  #expiryMs: number;
  readonly #startMs: number;

  constructor(context: Context) {
    this.#context = context;
    this.#startMs = context.clock.monotonicMs();
    this.#expiryMs = this.#startMs;
    context.space.onNeed((neededBytes) => {
      this.#neededBytes = Math.max(this.#neededBytes, neededBytes);
      this.look();
    });
    this.#schedule();
  }

  #schedule(): void {
    this.#cancel = this.#context.clock.schedule(lookMs, () => {
      if (this.#stopped) return;
      this.look();
      this.#schedule();
    });
  }

  /** Looks now, in the background. */
  look(): void {
    this.#again = true;
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    try {
      // Never inside the transaction of a caller.
      await Promise.resolve();
      while (this.#again && !this.#stopped) {
        this.#again = false;
        await this.#lookOnce();
      }
    } catch (error) {
      this.#context.log.error("Cannot evict clean data", { error });
    } finally {
      this.#running = undefined;
    }
  }

  async #lookOnce(): Promise<void> {
    const { space, source, state } = this.#context;
    if (source.relax()) this.#context.cacheReads.relax();
    await space.restock();
    if (this.#isExpiryDue()) await this.#expire();
    if (this.#neededBytes === 0 && !this.#isDue()) return;
    const startMs = this.#context.clock.monotonicMs();
    const files = this.#inOrder(state.extents.cleanFiles());
    this.#split(files);
    const nowMs = this.#context.clock.monotonicMs();
    this.#nextScanMs = nowMs + Math.min(maxScanPauseMs, scanShare * (nowMs - startMs));
    let excess = this.#excessBytes(files.reduce((sum, file) => sum + file.bytes, 0));
    this.#neededBytes = 0;
    for (let at = 0; at < files.length && excess > 0 && !this.#stopped; at += stepFiles) {
      const step: CleanFile[] = [];
      for (const file of files.slice(at, at + stepFiles)) {
        if (excess <= 0) break;
        step.push(file);
        excess -= file.bytes;
      }
      this.#drop(step);
      await state.removalsDone();
      space.freed();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Whether files may have grown too old since the last look: some part of the limit has passed. */
  #isExpiryDue(): boolean {
    const { options, clock } = this.#context;
    if (options.expireAfterMs === undefined) return false;
    const pauseMs = Math.min(maxExpiryPauseMs, options.expireAfterMs / 4);
    return clock.monotonicMs() - this.#expiryMs >= pauseMs;
  }

  /** Gives up the clean data of files that nobody has used for long, or since the start. */
  async #expire(): Promise<void> {
    const { options, clock, state, source } = this.#context;
    this.#expiryMs = clock.monotonicMs();
    const beforeMs = this.#expiryMs - (options.expireAfterMs ?? Number.POSITIVE_INFINITY);
    const old = state.extents
      .cleanFiles()
      .filter(({ inode }) => (source.lastUsedMs(inode) ?? this.#startMs) < beforeMs);
    for (let at = 0; at < old.length && !this.#stopped; at += stepFiles) {
      this.#drop(old.slice(at, at + stepFiles));
      await state.removalsDone();
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (old.length > 0)
      this.#context.log.info("Data of unused files is given up", { files: old.length });
  }

  /** Whether it is worth while to add up the clean extents: something has changed, and the last time is long ago. */
  #isDue(): boolean {
    const { db } = this.#context.state;
    if (this.#context.clock.monotonicMs() < this.#nextScanMs) return false;
    if (this.#scannedCommit === db.commits) return this.#excessBytes(0) > 0;
    this.#scannedCommit = db.commits;
    return true;
  }

  #excessBytes(cleanBytes: number): number {
    const { options, space, state } = this.#context;
    // Metadata-only keeps what S3 does not have, and nothing else.
    const ceiling = options.cacheMode === "metadata-only" ? 0 : options.cacheSizeBytes;
    const overCeiling = ceiling === undefined ? 0 : cleanBytes - ceiling;
    const { freeBytes, totalBytes } = state.files.diskSpace();
    return Math.max(overCeiling, space.minFreeBytes(totalBytes) + this.#neededBytes - freeBytes);
  }

  #inOrder(files: readonly CleanFile[]): CleanFile[] {
    const rank = new Map<InodeNumber, number>();
    for (const inode of this.#context.source.recentlyUsed()) rank.set(inode, rank.size + 1);
    return [...files].sort(
      (one, other) =>
        (rank.get(one.inode) ?? 0) - (rank.get(other.inode) ?? 0) ||
        one.inode - other.inode ||
        one.generation - other.generation,
    );
  }

  /** Has fetches into a large cache file go on in a new one. */
  #split(files: readonly CleanFile[]): void {
    const { state } = this.#context;
    for (const file of files) {
      if (file.bytes < splitBytes) continue;
      state.db.transaction(() => {
        const row = state.inodes.get(file.inode);
        if (row?.fetchGeneration !== file.generation) return;
        row.fetchGeneration = row.nextGeneration++;
        state.inodes.put(row);
      });
    }
  }

  #drop(files: readonly CleanFile[]): void {
    const { state } = this.#context;
    state.db.transaction(() => {
      for (const { inode, generation } of files) {
        state.extents.dropClean(inode, generation);
        const row = state.inodes.get(inode);
        if (row?.fetchGeneration === generation) {
          // A fetch under way must not find its file gone: what it brings is not taken.
          row.fetchGeneration = row.nextGeneration++;
          state.inodes.put(row);
        }
        state.removeUnusedFiles(inode, [generation]);
      }
    });
  }

  /** Ends the background work and resolves when it has. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running;
  }
}
