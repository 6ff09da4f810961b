import { XdrError } from "./error.ts";

// Two halves of a 64-bit integer and the whole, over the same eight bytes.
const halves = new Uint32Array(2);
const unsigned = new BigUint64Array(halves.buffer);
const signed = new BigInt64Array(halves.buffer);
halves[0] = 1;
const low = unsigned[0] === 1n ? 0 : 1;
const high = 1 - low;

const nothing = new Uint8Array(0);

/**
 * Reads XDR (RFC 4506) from one buffer, or from a list of buffers as if they were joined.
 * Byte strings are views of those buffers; only one that crosses from a buffer to the next is a copy.
 * Every method @throws {XdrError} when the bytes end too early.
 */
export class XdrReader {
  readonly #chunks: readonly Uint8Array[];
  #next = 0;
  #chunk: Uint8Array = nothing;
  /** Position in `#chunk`. */
  #at = 0;
  /** Bytes in `#chunk` and all later ones that are not read. */
  #left = 0;

  constructor(source: Uint8Array | readonly Uint8Array[]) {
    this.#chunks = source instanceof Uint8Array ? [source] : source;
    for (const chunk of this.#chunks) this.#left += chunk.length;
  }

  /** Bytes not read yet. */
  get remainingBytes(): number {
    return this.#left;
  }

  /** An unsigned integer of four bytes. */
  u32(): number {
    const chunk = this.#chunk;
    const at = this.#at;
    if (at + 4 > chunk.length) return this.#u32Slowly();
    this.#at = at + 4;
    this.#left -= 4;
    const a = chunk[at] ?? 0;
    const b = chunk[at + 1] ?? 0;
    const c = chunk[at + 2] ?? 0;
    const d = chunk[at + 3] ?? 0;
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  }

  /** A signed integer of four bytes. */
  i32(): number {
    return this.u32() | 0;
  }

  /** An unsigned integer of eight bytes. */
  u64(): bigint {
    this.#readHalves();
    return unsigned[0] ?? 0n;
  }

  /** A signed integer of eight bytes. */
  i64(): bigint {
    this.#readHalves();
    return signed[0] ?? 0n;
  }

  /** An unsigned integer of eight bytes that is at most 2^53−1. @throws {XdrError} tooLarge. */
  offset(): number {
    const upper = this.u32();
    const lower = this.u32();
    if (upper > 0x1fffff) throw new XdrError("tooLarge", "Offset or size above 2^53−1");
    return upper * 0x1_0000_0000 + lower;
  }

  /** A boolean. @throws {XdrError} malformed for anything but 0 and 1. */
  bool(): boolean {
    const value = this.u32();
    if (value > 1) throw new XdrError("malformed", `Boolean with the value ${value}`);
    return value === 1;
  }

  /** `length` bytes and the padding after them; a view where possible. */
  fixed(length: number): Uint8Array {
    const padded = length + (-length & 3);
    this.#require(padded);
    if (this.#at === this.#chunk.length) this.#advance();
    const at = this.#at;
    if (at + length <= this.#chunk.length) {
      const view = this.#chunk.subarray(at, at + length);
      this.#skip(padded);
      return view;
    }
    const copy = Buffer.allocUnsafe(length);
    let done = 0;
    for (const part of this.#take(length)) {
      copy.set(part, done);
      done += part.length;
    }
    this.#skip(padded - length);
    return copy;
  }

  /** A byte string of at most `maxLength` bytes; a view where possible. */
  opaque(maxLength: number): Uint8Array {
    return this.fixed(this.#length(maxLength));
  }

  /** A byte string as views, never a copy: in order, none of them empty. */
  chunks(maxLength: number): readonly Uint8Array[] {
    const length = this.#length(maxLength);
    const padded = length + (-length & 3);
    this.#require(padded);
    const views = this.#take(length);
    this.#skip(padded - length);
    return views;
  }

  /** Number of elements of an array. @throws {XdrError} when so many cannot follow (each takes four bytes or more). */
  count(maxCount: number): number {
    const count = this.u32();
    if (count > maxCount) throw new XdrError("malformed", `${count} elements, limit ${maxCount}`);
    if (count * 4 > this.#left) throw new XdrError("malformed", `Truncated array of ${count}`);
    return count;
  }

  /** Views of all bytes not read yet; reading goes on where it was. */
  rest(): readonly Uint8Array[] {
    const views = [this.#chunk.subarray(this.#at), ...this.#chunks.slice(this.#next)];
    return views.filter((view) => view.length > 0);
  }

  /** @throws {XdrError} malformed when bytes are left. */
  end(): void {
    if (this.#left > 0) throw new XdrError("malformed", `${this.#left} bytes too many`);
  }

  #length(maxLength: number): number {
    const length = this.u32();
    if (length > maxLength) {
      throw new XdrError("malformed", `Byte string of ${length} bytes, limit ${maxLength}`);
    }
    return length;
  }

  #require(length: number): void {
    if (length > this.#left) {
      throw new XdrError("malformed", `Truncated: ${length} bytes expected, ${this.#left} left`);
    }
  }

  #readHalves(): void {
    const upper = this.u32();
    halves[low] = this.u32();
    halves[high] = upper;
  }

  /** To the next buffer that is not empty. Already checked: there is one. */
  #advance(): void {
    while (this.#at === this.#chunk.length && this.#next < this.#chunks.length) {
      this.#chunk = this.#chunks[this.#next] ?? nothing;
      this.#next += 1;
      this.#at = 0;
    }
  }

  #u32Slowly(): number {
    this.#require(4);
    let value = 0;
    for (let byte = 0; byte < 4; byte += 1) {
      this.#advance();
      value = (value << 8) | (this.#chunk[this.#at] ?? 0);
      this.#at += 1;
    }
    this.#left -= 4;
    return value >>> 0;
  }

  /** Already checked: `length` bytes are there. */
  #skip(length: number): void {
    this.#left -= length;
    let rest = length;
    while (rest > this.#chunk.length - this.#at) {
      rest -= this.#chunk.length - this.#at;
      this.#at = this.#chunk.length;
      this.#advance();
    }
    this.#at += rest;
  }

  /** Already checked: `length` bytes are there. */
  #take(length: number): Uint8Array[] {
    const views: Uint8Array[] = [];
    let rest = length;
    while (rest > 0) {
      this.#advance();
      const part = Math.min(rest, this.#chunk.length - this.#at);
      views.push(this.#chunk.subarray(this.#at, this.#at + part));
      this.#at += part;
      rest -= part;
    }
    this.#left -= length;
    return views;
  }
}
