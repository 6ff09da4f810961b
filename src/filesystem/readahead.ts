import type { InodeNumber } from "../vfs/attributes.ts";

/** One reader of a file, as far as its offsets show. */
export interface Stream {
  /** Where its next read is expected. */
  next: number;
  /** Bytes to have under way beyond that; 0 for random access. */
  windowBytes: number;
  /** How far has been asked for already. */
  askedTo: number;
}

/** Unit in which a sequential reader fetches, at least. */
export const unitBytes = 1 << 20;
const maxWindowBytes = 8 * unitBytes;
/** How far reads may come out of order: the Linux client sends many at once. */
const slackBytes = 16 * unitBytes;
const streamsPerFile = 8;
const filesKept = 4096;

/** Tells sequential readers from random ones, by inode. In memory, bounded. */
export class Readahead {
  readonly #files = new Map<InodeNumber, Stream[]>();

  /** Notes a read of `[start, end)` and returns its stream, whose window has grown when it was sequential. */
  note(inode: InodeNumber, start: number, end: number): Stream {
    const streams = this.#files.get(inode) ?? [];
    this.#files.delete(inode);
    this.#files.set(inode, streams);
    if (this.#files.size > filesKept) {
      for (const oldest of this.#files.keys()) {
        this.#files.delete(oldest);
        break;
      }
    }
    const known = streams.find(
      ({ next, windowBytes }) =>
        start === next ||
        (windowBytes > 0 && start > next - slackBytes && start < next + slackBytes),
    );
    if (known !== undefined) {
      if (end > known.next) {
        known.windowBytes = Math.min(maxWindowBytes, Math.max(unitBytes, known.windowBytes * 2));
        known.next = end;
      }
      return known;
    }
    // A file is mostly read from its beginning to its end.
    const stream = { next: end, windowBytes: start === 0 ? unitBytes : 0, askedTo: end };
    streams.unshift(stream);
    streams.splice(streamsPerFile);
    return stream;
  }

  /** Forgets an inode. */
  forget(inode: InodeNumber): void {
    this.#files.delete(inode);
  }
}

/** The pieces `[start, end)` is asked for in: cut at multiples of a unit that grows with the window. */
export function pieces(
  start: number,
  end: number,
  windowBytes: number,
): { readonly start: number; readonly end: number }[] {
  const unit = windowBytes >= maxWindowBytes / 2 ? 2 * unitBytes : unitBytes;
  const result: { start: number; end: number }[] = [];
  for (let at = start; at < end; ) {
    const to = Math.min(end, (Math.floor(at / unit) + 1) * unit);
    result.push({ start: at, end: to });
    at = to;
  }
  return result;
}
