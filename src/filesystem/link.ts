import { addName } from "../cache/names.ts";
import { settlePrimary } from "../cache/primary-name.ts";
import type { ChangeInfo, InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import { maxLinks } from "../vfs/file-system.ts";
import type { FileName } from "../vfs/name.ts";
import type { Context } from "./context.ts";
import { requirePlace } from "./create.ts";
import { directoryRow } from "./directories.ts";
import { requirePermitted } from "./permission.ts";

/** See {@link import("../vfs/file-system.ts").FileSystem.link}. */
export function link(
  context: Context,
  call: Call,
  inode: InodeNumber,
  directory: InodeNumber,
  name: FileName,
): ChangeInfo {
  context.beginChange(call);
  const { state, synchroniser } = context;
  const child = context.row(inode);
  if (child.type === "directory") throw new FsError("ISDIR", `Inode ${inode} is a directory`);
  const parent = directoryRow(context, call, directory, { execute: true });
  context.wait(call, synchroniser.directoryReady(directory));
  const found = state.entries.get(directory, name);
  if (found !== undefined) throw new FsError("EXIST", `'${name}' exists: inode ${found.inode}`);
  requirePermitted(parent, context.asker(call), { write: true });
  requirePlace(state.place(directory, name, false), directory, name);
  if (child.links === 0) throw new FsError("STALE", `Inode ${inode} has no name any more`);
  if (child.links >= maxLinks) {
    throw new FsError("MLINK", `Inode ${inode} has ${child.links} names`);
  }
  context.exact(call, child);
  context.space.requireMetadataRoom();
  const now = context.now();
  const before = parent.change;
  addName(state, parent, name, child, now, true);
  state.links.ensure(inode);
  child.links += 1;
  child.changeTime = now;
  child.change += 1;
  state.inodes.put(child);
  settlePrimary(state, inode, context.nowMs());
  context.changed();
  return { before, after: parent.change };
}
