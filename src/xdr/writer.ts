import { XdrError } from "./error.ts";

const halves = new Uint32Array(2);
const unsigned = new BigUint64Array(halves.buffer);
const signed = new BigInt64Array(halves.buffer);
halves[0] = 1;
const low = unsigned[0] === 1n ? 0 : 1;
const high = 1 - low;

const padding = new Uint8Array(4);
/** Byte strings from this length on are kept by reference; below it copying is cheaper than another buffer. */
const referenceBytes = 2048;
const firstBufferBytes = 512;
const nextBufferBytes = 4096;

interface Segment {
  /** Position of its first byte in the whole. */
  readonly start: number;
  readonly bytes: Uint8Array;
  /** Ours to patch; otherwise a reference to the caller's bytes. */
  readonly own: boolean;
}

/**
 * Writes XDR (RFC 4506) as a list of buffers for one gathering write. Byte strings of 2 KiB or more are
 * kept by reference: the caller must not change them until the list has been sent.
 * A position is a length that the whole had; it stays valid until the writer is truncated below it.
 */
export class XdrWriter {
  readonly #segments: Segment[] = [];
  /** Where the open segment starts, in the whole. */
  #closed = 0;
  #buffer: Uint8Array = Buffer.allocUnsafe(firstBufferBytes);
  /** Where the open segment starts and ends, in `#buffer`. */
  #from = 0;
  #to = 0;

  /** Bytes written so far. */
  get lengthBytes(): number {
    return this.#closed + this.#to - this.#from;
  }

  /** An unsigned integer of four bytes. @throws {XdrError} when `value` is none. */
  u32(value: number): void {
    if (value >>> 0 !== value) throw new XdrError("malformed", `No unsigned integer: ${value}`);
    if (this.#to + 4 > this.#buffer.length) this.#grow(4);
    this.#to = store(this.#buffer, this.#to, value);
  }

  /** A signed integer of four bytes. @throws {XdrError} when `value` is none. */
  i32(value: number): void {
    if ((value | 0) !== value) throw new XdrError("malformed", `No integer: ${value}`);
    this.u32(value >>> 0);
  }

  /** An unsigned integer of eight bytes. @throws {XdrError} when `value` is none. */
  u64(value: bigint): void {
    unsigned[0] = value;
    if (unsigned[0] !== value) throw new XdrError("malformed", `No unsigned hyper: ${value}`);
    this.#writeHalves();
  }

  /** A signed integer of eight bytes. @throws {XdrError} when `value` is none. */
  i64(value: bigint): void {
    signed[0] = value;
    if (signed[0] !== value) throw new XdrError("malformed", `No hyper: ${value}`);
    this.#writeHalves();
  }

  /** A number of 0 to 2^53−1 in eight bytes. @throws {XdrError} when `value` is none. */
  offset(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new XdrError("tooLarge", `No offset or size: ${value}`);
    }
    const upper = Math.floor(value / 0x1_0000_0000);
    this.u32(upper);
    this.u32(value - upper * 0x1_0000_0000);
  }

  /** A boolean. */
  bool(value: boolean): void {
    this.u32(value ? 1 : 0);
  }

  /** Bytes whose number the reader knows, and their padding. */
  fixed(bytes: Uint8Array): void {
    this.raw(bytes);
    this.#pad(bytes.length);
  }

  /** A byte string. */
  opaque(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.fixed(bytes);
  }

  /** A byte string that lies in pieces. */
  chunks(pieces: readonly Uint8Array[]): void {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    this.u32(length);
    for (const piece of pieces) this.raw(piece);
    this.#pad(length);
  }

  /** Bytes that are XDR already, or a part of a byte string: no length, no padding. */
  raw(bytes: Uint8Array): void {
    const length = bytes.length;
    if (length >= referenceBytes) {
      this.#close();
      this.#segments.push({ start: this.#closed, bytes, own: false });
      this.#closed += length;
      return;
    }
    if (this.#to + length > this.#buffer.length) this.#grow(length);
    this.#buffer.set(bytes, this.#to);
    this.#to += length;
  }

  /** Replaces the four bytes that `u32` wrote at `position`. */
  patchU32(position: number, value: number): void {
    if (value >>> 0 !== value) throw new XdrError("malformed", `No unsigned integer: ${value}`);
    if (position >= this.#closed && position + 4 <= this.lengthBytes) {
      store(this.#buffer, this.#from + position - this.#closed, value);
      return;
    }
    const segment = this.#segments.findLast(({ start }) => start <= position);
    if (segment === undefined || !segment.own) throw new Error(`Cannot patch at ${position}`);
    const at = position - segment.start;
    if (at + 4 > segment.bytes.length) throw new Error(`Cannot patch at ${position}`);
    store(segment.bytes, at, value);
  }

  /** Takes back everything from `position` on. */
  truncate(position: number): void {
    if (position < 0 || position > this.lengthBytes) throw new Error(`No position: ${position}`);
    if (position >= this.#closed) {
      this.#to = this.#from + position - this.#closed;
      return;
    }
    this.#from = this.#to;
    for (let last = this.#segments.pop(); last !== undefined; last = this.#segments.pop()) {
      if (last.start >= position) continue;
      this.#segments.push({ ...last, bytes: last.bytes.subarray(0, position - last.start) });
      break;
    }
    this.#closed = position;
  }

  /** All that was written, in order; none is empty. The writer may go on; what it adds is not in this list. */
  buffers(): readonly Uint8Array[] {
    this.#close();
    const buffers: Uint8Array[] = [];
    for (const { bytes } of this.#segments) if (bytes.length > 0) buffers.push(bytes);
    return buffers;
  }

  /** All that was written, as a copy in one buffer. */
  toBuffer(): Buffer {
    const whole = Buffer.allocUnsafe(this.lengthBytes);
    for (const { start, bytes } of this.#segments) whole.set(bytes, start);
    whole.set(this.#buffer.subarray(this.#from, this.#to), this.#closed);
    return whole;
  }

  #writeHalves(): void {
    const upper = halves[high] ?? 0;
    const lower = halves[low] ?? 0;
    this.u32(upper);
    this.u32(lower);
  }

  #pad(length: number): void {
    const rest = -length & 3;
    if (rest > 0) this.raw(padding.subarray(0, rest));
  }

  #close(): void {
    if (this.#to === this.#from) return;
    const bytes = this.#buffer.subarray(this.#from, this.#to);
    this.#segments.push({ start: this.#closed, bytes, own: true });
    this.#closed += bytes.length;
    this.#from = this.#to;
  }

  #grow(length: number): void {
    this.#close();
    this.#buffer = Buffer.allocUnsafe(Math.max(length, nextBufferBytes));
    this.#from = 0;
    this.#to = 0;
  }
}

function store(buffer: Uint8Array, at: number, value: number): number {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
  return at + 4;
}
