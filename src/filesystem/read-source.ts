import type { InodeRow } from "../cache/inodes.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { type Load, Loads } from "./loads.ts";
import type { FileSystemDependencies, FileSystemOptions } from "./options.ts";
import { pieces, Readahead, type Stream, unitBytes } from "./readahead.ts";
import type { Space } from "./space.ts";

/** Bytes that may be under way before nothing is fetched ahead any more. */
const maxAheadBytes = 64 << 20;
/** Bytes kept in memory where nothing is kept on the disk, and for how long after the last read. */
const maxKeptBytes = 32 << 20;
const keptForMs = 10_000;
/** Granularity of random reads. */
const pageBytes = 4096;

function versionOf(row: InodeRow): string {
  return JSON.stringify([row.remote?.key, row.remote?.etag, row.remote?.versionId]);
}

/**
 * Brings bytes of base objects that are absent here: into the cache, or into memory in mode metadata-only and
 * while the disk has no room.
 */
export class ReadSource {
  readonly #mode: FileSystemOptions["cacheMode"];
  readonly #dependencies: FileSystemDependencies;
  readonly #space: Space;
  readonly #readahead = new Readahead();
  readonly #loads = new Loads();
  /** When inodes were last used, by the monotonic clock, longest ago first; bounded. */
  readonly #recent = new Map<InodeNumber, number>();
  #lastReadMs = 0;

  constructor(options: FileSystemOptions, dependencies: FileSystemDependencies, space: Space) {
    this.#mode = options.cacheMode;
    this.#dependencies = dependencies;
    this.#space = space;
  }

  /** Notes a read; its stream says how far to look ahead. */
  note(inode: InodeNumber, start: number, end: number): Stream {
    this.#lastReadMs = this.#dependencies.clock.monotonicMs();
    this.touch(inode);
    return this.#readahead.note(inode, start, end);
  }

  /** Notes that a file is in use: its data is given up later than that of others. */
  touch(inode: InodeNumber): void {
    this.#recent.delete(inode);
    this.#recent.set(inode, this.#dependencies.clock.monotonicMs());
    if (this.#recent.size > 100_000) {
      for (const oldest of this.#recent.keys()) {
        this.#recent.delete(oldest);
        break;
      }
    }
  }

  /** Inodes by their last use, longest ago first. */
  recentlyUsed(): Iterable<InodeNumber> {
    return this.#recent.keys();
  }

  /** When a file was last used, by the monotonic clock; undefined: not since the start, or long ago. */
  lastUsedMs(inode: InodeNumber): number | undefined {
    return this.#recent.get(inode);
  }

  /** Gives memory back when nobody has read for a while; true then. */
  relax(): boolean {
    if (this.#dependencies.clock.monotonicMs() - this.#lastReadMs <= keptForMs) return false;
    this.#loads.trim(0);
    return true;
  }

  /** Those loads that have bytes of the version that the row has now. */
  current(row: InodeRow, loads: readonly Load[]): Load[] {
    const version = versionOf(row);
    return loads.filter((load) => load.version === version && load.data !== undefined);
  }

  /** Whether loads, in the order of their starts, have all bytes of `[start, end)` as they are now. */
  covers(row: InodeRow, loads: readonly Load[], start: number, end: number): boolean {
    let at = start;
    for (const load of this.current(row, loads)) {
      if (load.start <= at) at = Math.max(at, load.end);
    }
    return at >= end;
  }

  /** Forgets an inode that is gone. */
  forget(inode: InodeNumber): void {
    this.#recent.delete(inode);
    this.#readahead.forget(inode);
    this.#loads.forget(inode);
  }

  #absent(row: InodeRow, start: number, end: number): { start: number; end: number }[] {
    const to = Math.min(end, row.baseSizeBytes);
    if (start >= to) return [];
    return this.#dependencies.state.extents
      .segments(row.id, start, to)
      .filter((segment) => segment.kind === "absent");
  }

  #start(row: InodeRow, start: number, end: number): void {
    const { synchroniser, log } = this.#dependencies;
    const hasRoom = this.#space.hasDiskRoom(end - start);
    if (!hasRoom) this.#space.want(end - start);
    let work: Promise<Uint8Array | undefined>;
    if (this.#mode === "full" && hasRoom) {
      work = synchroniser.fetch(row.id, start, end).then(() => undefined);
    } else {
      this.#loads.trim(Math.max(0, maxKeptBytes - (end - start)));
      work = synchroniser.readThrough(row.id, start, end);
    }
    const load = this.#loads.start(row.id, { start, end, version: versionOf(row) }, work);
    // Who waits for it gets the error; what is fetched ahead is asked for again when it is wanted.
    load.done.catch((error: unknown) => {
      log.debug("Cannot fetch", { inode: row.id, start, end, error });
    });
  }

  /** Starts what is missing of the absent ranges within `[start, end)`. */
  #ask(row: InodeRow, start: number, end: number, windowBytes: number): void {
    for (const gap of this.#absent(row, start, end)) {
      for (const part of this.#loads.missing(row.id, versionOf(row), gap.start, gap.end)) {
        for (const piece of pieces(part.start, part.end, windowBytes)) {
          this.#start(row, piece.start, piece.end);
        }
      }
    }
  }

  /**
   * Loads for the absent ranges within `[start, end)`, started where they are not under way: in mode full
   * those that must end before they are cached, in mode metadata-only those that have the bytes or will.
   */
  need(row: InodeRow, start: number, end: number, stream: Stream): Load[] {
    const sequential = stream.windowBytes > 0 && this.#mode === "full";
    const unit = sequential ? unitBytes : pageBytes;
    const from = Math.floor(start / unit) * unit;
    const to = Math.ceil(end / unit) * unit;
    this.#ask(row, from, to, stream.windowBytes);
    return this.#loads.overlapping(row.id, versionOf(row), start, end);
  }

  /** Starts what a sequential reader will want next. Nobody waits for it. */
  ahead(row: InodeRow, stream: Stream): void {
    const to = Math.min(row.baseSizeBytes, stream.next + stream.windowBytes);
    if (stream.windowBytes === 0 || stream.askedTo >= row.baseSizeBytes) return;
    // Once half a window is used up, so that pieces stay large.
    if (stream.askedTo - stream.next > stream.windowBytes / 2) return;
    const limit = this.#mode === "full" ? maxAheadBytes : maxKeptBytes;
    if (this.#loads.underWayBytes + stream.windowBytes > limit) return;
    const from = Math.max(stream.next, stream.askedTo);
    const end = Math.min(row.baseSizeBytes, Math.ceil(to / unitBytes) * unitBytes);
    stream.askedTo = Math.max(end, stream.askedTo);
    this.#ask(row, from, end, stream.windowBytes);
  }
}
