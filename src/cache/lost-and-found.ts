import type { InodeNumber, Timespec } from "../vfs/attributes.ts";
import { fileName } from "../vfs/name.ts";
import { dirtyBits, type InodeRow } from "./inodes.ts";
import { addName } from "./names.ts";
import { newInode } from "./new-inode.ts";
import { lostAndFoundName, rootInode, type VolumeState } from "./volume-state.ts";

/**
 * The directory for local versions that S3 has won over, made when there is none: owned by the root
 * directory's owner, mode 0700, local. Inside a transaction, after the root directory has been made.
 */
export function lostAndFound(state: VolumeState, volumeId: string, now: Timespec): InodeNumber {
  const name = fileName(Buffer.from(lostAndFoundName(volumeId)));
  const found = state.entries.get(rootInode, name);
  if (found !== undefined) return found.inode;
  const root = state.inodes.get(rootInode) as InodeRow;
  const row = newInode(state.inodes.allocate(), {
    type: "directory",
    mode: 0o700,
    uid: root.uid,
    gid: root.gid,
    now,
  });
  row.dirty = dirtyBits.local;
  state.inodes.put(row);
  addName(state, root, name, row, now);
  return row.id;
}

/** A local version that S3 has won over. */
export interface LostFile {
  /** Below the lost+found directory. */
  readonly name: string;
  readonly sizeBytes: number;
  /** When it was put there, or changed since. */
  readonly changedMs: number;
}

/** The oldest names in lost+found, at most `limit`, with the directory's name below the root. */
export function lostFiles(
  state: VolumeState,
  volumeId: string,
  limit: number,
): { readonly directory: string; readonly files: readonly LostFile[] } {
  const name = fileName(Buffer.from(lostAndFoundName(volumeId)));
  const directory = state.entries.get(rootInode, name)?.inode;
  const entries = directory === undefined ? [] : state.entries.page(directory, 0, limit);
  const files = entries.flatMap((entry) => {
    const row = state.inodes.get(entry.inode);
    if (row === undefined) return [];
    const { sizeBytes, changeTime } = row;
    const changedMs = changeTime.seconds * 1000 + Math.floor(changeTime.nanoseconds / 1_000_000);
    return [{ name: String(entry.name), sizeBytes, changedMs }];
  });
  return { directory: name, files };
}
