import { S3Error } from "./error.ts";

/** Pulls lines and counted bytes from a stream of chunks; pieces handed out are views. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #pending: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Whether more bytes were found to be there. */
  async #fill(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done === true) return false;
    this.#pending =
      this.#pending.length === 0 ? next.value : Buffer.concat([this.#pending, next.value]);
    return true;
  }

  /** The next line without CR LF. @throws {S3Error} IncompleteBody, InvalidRequest when over `maxBytes`. */
  async line(maxBytes: number): Promise<string> {
    for (;;) {
      const end = Buffer.from(
        this.#pending.buffer,
        this.#pending.byteOffset,
        this.#pending.length,
      ).indexOf("\r\n");
      if (end !== -1) {
        const line = Buffer.from(this.#pending.subarray(0, end)).toString("latin1");
        this.#pending = this.#pending.subarray(end + 2);
        return line;
      }
      if (this.#pending.length > maxBytes) {
        throw new S3Error("InvalidRequest", { message: "A chunk header or trailer is too long" });
      }
      if (!(await this.#fill())) throw new S3Error("IncompleteBody");
    }
  }

  /** Between 1 and `maxBytes` bytes. @throws {S3Error} IncompleteBody at the end of the stream. */
  async some(maxBytes: number): Promise<Uint8Array> {
    while (this.#pending.length === 0) {
      if (!(await this.#fill())) throw new S3Error("IncompleteBody");
    }
    const piece = this.#pending.subarray(0, maxBytes);
    this.#pending = this.#pending.subarray(piece.length);
    return piece;
  }

  /** Whether the stream has ended. */
  async atEnd(): Promise<boolean> {
    while (this.#pending.length === 0) {
      if (!(await this.#fill())) return true;
    }
    return false;
  }
}
