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
