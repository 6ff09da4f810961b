import { randomFillSync } from "node:crypto";
import { closeSync, fdatasync, fstatSync, ftruncateSync, openSync, write } from "node:fs";

/** What is written at once. */
const blockBytes = 1 << 20;

/**
 * Disk space that is kept allocated so that it can be given back when the disk is full: unlink, truncate and
 * flush need room for their transactions then. A process that is killed leaves it to the next one.
 */
export class Ballast {
  readonly sizeBytes: number;
  readonly #descriptor: number;
  #held: boolean;
  #taking = false;
  #closed = false;

  /** Opens or makes the file at `path`; nothing is allocated yet, unless a predecessor left it. */
  constructor(path: string, sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#descriptor = openSync(path, "a+", 0o600);
    const { size, blocks } = fstatSync(this.#descriptor);
    this.#held = sizeBytes > 0 && size === sizeBytes && blocks * 512 >= sizeBytes;
  }

  /** Whether the space is allocated. */
  get held(): boolean {
    return this.#held;
  }

  /** Allocates the space, unless the disk has not enough. */
  async take(): Promise<void> {
    if (this.#held || this.#taking || this.#closed || this.sizeBytes === 0) return;
    this.#taking = true;
    try {
      ftruncateSync(this.#descriptor, 0);
      // Random bytes: a file system that compresses would keep no room for zeros.
      const block = randomFillSync(Buffer.alloc(Math.min(this.sizeBytes, blockBytes)));
      for (let left = this.sizeBytes; left > 0; left -= block.length) {
        await this.#append(block.subarray(0, Math.min(block.length, left)));
      }
      await this.#sync();
      this.#held = true;
    } catch (error) {
      ftruncateSync(this.#descriptor, 0);
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      this.#taking = false;
      if (this.#closed) this.#end();
    }
  }

  #append(block: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      write(this.#descriptor, block, 0, block.length, null, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  }

  #sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#descriptor, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Gives the space back. */
  release(): void {
    if (!this.#held) return;
    ftruncateSync(this.#descriptor, 0);
    this.#held = false;
  }

  #end(): void {
    ftruncateSync(this.#descriptor, 0);
    closeSync(this.#descriptor);
  }

  /** Gives the space back for good. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held = false;
    if (!this.#taking) this.#end();
  }
}
