import type { InodeNumber } from "../vfs/attributes.ts";
import { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import { contentChanged } from "./content-changed.ts";
import type { Context } from "./context.ts";
import { read } from "./read.ts";
import { checkSize, requireRegular, resize } from "./resize.ts";
import { nextContent, punch } from "./sparse.ts";
import { write } from "./write.ts";

/** Bytes of data copied at a time: they are all in memory. */
const maxDataBytes = 4 << 20;
/** Shorter holes are copied as zeros. */
const leastHoleBytes = 64 << 10;

/** One end of a copy. */
export interface FilePosition {
  readonly inode: InodeNumber;
  readonly offsetBytes: number;
}

/** The two halves of a copy, each an operation of its own over all attempts. */
class StagedCopy {
  readonly reading: Call;
  readonly writing: Call;
  chunks: readonly Uint8Array[] | undefined;
  lengthBytes = 0;
  constructor(call: Call) {
    this.reading = new Call(call.caller);
    this.writing = new Call(call.caller);
    call.onClose(() => this.writing.close());
    call.onClose(() => this.reading.close());
  }
}

function copyHole(context: Context, call: Call, to: FilePosition, lengthBytes: number): void {
  const row = context.row(to.inode);
  const end = to.offsetBytes + lengthBytes;
  checkSize(row, end);
  const size = row.sizeBytes;
  if (end > size) resize(context, row, end);
  punch(context, row, to.offsetBytes, Math.min(end, size));
  contentChanged(context, call, row);
}

/** See {@link import("../vfs/file-system.ts").FileSystem.copyRange}. */
export function copyRange(
  context: Context,
  call: Call,
  from: FilePosition,
  to: FilePosition,
  lengthBytes: number,
): number {
  context.beginChange(call);
  const source = context.row(from.inode);
  requireRegular(source);
  const target = context.row(to.inode);
  requireRegular(target);
  checkSize(target, to.offsetBytes + lengthBytes);
  if (from.inode === to.inode) throw new FsError("INVAL", `Inode ${from.inode} onto itself`);
  const start = from.offsetBytes;
  const end = Math.min(start + lengthBytes, source.sizeBytes);
  if (start >= end) return 0;
  let { staged } = call;
  if (!(staged instanceof StagedCopy)) {
    const data = Math.min(end, nextContent(context, source, start, "data") ?? end);
    if (data - start >= leastHoleBytes || data === end) {
      copyHole(context, call, to, data - start);
      return data - start;
    }
    staged = new StagedCopy(call);
    call.staged = staged;
  }
  const copy = staged as StagedCopy;
  if (copy.chunks === undefined) {
    const hole = nextHole(context, source, start, end);
    const found = read(
      context,
      copy.reading,
      from.inode,
      start,
      Math.min(hole - start, maxDataBytes),
    );
    copy.chunks = found.chunks;
    copy.lengthBytes = found.lengthBytes;
  }
  write(context, copy.writing, to.inode, to.offsetBytes, copy.chunks, "unstable");
  return copy.lengthBytes;
}

/** Where the next hole that is worth keeping starts, or the end of what is copied at once. */
function nextHole(
  context: Context,
  source: ReturnType<Context["row"]>,
  start: number,
  end: number,
): number {
  const limit = Math.min(end, start + maxDataBytes);
  let at = nextContent(context, source, start, "data") ?? limit;
  while (at < limit) {
    const hole = nextContent(context, source, at, "hole") ?? limit;
    if (hole >= limit) return limit;
    const data = nextContent(context, source, hole, "data") ?? end;
    if (data - hole >= leastHoleBytes) return hole;
    at = data;
  }
  return limit;
}
