import type { InodeRow } from "../cache/inodes.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { Content } from "../vfs/file-system.ts";
import { contentChanged } from "./content-changed.ts";
import type { Context } from "./context.ts";
import { checkSize, dropUnused, holesWithin, requireRegular, resize } from "./resize.ts";

/** How much of the extents is looked at first; a search looks at twice as much each time. */
const firstWindowBytes = 16 << 20;

/**
 * The first range of `what` at or after `start`, within the file: where the bytes are known to be zeros is a hole, what
 * is absent here and S3 has is data. Undefined when there is none.
 */
export function nextContent(
  context: Context,
  row: InodeRow,
  start: number,
  what: Content,
): number | undefined {
  const { extents } = context.state;
  let windowBytes = firstWindowBytes;
  for (let at = start; at < row.sizeBytes; windowBytes *= 2) {
    const end = Math.min(row.sizeBytes, at + windowBytes);
    for (const segment of extents.segments(row.id, at, end)) {
      if (segment.kind !== "absent") {
        if ((segment.kind === "hole") === (what === "hole")) return segment.start;
        continue;
      }
      if (what === "data" && segment.start < row.baseSizeBytes) return segment.start;
      if (what === "hole" && segment.end > row.baseSizeBytes) {
        return Math.max(segment.start, row.baseSizeBytes);
      }
    }
    at = end;
  }
  return undefined;
}

/** See {@link import("../vfs/file-system.ts").FileSystem.seek}. */
export function seek(
  context: Context,
  call: Call,
  inode: InodeNumber,
  offsetBytes: number,
  what: Content,
): number | undefined {
  call.check();
  const row = context.row(inode);
  requireRegular(row);
  if (offsetBytes >= row.sizeBytes) {
    throw new FsError("NXIO", `Offset ${offsetBytes} is beyond the end of inode ${inode}`);
  }
  const found = nextContent(context, row, offsetBytes, what);
  // RFC 7862 §15.11.3: every file has a virtual hole at its end.
  return found ?? (what === "hole" ? row.sizeBytes : undefined);
}

/** @throws {FsError} WRONG_TYPE, INVAL: what ALLOCATE and DEALLOCATE may be asked to do. */
function checkRange(row: InodeRow, lengthBytes: number): void {
  if (row.type !== "file") {
    // RFC 7862 §15.1.3, §15.4.3: whatever else it is.
    throw new FsError("WRONG_TYPE", `Inode ${row.id} is a ${row.type}`);
  }
  if (lengthBytes === 0) throw new FsError("INVAL", `Empty range of inode ${row.id}`);
}

/** Makes a hole, in the extents and in `row`, which the caller puts. */
export function punch(context: Context, row: InodeRow, start: number, end: number): void {
  const { extents } = context.state;
  if (start >= end) return;
  const before = extents.usedGenerations(row.id);
  row.holeBytes += end - start - holesWithin(context, row, start, end);
  extents.addHole(row.id, start, end);
  dropUnused(context, row, before);
}

/** See {@link import("../vfs/file-system.ts").FileSystem.deallocate}. */
export function deallocate(
  context: Context,
  call: Call,
  inode: InodeNumber,
  offsetBytes: number,
  lengthBytes: number,
): void {
  context.beginChange(call);
  const row = context.row(inode);
  checkRange(row, lengthBytes);
  const end = Math.min(offsetBytes + lengthBytes, row.sizeBytes);
  punch(context, row, offsetBytes, end);
  contentChanged(context, call, row);
}

/** The cache file that is made for an allocation: nobody else writes to it, or has its generation. */
class StagedAllocation {
  generation = 0;
  isReady = false;
  isApplied = false;
}

/** The holes of a range, whether or not the file reaches that far. */
function holesOf(
  context: Context,
  row: InodeRow,
  start: number,
  end: number,
): { readonly start: number; readonly end: number }[] {
  const holes: { start: number; end: number }[] = [];
  const add = (from: number, to: number): void => {
    if (from >= to) return;
    const last = holes.at(-1);
    if (last?.end === from) last.end = to;
    else holes.push({ start: from, end: to });
  };
  for (const segment of context.state.extents.segments(row.id, start, end)) {
    if (segment.kind === "hole") add(segment.start, segment.end);
    else if (segment.kind === "absent") {
      add(Math.max(segment.start, row.baseSizeBytes), segment.end);
    }
  }
  return holes;
}

/**
 * Makes the cache file that will stand for the zeros, and has it on the disk. Nothing was ever written to it, so it
 * takes no room of its own: what is promised is room within the claim, and what the disk has now.
 */
async function prepare(
  context: Context,
  inode: InodeNumber,
  staged: StagedAllocation,
  end: number,
): Promise<void> {
  const { state } = context;
  // In a transaction of its own: a generation that is taken and not used does no harm.
  await Promise.resolve();
  state.db.transaction(() => {
    const row = context.row(inode);
    staged.generation = row.nextGeneration;
    row.nextGeneration += 1;
    state.inodes.put(row);
  });
  await state.files.write(inode, staged.generation, end - 1, [new Uint8Array(1)]);
  await context.dataSyncs.sync(inode, [staged.generation]);
  staged.isReady = true;
}

function stage(context: Context, call: Call, row: InodeRow, end: number): never {
  const staged = new StagedAllocation();
  call.staged = staged;
  const work = prepare(context, row.id, staged, end);
  const giveUp = (): void => {
    if (staged.isApplied) return;
    context.state.removeUnusedFiles(row.id, [staged.generation]);
  };
  call.onClose(() => void work.then(giveUp, giveUp));
  throw call.suspend(work, "disk");
}

/** See {@link import("../vfs/file-system.ts").FileSystem.allocate}. */
export function allocate(
  context: Context,
  call: Call,
  inode: InodeNumber,
  offsetBytes: number,
  lengthBytes: number,
): void {
  context.beginChange(call);
  const row = context.row(inode);
  checkRange(row, lengthBytes);
  const end = offsetBytes + lengthBytes;
  checkSize(row, end);
  const holes = holesOf(context, row, offsetBytes, end);
  const bytes = holes.reduce((sum, hole) => sum + hole.end - hole.start, 0);
  context.space.requireCapacity(bytes);
  if (!context.space.hasDiskRoom(bytes)) {
    context.space.want(bytes);
    throw new FsError("NOSPC", `No room on the disk for ${bytes} bytes of inode ${inode}`);
  }
  if (bytes === 0) return;
  const { staged } = call;
  // A freeze since then has taken the generation for its own: what is made now belongs to a later one.
  const isMine = staged instanceof StagedAllocation && staged.generation > row.writeGeneration;
  if (!isMine || !staged.isReady) stage(context, call, row, end);
  staged.isApplied = true;
  if (end > row.sizeBytes) resize(context, row, end);
  for (const hole of holes) {
    context.state.extents.write(inode, hole.start, hole.end, staged.generation, true);
    row.holeBytes -= hole.end - hole.start;
  }
  contentChanged(context, call, row);
}
