/** Takes the bytes of one blob. Disposed before `finish`, it leaves nothing behind. */
export interface BlobWriter extends AsyncDisposable {
  /** Appends; the bytes are copied or written before the promise settles. */
  write(data: Uint8Array): Promise<void> | void;
  /** Makes the blob durable as far as the store is, and returns its id. */
  finish(): Promise<string>;
}

/** Immutable byte sequences by id. */
export interface BlobStore {
  /** `sizeHintBytes` is how much is expected. */
  create(sizeHintBytes: number): Promise<BlobWriter> | BlobWriter;
  /** The bytes of `[offsetBytes, offsetBytes + lengthBytes)` in chunks of at most 1 MiB, which nobody may change. */
  read(id: string, offsetBytes: number, lengthBytes: number): AsyncIterable<Uint8Array>;
  remove(id: string): Promise<void>;
  /** Removes every blob that `isUsed` does not know: what a crash left behind. */
  sweep(isUsed: (id: string) => boolean): Promise<void>;
}
