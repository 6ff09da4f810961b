import {
  closeSync,
  fdatasync,
  fsync,
  fsyncSync,
  mkdirSync,
  openSync,
  read,
  readdirSync,
  statfsSync,
  unlinkSync,
  writev,
} from "node:fs";
import { dirname, join } from "node:path";
import type { InodeNumber } from "../vfs/attributes.ts";

/** Open descriptors kept for reuse. */
const maxDescriptors = 256;

interface OpenFile {
  readonly descriptor: number;
  users: number;
  /** Whether this process has synced the file's directory, so that its name is on the disk. */
  named: boolean;
}

/**
 * The cache files: one sparse file per inode and generation, bytes at the offsets they have in the file.
 * `<root>/<last two hex digits of the inode>/<inode>.<generation>`, both in decimal. What they hold is
 * described by the extents alone; a file no extent refers to is garbage.
 */
export class DataFiles {
  readonly #root: string;
  readonly #open = new Map<string, OpenFile>();

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    for (let index = 0; index < 256; index++) {
      mkdirSync(join(root, index.toString(16).padStart(2, "0")), { recursive: true, mode: 0o700 });
    }
    for (const folder of [root, dirname(root)]) {
      const descriptor = openSync(folder, "r");
      fsyncSync(descriptor);
      closeSync(descriptor);
    }
  }

  #folder(inode: InodeNumber): string {
    return join(this.#root, (inode % 256).toString(16).padStart(2, "0"));
  }

  #acquire(inode: InodeNumber, generation: number, create: boolean): OpenFile {
    const path = join(this.#folder(inode), `${inode}.${generation}`);
    let file = this.#open.get(path);
    if (file === undefined) {
      let descriptor: number;
      try {
        descriptor = openSync(path, "r+");
      } catch (error) {
        if (!create || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        descriptor = openSync(path, "wx+", 0o600);
      }
      // A killed predecessor may have made the file without syncing its name.
      file = { descriptor, users: 0, named: false };
    } else {
      this.#open.delete(path);
    }
    this.#open.set(path, file);
    file.users += 1;
    this.#evictDescriptors();
    return file;
  }

  #evictDescriptors(): void {
    if (this.#open.size <= maxDescriptors) return;
    for (const [path, file] of this.#open) {
      if (file.users > 0) continue;
      this.#open.delete(path);
      closeSync(file.descriptor);
      if (this.#open.size <= maxDescriptors) return;
    }
  }

  /** Reads `[offset, offset + buffer.length)`; bytes beyond the cache file's end are zeros. */
  async read(
    inode: InodeNumber,
    generation: number,
    offsetBytes: number,
    buffer: Uint8Array,
  ): Promise<void> {
    const file = this.#acquire(inode, generation, false);
    try {
      let done = 0;
      while (done < buffer.length) {
        const count = await new Promise<number>((resolve, reject) => {
          read(
            file.descriptor,
            buffer,
            done,
            buffer.length - done,
            offsetBytes + done,
            (error, n) => (error === null ? resolve(n) : reject(error)),
          );
        });
        if (count === 0) {
          buffer.fill(0, done);
          return;
        }
        done += count;
      }
    } finally {
      file.users -= 1;
    }
  }

  /** Writes all chunks from `offsetBytes` on, to the page cache. */
  async write(
    inode: InodeNumber,
    generation: number,
    offsetBytes: number,
    chunks: readonly Uint8Array[],
  ): Promise<void> {
    const file = this.#acquire(inode, generation, true);
    try {
      let rest = chunks.filter((chunk) => chunk.length > 0);
      let at = offsetBytes;
      while (rest.length > 0) {
        const part = rest.slice(0, 1024);
        const count = await new Promise<number>((resolve, reject) => {
          writev(file.descriptor, part, at, (error, n) =>
            error === null ? resolve(n) : reject(error),
          );
        });
        at += count;
        rest = dropBytes(rest, count);
      }
    } finally {
      file.users -= 1;
    }
  }

  /** Resolves when what was written to the file before this call, and its name, are on the disk. */
  async sync(inode: InodeNumber, generation: number): Promise<void> {
    const file = this.#acquire(inode, generation, false);
    try {
      await new Promise<void>((resolve, reject) => {
        fdatasync(file.descriptor, (error) => (error === null ? resolve() : reject(error)));
      });
      if (!file.named) {
        await syncDirectory(this.#folder(inode));
        file.named = true;
      }
    } finally {
      file.users -= 1;
    }
  }

  /** Removes a cache file, if it exists. Reads under way finish. */
  remove(inode: InodeNumber, generation: number): void {
    const path = join(this.#folder(inode), `${inode}.${generation}`);
    const file = this.#open.get(path);
    if (file !== undefined) {
      if (file.users > 0) return; // still in use: the sweep at the next start removes it
      this.#open.delete(path);
      closeSync(file.descriptor);
    }
    try {
      unlinkSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  /** Every cache file there is. */
  *list(): Generator<{ readonly inode: InodeNumber; readonly generation: number }> {
    for (const folder of readdirSync(this.#root)) {
      for (const name of readdirSync(join(this.#root, folder))) {
        const [inode, generation] = name.split(".").map(Number);
        if (Number.isSafeInteger(inode) && Number.isSafeInteger(generation)) {
          yield { inode: inode as InodeNumber, generation: generation as number };
        }
      }
    }
  }

  /** Bytes free for us, and in all, on the file system of the cache. */
  diskSpace(): { readonly freeBytes: number; readonly totalBytes: number } {
    const { bavail, blocks, bsize } = statfsSync(this.#root);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }

  close(): void {
    for (const file of this.#open.values()) closeSync(file.descriptor);
    this.#open.clear();
  }
}

function dropBytes(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  const rest: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (left >= chunk.length) left -= chunk.length;
    else {
      rest.push(left === 0 ? chunk : chunk.subarray(left));
      left = 0;
    }
  }
  return rest;
}

async function syncDirectory(path: string): Promise<void> {
  const descriptor = openSync(path, "r");
  try {
    await new Promise<void>((resolve, reject) => {
      fsync(descriptor, (error) => (error === null ? resolve() : reject(error)));
    });
  } finally {
    closeSync(descriptor);
  }
}
