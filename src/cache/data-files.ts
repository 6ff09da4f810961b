import {
  closeSync,
  fdatasync,
  fsync,
  fsyncSync,
  mkdirSync,
  openSync,
  read,
  readdirSync,
  readSync,
  statfsSync,
  unlinkSync,
  writev,
} from "node:fs";
import { dirname, join } from "node:path";
import type { InodeNumber } from "../vfs/attributes.ts";
import { Descriptors } from "./descriptors.ts";

/** Open descriptors kept for reuse. */
const maxDescriptors = 256;

/**
 * The cache files: one sparse file per inode and generation, bytes at the offsets they have in the file.
 * `<root>/<last two hex digits of the inode>/<inode>.<generation>`, both in decimal. What they hold is
 * described by the extents alone; a file no extent refers to is garbage.
 */
export class DataFiles {
  readonly #root: string;
  readonly #descriptors = new Descriptors(maxDescriptors);
  /** The latest sync of each file that is being synced. */
  readonly #syncs = new Map<string, Promise<void>>();
  /** Folders whose names this process has synced. */
  readonly #namedFolders = new Set<string>();

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    for (const folder of [root, dirname(root), dirname(dirname(root))]) {
      const descriptor = openSync(folder, "r");
      fsyncSync(descriptor);
      closeSync(descriptor);
    }
  }

  #folder(inode: InodeNumber): string {
    return join(this.#root, (inode % 256).toString(16).padStart(2, "0"));
  }

  #path(inode: InodeNumber, generation: number): string {
    return join(this.#folder(inode), `${inode}.${generation}`);
  }

  /** Reads `[offset, offset + buffer.length)`; bytes beyond the cache file's end are zeros. */
  async read(
    inode: InodeNumber,
    generation: number,
    offsetBytes: number,
    buffer: Uint8Array,
  ): Promise<void> {
    const file = this.#descriptors.acquire(this.#path(inode, generation));
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
      this.#descriptors.release(file);
    }
  }

  /** The same as {@link read}, blocking: for a caller that cannot wait once more. */
  readSync(inode: InodeNumber, generation: number, offsetBytes: number, buffer: Uint8Array): void {
    const file = this.#descriptors.acquire(this.#path(inode, generation));
    try {
      let done = 0;
      while (done < buffer.length) {
        const left = buffer.length - done;
        const count = readSync(file.descriptor, buffer, done, left, offsetBytes + done);
        if (count === 0) break;
        done += count;
      }
      buffer.fill(0, done);
    } finally {
      this.#descriptors.release(file);
    }
  }

  /** Writes all chunks from `offsetBytes` on, to the page cache. */
  async write(
    inode: InodeNumber,
    generation: number,
    offsetBytes: number,
    chunks: readonly Uint8Array[],
  ): Promise<void> {
    const path = this.#path(inode, generation);
    const file = this.#descriptors.acquireOpen(path) ?? (await this.#descriptors.acquireNew(path));
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
      this.#descriptors.release(file);
    }
  }

  /** Resolves when what was written to the file before this call, and its names, are on the disk. */
  async sync(inode: InodeNumber, generation: number): Promise<void> {
    const path = this.#path(inode, generation);
    const file = this.#descriptors.acquire(path);
    const previous = this.#syncs.get(path);
    const done = this.#syncOpen(inode, file, previous).finally(() => {
      this.#descriptors.release(file);
      if (this.#syncs.get(path) === done) this.#syncs.delete(path);
    });
    this.#syncs.set(path, done);
    await done;
  }

  async #syncOpen(
    inode: InodeNumber,
    file: ReturnType<Descriptors["acquire"]>,
    previous: Promise<void> | undefined,
  ): Promise<void> {
    // One after the other: the kernel reports a lost page to one of two at a time only.
    await previous?.catch(() => {});
    const synced = new Promise<void>((resolve, reject) => {
      fdatasync(file.descriptor, (error) => (error === null ? resolve() : reject(error)));
    });
    if (file.named) return synced;
    // Bytes and name side by side: on a journalling file system they wait for the same commit.
    const folder = this.#folder(inode);
    const isNewFolder = !this.#namedFolders.has(folder);
    const folders = isNewFolder ? [folder, this.#root] : [folder];
    await Promise.all([synced, ...folders.map(syncDirectory)]);
    this.#namedFolders.add(folder);
    file.named = true;
  }

  /** Removes a cache file, if it exists. What is under way on it finishes, on a file without a name. */
  remove(inode: InodeNumber, generation: number): void {
    const path = this.#path(inode, generation);
    this.#descriptors.forget(path);
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

  /** Closes all descriptors. */
  close(): void {
    this.#descriptors.close();
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
