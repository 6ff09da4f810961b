import { XdrError } from "../xdr/error.ts";

/** Limits of one record. */
export interface RecordLimits {
  readonly maxRecordBytes: number;
  readonly maxFragments: number;
}

/** One record: its bytes in order, and their number. */
export interface RpcRecord {
  readonly chunks: readonly Uint8Array[];
  readonly lengthBytes: number;
}

const lastFragment = 0x8000_0000;
/** Pieces from this size on are kept as they came, if they are most of the buffer below them. */
const keepBytes = 16 * 1024;
const leastBlockBytes = 512;

/**
 * Puts records together from the bytes of a stream (RFC 5531 §11). Data of a record that is whole are
 * views of what was pushed; a record that is not whole yet holds no more than about its own size, in
 * few pieces, however it trickles in.
 */
export class RecordAssembler {
  readonly #limits: RecordLimits;
  /** Received and not looked at. */
  readonly #input: Uint8Array[] = [];
  #inputAt = 0;
  #chunks: Uint8Array[] = [];
  #length = 0;
  #fragments = 0;
  /** Of the current fragment. */
  #fragmentLeft = 0;
  #isLast = false;
  /** Of the current fragment's header. */
  #headerBytes = 0;
  #header = 0;
  /** Our own block at the end of `#chunks`, and how much of it is used. */
  #block: Uint8Array | undefined;
  #blockUsed = 0;

  constructor(limits: RecordLimits) {
    this.#limits = limits;
  }

  /** Bytes held of a record that is not whole. */
  get partialBytes(): number {
    return this.#length;
  }

  /** Whether a part of a record has come and the rest has not. */
  get isPartial(): boolean {
    return this.#length > 0 || this.#fragments > 0 || this.#headerBytes > 0;
  }

  /** Adds received bytes; `next` returns the records in them. Nobody may change the bytes afterwards. */
  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#input.push(bytes);
  }

  /**
   * The next whole record, or undefined when more bytes are needed.
   * @throws {XdrError} when the record is above its limits or empty; the stream is useless then.
   */
  next(): RpcRecord | undefined {
    while (this.#input.length > 0) {
      if (this.#fragmentLeft === 0) {
        if (this.#readHeader() && this.#fragmentLeft === 0 && this.#isLast) return this.#finish();
      } else if (this.#readData() && this.#isLast) {
        return this.#finish();
      }
    }
    return undefined;
  }

  /** True when a header is complete. */
  #readHeader(): boolean {
    const input = this.#input[0];
    if (input === undefined) return false;
    while (this.#headerBytes < 4) {
      const byte = input[this.#inputAt];
      if (byte === undefined) break;
      this.#header = ((this.#header << 8) | byte) >>> 0;
      this.#headerBytes += 1;
      this.#inputAt += 1;
    }
    this.#dropReadInput(input);
    if (this.#headerBytes < 4) return false;
    this.#isLast = this.#header >= lastFragment;
    this.#fragmentLeft = this.#header & 0x7fff_ffff;
    this.#headerBytes = 0;
    this.#header = 0;
    this.#fragments += 1;
    const { maxRecordBytes, maxFragments } = this.#limits;
    const length = this.#length + this.#fragmentLeft;
    if (length > maxRecordBytes) {
      throw new XdrError("malformed", `Record of ${length} bytes, limit ${maxRecordBytes}`);
    }
    if (this.#fragments > maxFragments) {
      throw new XdrError("malformed", `Record of more than ${maxFragments} fragments`);
    }
    return true;
  }

  /** True when the fragment is complete. */
  #readData(): boolean {
    const input = this.#input[0];
    if (input === undefined) return false;
    const end = Math.min(input.length, this.#inputAt + this.#fragmentLeft);
    const piece = input.subarray(this.#inputAt, end);
    this.#inputAt = end;
    this.#fragmentLeft -= piece.length;
    this.#length += piece.length;
    this.#dropReadInput(input);
    const isWhole = this.#fragmentLeft === 0;
    const pinsLittle = piece.length >= keepBytes && piece.length * 2 >= piece.buffer.byteLength;
    if ((isWhole && this.#isLast) || pinsLittle) {
      this.#chunks.push(piece);
      this.#closeBlock();
    } else {
      this.#copy(piece);
    }
    return isWhole;
  }

  #dropReadInput(input: Uint8Array): void {
    if (this.#inputAt < input.length) return;
    this.#input.shift();
    this.#inputAt = 0;
  }

  #copy(piece: Uint8Array): void {
    let rest = piece;
    while (rest.length > 0) {
      if (this.#block === undefined || this.#blockUsed === this.#block.length) {
        this.#closeBlock();
        const size = Math.max(rest.length, leastBlockBytes, Math.min(this.#length, keepBytes));
        // Not from Buffer's pool, which a record that never ends would pin.
        this.#block = new Uint8Array(size);
        this.#blockUsed = 0;
        this.#chunks.push(this.#block);
      }
      const part = rest.subarray(0, this.#block.length - this.#blockUsed);
      this.#block.set(part, this.#blockUsed);
      this.#blockUsed += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** Cuts our block to what is used of it; it is at the end of `#chunks`, or before the piece just added. */
  #closeBlock(): void {
    const block = this.#block;
    if (block === undefined) return;
    this.#chunks[this.#chunks.lastIndexOf(block)] = block.subarray(0, this.#blockUsed);
    this.#block = undefined;
  }

  #finish(): RpcRecord {
    this.#closeBlock();
    const record: RpcRecord = { chunks: this.#chunks, lengthBytes: this.#length };
    this.#chunks = [];
    this.#length = 0;
    this.#fragments = 0;
    this.#isLast = false;
    if (record.lengthBytes === 0) throw new XdrError("malformed", "Empty record");
    return record;
  }
}

/** The header of a record that is sent as one fragment. @throws {Error} from 2 GiB on. */
export function recordMark(lengthBytes: number): number {
  if (lengthBytes >= lastFragment) throw new Error(`Record of ${lengthBytes} bytes`);
  return (lengthBytes | lastFragment) >>> 0;
}
