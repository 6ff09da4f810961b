import assert from "node:assert/strict";
import type { ExtentMap } from "../../../src/cache/extents.ts";
import type { InodeNumber } from "../../../src/vfs/attributes.ts";

export const fileBytes = 48;
/** What a disk shows where nothing was synced. */
const garbage = 0xee;

export type Operation =
  | {
      readonly kind: "write";
      readonly at: number;
      readonly length: number;
      readonly stable: boolean;
    }
  | { readonly kind: "resize"; readonly size: number }
  | { readonly kind: "commit" | "freeze" | "export" | "evict" }
  | { readonly kind: "fetch"; readonly at: number; readonly length: number }
  | { readonly kind: "powerCut"; readonly seed: number };

/** One cache file: what reading it shows, and what its disk has. */
interface CacheFile {
  readonly page: Uint8Array;
  readonly disk: Uint8Array;
}

interface Frozen {
  readonly bytes: readonly number[];
  readonly generation: number;
  readonly base: readonly number[];
  minSize: number;
}

/** One file kept twice: by extents over cache files, and byte by byte with all values a power cut may bring back. */
export class ExtentModel {
  readonly #extents: ExtentMap;
  readonly #inode: InodeNumber;
  readonly #files = new Map<number, CacheFile>();
  #writeGeneration = 1;
  #fetchGeneration = 2;
  #nextGeneration = 3;
  #base: number[] = [];
  #baseSize = 0;
  /** The file's bytes, and for each what may be there after a power cut. */
  #bytes: number[] = [];
  #possible: Set<number>[] = [];
  #frozen: Frozen | undefined;
  #value = 0;

  constructor(extents: ExtentMap, inode: InodeNumber, base: readonly number[]) {
    this.#extents = extents;
    this.#inode = inode;
    this.#base = [...base];
    this.#baseSize = base.length;
    this.#bytes = [...base];
    this.#possible = base.map((value) => new Set([value]));
  }

