import type { Timespec } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import type { InodeRow } from "./inodes.ts";
import type { VolumeState } from "./volume-state.ts";

function touch(directory: InodeRow, now: Timespec): void {
  directory.modifyTime = now;
  directory.changeTime = now;
  directory.change += 1;
}

/**
 * Gives `child`, whose row is in the table or is put by the caller, a name in `directory`, and puts the
 * directory's row: next cookie, link count, times and change attribute. Inside a transaction.
 */
export function addName(
  state: VolumeState,
  directory: InodeRow,
  name: FileName,
  child: Pick<InodeRow, "id" | "type">,
  now: Timespec,
  isLink = false,
): void {
  const { nextCookie: cookie } = directory;
  state.entries.insert(directory.id, { name, cookie, inode: child.id, isLink });
  directory.nextCookie += 1;
  if (child.type === "directory") directory.links += 1;
  touch(directory, now);
  state.inodes.put(directory);
}

/** Takes the name of `child` out of `directory` and puts the directory's row. The child's row is the caller's. */
export function removeName(
  state: VolumeState,
  directory: InodeRow,
  name: FileName,
  child: Pick<InodeRow, "type">,
  now: Timespec,
): void {
  state.entries.remove(directory.id, name);
  if (child.type === "directory") directory.links -= 1;
  touch(directory, now);
  state.inodes.put(directory);
}
