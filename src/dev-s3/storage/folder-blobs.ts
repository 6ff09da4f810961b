import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BlobStore, BlobWriter } from "./blob-store.ts";
import { syncFolder } from "./sync-folder.ts";
import { isZero } from "./zero.ts";

/** Bytes gathered before a write, and the size of a read. */
const blockBytes = 1024 * 1024;

/** Writes a temporary file in blocks, zeros as holes, and renames it when it is whole and synced. */
class FolderBlobWriter implements BlobWriter {
  readonly #file: FileHandle;
  readonly #temporary: string;
  readonly #final: (id: string) => string;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #offsetBytes = 0;
  #finished = false;

  constructor(file: FileHandle, temporary: string, final: (id: string) => string) {
    this.#file = file;
    this.#temporary = temporary;
    this.#final = final;
  }

  write(data: Uint8Array): Promise<void> | void {
    this.#pending.push(Buffer.from(data));
    this.#pendingBytes += data.length;
    return this.#pendingBytes >= blockBytes ? this.#flush() : undefined;
  }

  async finish(): Promise<string> {
    await this.#flush();
    // A hole at the end needs the length said.
    await this.#file.truncate(this.#offsetBytes);
    await this.#file.sync();
    const id = randomUUID();
    const final = this.#final(id);
    await rename(this.#temporary, final);
    this.#finished = true;
    // The record that will refer to it must not outlive its name.
    await syncFolder(dirname(final));
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    if (!this.#finished) await rm(this.#temporary, { force: true });
  }

  async #flush(): Promise<void> {
    if (!this.#pending.every((piece) => isZero(piece))) {
      let toWrite = this.#pending;
      let offset = this.#offsetBytes;
      while (toWrite.length > 0) {
        const { bytesWritten } = await this.#file.writev(toWrite, offset);
        offset += bytesWritten;
        // A full disk may take only the beginning; the next write then fails with the reason.
        toWrite =
          offset === this.#offsetBytes + this.#pendingBytes ? [] : skip(toWrite, bytesWritten);
      }
    }
    this.#offsetBytes += this.#pendingBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}

function skip(buffers: readonly Buffer[], bytes: number): Buffer[] {
  return [Buffer.concat(buffers).subarray(bytes)];
}

/** Blobs as files, `blobs/<first two characters>/<id>`. */
export class FolderBlobStore implements BlobStore {
  readonly #directory: string;
  readonly #temporary: string;

  constructor(directory: string, temporary: string) {
    this.#directory = directory;
    this.#temporary = temporary;
  }

  /** Makes the folders. */
  async prepare(): Promise<void> {
    for (let i = 0; i < 256; i++) {
      await mkdir(join(this.#directory, i.toString(16).padStart(2, "0")), { recursive: true });
    }
    await syncFolder(this.#directory);
  }

  async create(): Promise<BlobWriter> {
    const temporary = join(this.#temporary, randomUUID());
    const file = await open(temporary, "wx", 0o600);
    return new FolderBlobWriter(file, temporary, (id) => this.#path(id));
  }

  async *read(id: string, offsetBytes: number, lengthBytes: number): AsyncIterable<Uint8Array> {
    await using file = await open(this.#path(id), "r");
    const end = offsetBytes + lengthBytes;
    const readAt = async (offset: number): Promise<Buffer> => {
      const block = Buffer.allocUnsafeSlow(Math.min(blockBytes, end - offset));
      const { bytesRead } = await file.read(block, 0, block.length, offset);
      if (bytesRead === 0) throw new Error(`Blob ${id} is shorter than ${end} bytes`);
      return block.subarray(0, bytesRead);
    };
    for (let at = offsetBytes; at < end; ) {
      const block = await readAt(at);
      at += block.length;
      yield block;
    }
  }

  async remove(id: string): Promise<void> {
    await rm(this.#path(id), { force: true });
  }

  async sweep(isUsed: (id: string) => boolean): Promise<void> {
    for (const shard of await readdir(this.#directory)) {
      for (const id of await readdir(join(this.#directory, shard))) {
        if (!isUsed(id)) await this.remove(id);
      }
    }
  }

  #path(id: string): string {
    return join(this.#directory, id.slice(0, 2), id);
  }
}
