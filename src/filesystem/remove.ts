import { buryObject, markDirty } from "../cache/dirty.ts";
import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import { removeName } from "../cache/names.ts";
import { settlePrimary } from "../cache/primary-name.ts";
import { rootInode } from "../cache/volume-state.ts";
import type { ChangeInfo, InodeNumber, Timespec } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { FileName } from "../vfs/name.ts";
import type { Context } from "./context.ts";
import { directoryRow } from "./directories.ts";
import { dropInode } from "./orphans.ts";
import { requireRemovable } from "./permission.ts";
import { noteRemoval } from "./set-aside.ts";

/** @throws {FsError} NOTEMPTY. May suspend while the directory is imported. */
export function requireEmpty(context: Context, call: Call, row: InodeRow): void {
  if (row.type !== "directory") return;
  context.wait(call, context.synchroniser.directoryReady(row.id));
  if (!context.state.entries.isEmpty(row.id)) {
    throw new FsError("NOTEMPTY", `Directory ${row.id} is not empty`);
  }
}

/**
 * Takes a name of `child` away. With the last one its object is to be deleted, and it goes itself unless it is held.
 * Puts both rows.
 */
export function unlink(
  context: Context,
  directory: InodeRow,
  name: FileName,
  child: InodeRow,
  now: Timespec,
): void {
  removeName(context.state, directory, name, child, now);
  if (child.type !== "directory" && child.links > 1) {
    child.links -= 1;
    child.changeTime = now;
    child.change += 1;
    context.state.inodes.put(child);
    settlePrimary(context.state, child.id, context.nowMs());
    return;
  }
  // Below a local name it has been buried when it came there.
  if ((child.dirty & dirtyBits.local) === 0) buryObject(context.state, child, context.nowMs());
  child.links = 0;
  child.dirty = 0;
  child.changeTime = now;
  child.change += 1;
  context.state.inodes.put(child);
  if (!context.holds.has(child.id)) dropInode(context, child);
}

/** A directory that was only implied by what was in it gets a marker object when the last of that has gone. */
export function keepDirectory(context: Context, directory: InodeRow): void {
  if (directory.id === rootInode || directory.remote !== undefined) return;
  if (!context.state.entries.isEmpty(directory.id)) return;
  markDirty(directory, dirtyBits.metadata, context.nowMs());
  context.state.inodes.put(directory);
}

/** See {@link import("../vfs/file-system.ts").FileSystem.remove}. */
export function remove(
  context: Context,
  call: Call,
  directory: InodeNumber,
  name: FileName,
): ChangeInfo {
  context.beginChange(call);
  const parent = directoryRow(context, call, directory, { write: true, execute: true });
  context.wait(call, context.synchroniser.directoryReady(directory));
  const entry = context.state.entries.get(directory, name);
  if (entry === undefined) throw new FsError("NOENT", `No entry '${name}' in inode ${directory}`);
  const child = context.row(entry.inode);
  context.exact(call, child);
  requireRemovable(parent, child, call.caller);
  requireEmpty(context, call, child);
  context.wait(call, context.synchroniser.linksReady(child.id));
  const before = parent.change;
  unlink(context, parent, name, child, context.now());
  noteRemoval(context, directory, name);
  keepDirectory(context, parent);
  context.changed();
  return { before, after: parent.change };
}
