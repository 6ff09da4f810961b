import { Duplex } from "node:stream";

/**
 * Two ends of a connection in memory: what one writes the other reads, with back-pressure; ending or
 * destroying one end ends or closes the other.
 */
export function duplexPair(): readonly [Duplex, Duplex] {
  const a: Duplex = new Half(() => b);
  const b: Duplex = new Half(() => a);
  return [a, b];
}

class Half extends Duplex {
  readonly #peer: () => Duplex;
  /** Continues the peer's write once this side reads again. */
  #onRead: (() => void) | undefined;

  constructor(peer: () => Duplex) {
    super({ allowHalfOpen: true });
    this.#peer = peer;
  }

  override _read(): void {
    const go = this.#onRead;
    this.#onRead = undefined;
    go?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const peer = this.#peer() as Half;
    if (peer.destroyed || chunk.length === 0) return void setImmediate(done);
    // A copy, as through a socket: the writer may reuse its buffer after `done`.
    if (peer.push(Buffer.from(chunk))) setImmediate(done);
    else peer.#onRead = done;
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "binary", done);
  }

  override _final(done: () => void): void {
    const peer = this.#peer();
    if (!peer.destroyed) peer.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const peer = this.#peer() as Half;
    const waiting = this.#onRead;
    this.#onRead = undefined;
    waiting?.();
    setImmediate(() => peer.destroy());
    done(error);
  }
}
