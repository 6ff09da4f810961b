import type { InodeNumber } from "../vfs/attributes.ts";

/** A range of a file's base object that is being read, or that was read and is kept in memory. */
export interface Load {
  readonly start: number;
  readonly end: number;
  /** The version it belongs to. */
  readonly version: string;
  /** Settles when it has been read. */
  readonly done: Promise<void>;
  /** The bytes, where they are kept in memory. */
  data: Uint8Array | undefined;
}

/** Ranges asked of S3, by inode: nothing is asked for twice at once, and what is kept is bounded. */
export class Loads {
  readonly #files = new Map<InodeNumber, Set<Load>>();
  readonly #kept = new Map<Load, InodeNumber>();
  /** Bytes under way, and bytes kept. */
  underWayBytes = 0;
  keptBytes = 0;

  /** The parts of `[start, end)` that no load of this version covers. */
  missing(
    inode: InodeNumber,
    version: string,
    start: number,
    end: number,
  ): { readonly start: number; readonly end: number }[] {
    const result: { start: number; end: number }[] = [];
    let at = start;
    for (const load of this.overlapping(inode, version, start, end)) {
      if (load.start > at) result.push({ start: at, end: load.start });
      at = Math.max(at, load.end);
    }
    if (at < end) result.push({ start: at, end });
    return result;
  }

  /** Loads of this version that overlap `[start, end)`, in order. */
  overlapping(inode: InodeNumber, version: string, start: number, end: number): Load[] {
    return [...(this.#files.get(inode) ?? [])]
      .filter((load) => load.version === version && load.start < end && load.end > start)
      .sort((one, other) => one.start - other.start);
  }

  /**
   * Starts a load. With bytes as the result of `work` they are kept until {@link trim}; else it is forgotten
   * when it ends, and always when it fails. `done` rejects with what `work` rejects with.
   */
  start(
    inode: InodeNumber,
    range: { readonly start: number; readonly end: number; readonly version: string },
    work: Promise<Uint8Array | undefined>,
  ): Load {
    const done = work.then(
      (data) => {
        if (data === undefined) return this.#remove(inode, load);
        this.underWayBytes -= load.end - load.start;
        this.keptBytes += load.end - load.start;
        load.data = data;
        this.#kept.set(load, inode);
      },
      (error: unknown) => {
        this.#remove(inode, load);
        throw error;
      },
    );
    const load: Load = { ...range, done, data: undefined };
    const loads = this.#files.get(inode) ?? new Set();
    this.#files.set(inode, loads);
    loads.add(load);
    this.underWayBytes += range.end - range.start;
    return load;
  }

  #remove(inode: InodeNumber, load: Load): void {
    const loads = this.#files.get(inode);
    this.#kept.delete(load);
    if (loads?.delete(load) !== true) return;
    if (load.data === undefined) this.underWayBytes -= load.end - load.start;
    else this.keptBytes -= load.end - load.start;
    if (loads.size === 0) this.#files.delete(inode);
  }

  /** Lets kept ranges go, oldest first, until they are at most `limit` bytes. Whoever holds one may still use it. */
  trim(limit: number): void {
    for (const [load, inode] of this.#kept) {
      if (this.keptBytes <= limit) return;
      this.#remove(inode, load);
    }
  }

  /** Lets go what is kept of an inode. */
  forget(inode: InodeNumber): void {
    for (const load of this.#files.get(inode) ?? []) {
      if (load.data !== undefined) this.#remove(inode, load);
    }
  }
}
