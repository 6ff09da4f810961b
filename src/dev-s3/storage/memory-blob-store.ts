import type { BlobStore, BlobWriter } from "./blob-store.ts";
import { isZero, zeroBlock } from "./zero.ts";

/** A stretch of a blob: bytes, or a count of zeros that costs no memory. */
interface Run {
  readonly startBytes: number;
  lengthBytes: number;
  readonly bytes: Buffer | undefined;
}

const blockBytes = zeroBlock.length;

/** Collects runs: zero pieces are counted, others are copied into blocks of at most 1 MiB. */
class MemoryBlobWriter implements BlobWriter {
  readonly #runs: Run[] = [];
  readonly #sizeHintBytes: number;
  readonly #finish: (runs: readonly Run[]) => string;
  #block: Buffer = Buffer.alloc(0);
  #used = 0;
  #sizeBytes = 0;

  constructor(sizeHintBytes: number, finish: (runs: readonly Run[]) => string) {
    this.#sizeHintBytes = sizeHintBytes;
    this.#finish = finish;
  }

  write(data: Uint8Array): void {
    if (data.length >= 4096 && isZero(data)) this.#addZeros(data.length);
    else this.#addBytes(data);
  }

  finish(): Promise<string> {
    this.#closeBlock();
    return Promise.resolve(this.#finish(this.#runs));
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #addZeros(lengthBytes: number): void {
    this.#closeBlock();
    const last = this.#runs.at(-1);
    if (last !== undefined && last.bytes === undefined) last.lengthBytes += lengthBytes;
    else this.#runs.push({ startBytes: this.#sizeBytes, lengthBytes, bytes: undefined });
    this.#sizeBytes += lengthBytes;
  }

  #addBytes(data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      if (this.#used === this.#block.length) {
        this.#closeBlock();
        const expected = this.#sizeHintBytes - this.#sizeBytes;
        const size = Math.min(blockBytes, Math.max(expected, data.length - done));
        this.#block = Buffer.allocUnsafeSlow(size);
      }
      const piece = data.subarray(done, done + this.#block.length - this.#used);
      this.#block.set(piece, this.#used);
      this.#used += piece.length;
      this.#sizeBytes += piece.length;
      done += piece.length;
    }
  }

  #closeBlock(): void {
    if (this.#used > 0) {
      const filled = this.#block.subarray(0, this.#used);
      // A block cut short by zeros or the end would pin its unused rest.
      const bytes = this.#used < this.#block.length * 0.75 ? Buffer.from(filled) : filled;
      this.#runs.push({
        startBytes: this.#sizeBytes - this.#used,
        lengthBytes: this.#used,
        bytes,
      });
    }
    this.#block = Buffer.alloc(0);
    this.#used = 0;
  }
}

/** Blobs in memory; runs of zeros share one block. */
export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<string, readonly Run[]>();
  #next = 1;

  create(sizeHintBytes: number): BlobWriter {
    return new MemoryBlobWriter(sizeHintBytes, (runs) => {
      const id = String(this.#next++);
      this.#blobs.set(id, runs);
      return id;
    });
  }

  async *read(id: string, offsetBytes: number, lengthBytes: number): AsyncIterable<Uint8Array> {
    const runs = this.#blobs.get(id);
    if (runs === undefined) throw new Error(`No blob ${id}`);
    const end = offsetBytes + lengthBytes;
    let low = 0;
    for (let high = runs.length; low < high; ) {
      const middle = (low + high) >>> 1;
      const run = runs[middle] as Run;
      if (run.startBytes + run.lengthBytes <= offsetBytes) low = middle + 1;
      else high = middle;
    }
    for (let at = offsetBytes, i = low; at < end; i++) {
      const run = runs[i];
      if (run === undefined) throw new Error(`Blob ${id} is shorter than ${end} bytes`);
      const stop = Math.min(end, run.startBytes + run.lengthBytes);
      while (at < stop) {
        const length = Math.min(stop - at, blockBytes);
        const from = at - run.startBytes;
        yield run.bytes?.subarray(from, from + length) ?? zeroBlock.subarray(0, length);
        at += length;
      }
    }
  }

  remove(id: string): Promise<void> {
    this.#blobs.delete(id);
    return Promise.resolve();
  }

  sweep(isUsed: (id: string) => boolean): Promise<void> {
    for (const id of this.#blobs.keys()) if (!isUsed(id)) this.#blobs.delete(id);
    return Promise.resolve();
  }
}