  #file(generation: number): CacheFile {
    let file = this.#files.get(generation);
    if (file === undefined) {
      file = {
        page: new Uint8Array(fileBytes).fill(garbage),
        disk: new Uint8Array(fileBytes).fill(garbage),
      };
      this.#files.set(generation, file);
    }
    return file;
  }

  #sync(generation: number): void {
    const { page, disk } = this.#file(generation);
    disk.set(page);
  }

  run(operation: Operation): void {
    switch (operation.kind) {
      case "write":
        this.#write(operation.at, operation.length, operation.stable);
        break;
      case "resize":
        this.#resize(operation.size);
        break;
      case "commit":
        this.#commit();
        break;
      case "freeze":
        this.#freeze();
        break;
      case "export":
        this.#export();
        break;
      case "evict":
        this.#extents.dropClean(this.#inode);
        this.#fetchGeneration = this.#nextGeneration++;
        break;
      case "fetch":
        this.#fetch(operation.at, operation.length);
        break;
      case "powerCut":
        this.#powerCut(operation.seed);
        break;
    }
  }

  #extend(size: number): void {
    const old = this.#bytes.length;
    if (size <= old) return;
    this.#extents.addHole(this.#inode, old, size);
    for (let at = old; at < size; at++) {
      this.#bytes[at] = 0;
      this.#possible[at] = new Set([0]);
    }
  }

  #write(at: number, length: number, stable: boolean): void {
    const end = Math.min(fileBytes, at + length);
    if (at >= end) return;
    this.#extend(at);
    this.#value = (this.#value % 200) + 1;
    this.#file(this.#writeGeneration).page.fill(this.#value, at, end);
    if (stable) this.#sync(this.#writeGeneration);
    this.#extents.write(this.#inode, at, end, this.#writeGeneration, stable);
    for (let byte = at; byte < end; byte++) {
      // Beyond the old end a lost write leaves a zero, or is cut off.
      if (byte >= this.#bytes.length) this.#possible[byte] = new Set([0]);
      this.#bytes[byte] = this.#value;
      if (stable) this.#possible[byte] = new Set();
      this.#possible[byte]?.add(this.#value);
    }
  }

  #resize(size: number): void {
    this.#extend(size);
    if (size >= this.#bytes.length) return;
    this.#extents.truncate(this.#inode, size);
    this.#baseSize = Math.min(this.#baseSize, size);
    if (this.#frozen !== undefined) this.#frozen.minSize = Math.min(this.#frozen.minSize, size);
    this.#bytes.length = size;
    this.#possible.length = size;
  }

  #commit(): void {
    const epoch = this.#extents.endEpoch();
    const generations = this.#extents.unsyncedGenerations(this.#inode, true);
    for (const generation of generations) this.#sync(generation);
    this.#extents.markSynced(this.#inode, epoch, generations);
    this.#possible = this.#bytes.map((value) => new Set([value]));
  }

  #freeze(): void {
    this.#extents.freeze(this.#inode, this.#bytes.length);
    this.#frozen = {
      bytes: [...this.#bytes],
      generation: this.#writeGeneration,
      base: this.#base.slice(0, this.#baseSize),
      minSize: this.#bytes.length,
    };
    this.#writeGeneration = this.#nextGeneration++;
  }

  #export(): void {
    const frozen = this.#frozen;
    if (frozen === undefined) return;
    const epoch = this.#extents.endEpoch();
    const segments = this.#extents.segments(this.#inode, 0, frozen.bytes.length, "frozen");
    const generations = new Set<number>();
    for (const segment of segments) {
      if (segment.kind !== "absent" && segment.kind !== "hole") generations.add(segment.generation);
    }
    for (const generation of generations) this.#sync(generation);
    this.#extents.markSynced(this.#inode, epoch, generations);
    assert.deepEqual(
      this.#read(segments, frozen.base),
      frozen.bytes,
      "the frozen moment is not what it was",
    );
    this.#base = [...frozen.bytes];
    this.#baseSize = Math.min(frozen.bytes.length, frozen.minSize);
    this.#extents.markExported(this.#inode, frozen.generation, this.#baseSize);
    this.#extents.thaw(this.#inode);
    this.#frozen = undefined;
  }

  #fetch(at: number, length: number): void {
    const end = Math.min(this.#baseSize, at + length);
    const { page } = this.#file(this.#fetchGeneration);
    for (const segment of this.#extents.segments(this.#inode, at, Math.max(at, end))) {
      if (segment.kind !== "absent") continue;
      page.set(this.#base.slice(segment.start, segment.end), segment.start);
    }
    if (at < end) this.#extents.addClean(this.#inode, at, end, this.#fetchGeneration);
  }

  #read(segments: ReturnType<ExtentMap["segments"]>, base: readonly number[]): number[] {
    const bytes: number[] = [];
    for (const segment of segments) {
      for (let at = segment.start; at < segment.end; at++) {
        if (segment.kind === "hole") bytes.push(0);
        else if (segment.kind === "absent") bytes.push(base[at] ?? 0);
        else bytes.push(this.#file(segment.generation).page[at] ?? garbage);
      }
    }
    return bytes;
  }

  #readAll(): number[] {
    const segments = this.#extents.segments(this.#inode, 0, this.#bytes.length);
    return this.#read(segments, this.#base.slice(0, this.#baseSize));
  }

  /** Asserts that the extents show what the bytes are. */
  check(): void {
    assert.deepEqual(this.#readAll(), this.#bytes);
  }

  #powerCut(seed: number): void {
    let random = seed;
    const flip = (): boolean => {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
      return (random & 0x10000) !== 0;
    };
    for (const { page, disk } of this.#files.values()) {
      for (let at = 0; at < fileBytes; at++) {
        if (flip()) page[at] = disk[at] ?? garbage;
        disk[at] = page[at] ?? garbage;
      }
    }
    this.#extents.thaw(this.#inode);
    this.#frozen = undefined;
    let zeroed = 0;
    const lost = this.#extents.recover(this.#inode, this.#baseSize, (start, end) => {
      zeroed += end - start;
    });
    assert.ok(lost >= zeroed);
    const found = this.#readAll();
    for (const [at, value] of found.entries()) {
      const possible = [...(this.#possible[at] ?? [])];
      assert.ok(possible.includes(value), `byte ${at} is ${value}, not one of ${possible}`);
    }
    this.#bytes = found;
    this.#possible = found.map((value) => new Set([value]));
    assert.deepEqual(this.#extents.unsyncedGenerations(this.#inode), []);
  }
}
