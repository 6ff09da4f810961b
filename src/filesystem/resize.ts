import type { InodeRow } from "../cache/inodes.ts";
import { FsError } from "../vfs/error.ts";
import type { Context } from "./context.ts";

/** The largest file: what S3 takes as one object. */
export const maxFileSizeBytes = 5 * 2 ** 40;

/** @throws {FsError} ISDIR, INVAL for what holds no data, FBIG for more than S3 can hold. */
export function checkSize(row: Pick<InodeRow, "id" | "type">, sizeBytes: number): void {
  if (row.type === "directory") throw new FsError("ISDIR", `Inode ${row.id} is a directory`);
  if (row.type !== "file") throw new FsError("INVAL", `Inode ${row.id} is a ${row.type}`);
  if (sizeBytes > maxFileSizeBytes) {
    throw new FsError("FBIG", `Inode ${row.id} cannot have ${sizeBytes} bytes`);
  }
}

/** @throws {FsError} ISDIR, SYMLINK, WRONG_TYPE: what the protocol answers for data of what holds none (RFC 8881 §18.22). */
export function requireRegular(row: Pick<InodeRow, "id" | "type">): void {
  switch (row.type) {
    case "file":
      return;
    case "directory":
      throw new FsError("ISDIR", `Inode ${row.id} is a directory`);
    case "symlink":
      throw new FsError("SYMLINK", `Inode ${row.id} is a symbolic link`);
    case "fifo":
    case "socket":
    case "blockDevice":
    case "characterDevice":
      throw new FsError("WRONG_TYPE", `Inode ${row.id} is a ${row.type}`);
  }
}

/** Bytes of `[start, end)` that are zeros by the extents. */
export function holesWithin(context: Context, row: InodeRow, start: number, end: number): number {
  if (start >= end || row.holeBytes === 0) return 0;
  let sum = 0;
  for (const segment of context.state.extents.segments(row.id, start, end)) {
    if (segment.kind === "hole") sum += segment.end - segment.start;
  }
  return sum;
}

/**
 * Cuts or extends the file in the extents and in `row`, which the caller puts; times and dirty bits are the
 * caller's too. What is cut off never shows again: an extension is a hole.
 */
export function resize(context: Context, row: InodeRow, sizeBytes: number): void {
  const { extents } = context.state;
  if (sizeBytes > row.sizeBytes) {
    extents.addHole(row.id, row.sizeBytes, sizeBytes);
    row.holeBytes += sizeBytes - row.sizeBytes;
  } else if (sizeBytes < row.sizeBytes) {
    row.holeBytes -= holesWithin(context, row, sizeBytes, row.sizeBytes);
    const before = extents.usedGenerations(row.id);
    extents.truncate(row.id, sizeBytes);
    row.baseSizeBytes = Math.min(row.baseSizeBytes, sizeBytes);
    row.frozenMinSizeBytes = Math.min(row.frozenMinSizeBytes, sizeBytes);
    dropUnused(context, row, before);
  }
  row.sizeBytes = sizeBytes;
}

/** Gives the disk space of cache files back that the file has left altogether since it used those of `before`. */
export function dropUnused(context: Context, row: InodeRow, before: ReadonlySet<number>): void {
  const after = context.state.extents.usedGenerations(row.id);
  const left = [...before].filter((generation) => !after.has(generation));
  if (left.length === 0) return;
  if (left.includes(row.writeGeneration)) row.writeGeneration = row.nextGeneration++;
  if (left.includes(row.fetchGeneration)) row.fetchGeneration = row.nextGeneration++;
  context.state.removeUnusedFiles(row.id, left);
}
