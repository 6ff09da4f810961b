import type { Log } from "../base/log.ts";
import type { VolumeState } from "../cache/volume-state.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { FsError } from "../vfs/error.ts";

interface FileSync {
  running: Promise<void>;
  next: Promise<void> | undefined;
}

/**
 * Group commit of cache files: callers share an fdatasync that starts after their call. After one failure
 * nothing is acknowledged by this process any more, whoever had asked for it: the kernel reports a lost page once.
 */
export class DataSyncs {
  readonly #state: VolumeState;
  readonly #log: Log;
  readonly #files = new Map<string, FileSync>();
  #failure: FsError | undefined;

  constructor(state: VolumeState, log: Log) {
    this.#state = state;
    this.#log = log;
  }

  /** @throws {FsError} IO once a sync has failed. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#state.db.isDistrusted) {
      throw new FsError("IO", "A sync of a cache file has failed: data may be lost");
    }
  }

  /** Resolves when all that was written to these cache files before this call is on the disk. @throws {FsError} IO. */
  async sync(inode: InodeNumber, generations: readonly number[]): Promise<void> {
    await Promise.all(generations.map((generation) => this.#join(inode, generation)));
    this.check();
  }

  #join(inode: InodeNumber, generation: number): Promise<void> {
    const name = `${inode}.${generation}`;
    const file = this.#files.get(name);
    if (file === undefined) {
      const running = this.#run(inode, generation);
      this.#files.set(name, { running, next: undefined });
      return running;
    }
    // The one under way may have begun before the caller's bytes were written.
    file.next ??= file.running.then(() => {
      const running = this.#run(inode, generation);
      this.#files.set(name, { running, next: undefined });
      return running;
    });
    return file.next;
  }

  async #run(inode: InodeNumber, generation: number): Promise<void> {
    const name = `${inode}.${generation}`;
    try {
      if (this.#failure === undefined) await this.#state.syncFile(inode, generation);
    } catch (error) {
      this.#fail(inode, generation, error);
    }
    // Later than the `then` of those who wait for the next one.
    await Promise.resolve();
    const file = this.#files.get(name);
    if (file !== undefined && file.next === undefined) this.#files.delete(name);
  }

  #fail(inode: InodeNumber, generation: number, cause: unknown): void {
    const message = `Cannot sync cache file ${generation} of inode ${inode}`;
    this.#failure ??= new FsError("IO", message, { cause });
    this.#log.error(message, { inode, generation, error: cause });
    try {
      this.#state.db.distrust();
    } catch (error) {
      this.#log.error("Cannot record that a sync has failed", { error });
    }
  }
}
