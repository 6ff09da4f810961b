import type { InodeRow } from "../cache/inodes.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { ReadResult } from "../vfs/file-system.ts";
import type { Context } from "./context.ts";
import type { Load } from "./loads.ts";
import type { Stream } from "./readahead.ts";
import { requireRegular } from "./resize.ts";

/** Where a part of the range is: in a cache file, nowhere because it is zeros, or absent. */
interface Part {
  readonly start: number;
  readonly end: number;
  readonly from: "cache" | "zeros" | "absent";
  /** Of the cache file; 0 elsewhere. */
  readonly generation: number;
}

/** Validations that may fail before the cache is read in one synchronous step. */
const maxAttempts = 4;
/** Times that a range may be fetched and be gone again before the caller is asked to come back. */
const maxFetches = 16;
const zeros = new Uint8Array(1 << 20);

/** What the attempts of one READ have prepared. */
class StagedRead {
  readonly stream: Stream;
  parts: readonly Part[] = [];
  buffers: ReadonlyMap<Part, Uint8Array> | undefined;
  failure: unknown;
  attempts = 0;
  fetches = 0;
  loads: readonly Load[] = [];
  constructor(stream: Stream) {
    this.stream = stream;
  }
}

function partsOf(context: Context, row: InodeRow, start: number, end: number): Part[] {
  const parts: Part[] = [];
  let at = start;
  const add = (from: Part["from"], generation: number, to: number): void => {
    if (to <= at) return;
    const last = parts.at(-1);
    const joins = last?.from === from && last.generation === generation;
    if (joins) parts.pop();
    parts.push({ start: joins ? last.start : at, end: to, from, generation });
    at = to;
  };
  for (const segment of context.state.extents.segments(row.id, start, end)) {
    if (segment.kind === "hole") add("zeros", 0, segment.end);
    else if (segment.kind !== "absent") add("cache", segment.generation, segment.end);
    else {
      add("absent", 0, Math.min(segment.end, row.baseSizeBytes));
      add("zeros", 0, segment.end);
    }
  }
  return parts;
}

function equal(one: readonly Part[], other: readonly Part[]): boolean {
  return (
    one.length === other.length &&
    one.every((part, at) => {
      const twin = other[at];
      return (
        part.start === twin?.start &&
        part.end === twin.end &&
        part.from === twin.from &&
        part.generation === twin.generation
      );
    })
  );
}

function cached(parts: readonly Part[]): Part[] {
  return parts.filter((part) => part.from === "cache");
}

/** Reads the cached parts in the background and suspends. */
function stage(
  context: Context,
  call: Call,
  row: InodeRow,
  staged: StagedRead,
  parts: readonly Part[],
): never {
  const buffers = new Map<Part, Uint8Array>();
  staged.parts = parts;
  staged.buffers = buffers;
  staged.failure = undefined;
  staged.attempts += 1;
  const reads = cached(parts).map((part) => {
    const { bytes, done } = context.cacheReads.read(call, row.id, part);
    buffers.set(part, bytes);
    return done;
  });
  const work = Promise.all(reads).then(
    () => {},
    (error: unknown) => {
      staged.failure = error;
    },
  );
  throw call.suspend(work, "disk");
}

/** The cached parts' bytes in this very step. @throws {FsError} IO. */
function readNow(
  context: Context,
  call: Call,
  row: InodeRow,
  parts: readonly Part[],
): Map<Part, Uint8Array> {
  const buffers = new Map<Part, Uint8Array>();
  try {
    for (const part of cached(parts)) {
      buffers.set(part, context.cacheReads.readNow(call, row.id, part));
    }
  } catch (cause) {
    throw new FsError("IO", `Cannot read the cache of inode ${row.id}`, { cause });
  }
  return buffers;
}

function zeroChunks(lengthBytes: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let left = lengthBytes; left > 0; left -= zeros.length) {
    chunks.push(left >= zeros.length ? zeros : zeros.subarray(0, left));
  }
  return chunks;
}

/** The bytes of an absent part out of loads that have them. */
function loadedChunks(part: Part, loads: readonly Load[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = part.start;
  for (const load of loads) {
    if (load.data === undefined || load.end <= at || load.start > at) continue;
    const to = Math.min(part.end, load.end);
    chunks.push(load.data.subarray(at - load.start, to - load.start));
    at = to;
    if (at === part.end) break;
  }
  return chunks;
}

/** Makes sure that absent parts are on their way or, in mode metadata-only, here. May suspend. */
function bring(
  context: Context,
  call: Call,
  row: InodeRow,
  staged: StagedRead,
  parts: readonly Part[],
): void {
  const { source } = context;
  const missing = parts.filter(
    (part) => part.from === "absent" && !source.covers(row, staged.loads, part.start, part.end),
  );
  const loads = missing.flatMap((part) => source.need(row, part.start, part.end, staged.stream));
  source.ahead(row, staged.stream);
  if (missing.length === 0) return;
  const waited = loads.filter((load) => load.data === undefined);
  staged.loads = [...staged.loads, ...loads].sort((one, other) => one.start - other.start);
  if (waited.length === 0 && missing.every((part) => covered(context, row, staged, part))) return;
  staged.fetches += 1;
  if (staged.fetches > maxFetches) {
    throw new FsError("DELAY", `Data of inode ${row.id} keeps changing at S3`);
  }
  throw call.suspend(Promise.all(waited.map((load) => load.done)), "remote");
}

function covered(context: Context, row: InodeRow, staged: StagedRead, part: Part): boolean {
  return context.source.covers(row, staged.loads, part.start, part.end);
}

/** See {@link import("../vfs/file-system.ts").FileSystem.read}. */
export function read(
  context: Context,
  call: Call,
  inode: InodeNumber,
  offsetBytes: number,
  lengthBytes: number,
): ReadResult {
  call.check();
  const row = context.row(inode);
  requireRegular(row);
  const end = Math.min(offsetBytes + lengthBytes, row.sizeBytes);
  const endOfFile = offsetBytes + lengthBytes >= row.sizeBytes;
  if (offsetBytes >= end) return { chunks: [], lengthBytes: 0, endOfFile };
  const staged =
    call.staged instanceof StagedRead
      ? call.staged
      : new StagedRead(context.source.note(inode, offsetBytes, end));
  call.staged = staged;

  const parts = partsOf(context, row, offsetBytes, end);
  bring(context, call, row, staged, parts);
  let known = staged.parts;
  let { buffers } = staged;
  const valid = buffers !== undefined && equal(known, parts);
  if (valid && staged.failure !== undefined) {
    throw new FsError("IO", `Cannot read the cache of inode ${inode}`, { cause: staged.failure });
  }
  if (!valid) {
    const cachedBytes = cached(parts).reduce((sum, { start, end }) => sum + end - start, 0);
    const now = context.cacheReads.isFast(cachedBytes) || staged.attempts >= maxAttempts;
    if (cachedBytes > 0 && !now) stage(context, call, row, staged, parts);
    known = parts;
    buffers = readNow(context, call, row, parts);
  }
  const chunks = known.flatMap((part) => {
    if (part.from === "zeros") return zeroChunks(part.end - part.start);
    if (part.from === "absent") {
      return loadedChunks(part, context.source.current(row, staged.loads));
    }
    const buffer = buffers?.get(part);
    return buffer === undefined ? [] : [buffer];
  });
  return { chunks, lengthBytes: end - offsetBytes, endOfFile };
}
