const pageBytes = 4096;

/** The bytes of a sparse file: pages that were never written are zeros and take no space. */
export class MemoryBytes {
  readonly #pages = new Map<number, Uint8Array>();

  /** Bytes that take space. */
  get usedBytes(): number {
    return this.#pages.size * pageBytes;
  }

  /** A copy of the range, which must lie within the file. */
  read(offset: number, length: number): Uint8Array {
    const result = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const from = at % pageBytes;
      const part = Math.min(length - done, pageBytes - from);
      const page = this.#pages.get((at - from) / pageBytes);
      if (page !== undefined) result.set(page.subarray(from, from + part), done);
      done += part;
    }
    return result;
  }

  /** Writes a range; returns what takes it back. */
  write(offset: number, bytes: Uint8Array): () => void {
    const before = new Map<number, Uint8Array | undefined>();
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      const from = at % pageBytes;
      const part = Math.min(bytes.length - done, pageBytes - from);
      const number = (at - from) / pageBytes;
      const old = this.#pages.get(number);
      before.set(number, old);
      const page = old === undefined ? new Uint8Array(pageBytes) : old.slice();
      page.set(bytes.subarray(done, done + part), from);
      this.#pages.set(number, page);
      done += part;
    }
    return () => this.#restore(before);
  }

  /** Drops what lies from `size` on; returns what takes it back. */
  truncate(size: number): () => void {
    const before = new Map<number, Uint8Array | undefined>();
    for (const [number, page] of this.#pages) {
      const kept = size - number * pageBytes;
      if (kept >= pageBytes) continue;
      before.set(number, page);
      if (kept <= 0) {
        this.#pages.delete(number);
      } else {
        const cut = new Uint8Array(pageBytes);
        cut.set(page.subarray(0, kept));
        this.#pages.set(number, cut);
      }
    }
    return () => this.#restore(before);
  }

  /** Makes pages of zeros where the range has none; returns what takes it back. */
  allocate(start: number, end: number): () => void {
    const before = new Map<number, Uint8Array | undefined>();
    for (let at = Math.floor(start / pageBytes); at * pageBytes < end; at++) {
      if (this.#pages.has(at)) continue;
      before.set(at, undefined);
      this.#pages.set(at, new Uint8Array(pageBytes));
    }
    return () => this.#restore(before);
  }

  /** Makes zeros of the range, and holes of whole pages; returns what takes it back. */
  deallocate(start: number, end: number): () => void {
    const before = new Map<number, Uint8Array | undefined>();
    for (const [number, page] of this.#pages) {
      const from = Math.max(0, start - number * pageBytes);
      const to = Math.min(pageBytes, end - number * pageBytes);
      if (from >= to) continue;
      before.set(number, page);
      if (to - from === pageBytes) this.#pages.delete(number);
      else this.#pages.set(number, page.slice().fill(0, from, to));
    }
    return () => this.#restore(before);
  }

  /** The first offset from `start` on, below `size`, that is or is not in a page. */
  next(start: number, size: number, what: "data" | "hole"): number | undefined {
    if (what === "hole") {
      for (let at = start; at < size; at = (Math.floor(at / pageBytes) + 1) * pageBytes) {
        if (!this.#pages.has(Math.floor(at / pageBytes))) return at;
      }
      return undefined;
    }
    let first = Number.POSITIVE_INFINITY;
    for (const number of this.#pages.keys()) {
      if ((number + 1) * pageBytes > start) first = Math.min(first, number * pageBytes);
    }
    return first < size ? Math.max(start, first) : undefined;
  }

  #restore(pages: ReadonlyMap<number, Uint8Array | undefined>): void {
    for (const [number, page] of pages) {
      if (page === undefined) this.#pages.delete(number);
      else this.#pages.set(number, page);
    }
  }
}
