import type { FileType, InodeNumber, Timespec } from "../vfs/attributes.ts";
import type { InodeRow } from "./inodes.ts";

/**
 * A row for a new inode, every field set: no data, no object at S3, nothing dirty, attributes exact. The
 * caller overrides what it knows better, then puts the row and its entry.
 */
export function newInode(
  id: InodeNumber,
  fields: {
    readonly type: FileType;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
    readonly now: Timespec;
  },
): InodeRow {
  const { type, mode, uid, gid, now } = fields;
  return {
    id,
    type,
    mode,
    uid,
    gid,
    links: type === "directory" ? 2 : 1,
    sizeBytes: 0,
    holeBytes: 0,
    accessTime: now,
    modifyTime: now,
    changeTime: now,
    change: 1,
    target: undefined,
    verifier: undefined,
    writeGeneration: 1,
    fetchGeneration: 2,
    nextGeneration: 3,
    baseSizeBytes: 0,
    frozenMinSizeBytes: 0,
    remote: undefined,
    headers: undefined,
    exact: true,
    checkedMs: 0,
    dirty: 0,
    dirtySinceMs: 0,
    dirtyLastMs: 0,
    imported: type === "directory",
    nextCookie: 3,
  };
}
