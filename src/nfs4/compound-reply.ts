import { XdrWriter } from "../xdr/writer.ts";
import type { Operation } from "./operation.ts";
import { COMPOUND4res_header } from "./wire/compound.ts";
import { nfsstat4 } from "./wire/status.ts";

/** A COMPOUND4res that grows by one result after the other and can lose its last ones again. */
export class CompoundReply {
  readonly #writer = new XdrWriter();
  /** Where each result starts. */
  readonly #starts: number[] = [];
  readonly #countAt: number;
  #status: nfsstat4 = "NFS4_OK";

  constructor(tag: Uint8Array) {
    COMPOUND4res_header.encode(this.#writer, { status: "NFS4_OK", tag, count: 0 });
    this.#countAt = this.#writer.lengthBytes - 4;
  }

  /** The status of the last result. */
  get status(): nfsstat4 {
    return this.#status;
  }

  /** Results so far. */
  get count(): number {
    return this.#starts.length;
  }

  get lengthBytes(): number {
    return this.#writer.lengthBytes;
  }

  /** Appends the result of a success. When it throws, nothing is appended. */
  succeed(operation: Operation, result: unknown): void {
    const start = this.#begin(operation);
    try {
      operation.encode(this.#writer, result);
    } catch (error) {
      this.#writer.truncate(start);
      throw error;
    }
    this.#starts.push(start);
  }

  /** Appends the result of a failure, which ends the compound. */
  fail(operation: Operation, status: nfsstat4, body?: unknown): void {
    const start = this.#begin(operation);
    try {
      operation.encodeFailure(this.#writer, status, body);
    } catch (error) {
      this.#writer.truncate(start);
      throw error;
    }
    this.#starts.push(start);
    this.#status = status;
  }

  /** Where the result starts. */
  #begin(operation: Operation): number {
    const start = this.#writer.lengthBytes;
    this.#writer.u32(operation.opnum);
    return start;
  }

  /** Appends the bytes of a successful result that {@link results} gave. */
  restore(result: Uint8Array): void {
    this.#starts.push(this.#writer.lengthBytes);
    this.#writer.raw(result);
  }

  /** Takes back the results from number `index` on. */
  truncate(index: number): void {
    const start = this.#starts[index];
    if (start === undefined) return;
    this.#writer.truncate(start);
    this.#starts.length = index;
    this.#status = "NFS4_OK";
  }

  /** The status of a compound that has no result for it. */
  refuse(status: nfsstat4): void {
    this.#status = status;
  }

  /** The bytes of each result, copied. */
  results(): readonly Uint8Array[] {
    const whole = this.#writer.toBuffer();
    return this.#starts.map((start, at) => whole.subarray(start, this.#starts[at + 1]));
  }

  /** The whole reply in pieces, some of them views of what the operations gave. */
  buffers(): readonly Uint8Array[] {
    this.#patch();
    return this.#writer.buffers();
  }

  /** The whole reply as a copy. */
  toBuffer(): Uint8Array {
    this.#patch();
    return this.#writer.toBuffer();
  }

  #patch(): void {
    this.#writer.patchU32(0, nfsstat4.numberOf(this.#status));
    this.#writer.patchU32(this.#countAt, this.#starts.length);
  }
}
