import type { InodeRow } from "../cache/inodes.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { Context } from "./context.ts";

/** Drops a file without name and use in the transaction under way, its cache files afterwards. */
export function dropInode(context: Context, row: InodeRow): void {
  const { state } = context;
  const generations = state.extents.usedGenerations(row.id);
  generations.add(row.writeGeneration).add(row.fetchGeneration);
  state.extents.dropAll(row.id);
  state.inodes.delete(row.id);
  context.source.forget(row.id);
  state.removeUnusedFiles(row.id, generations);
}

/** See {@link import("../vfs/file-system.ts").FileSystem.hold}. */
export function hold(context: Context, inode: InodeNumber): void {
  context.holds.set(inode, (context.holds.get(inode) ?? 0) + 1);
}

/** See {@link import("../vfs/file-system.ts").FileSystem.release}. */
export function release(context: Context, inode: InodeNumber): void {
  const uses = context.holds.get(inode) ?? 0;
  if (uses > 1) {
    context.holds.set(inode, uses - 1);
    return;
  }
  context.holds.delete(inode);
  context.state.db.transaction(() => {
    const row = context.state.inodes.get(inode);
    if (row?.links === 0) dropInode(context, row);
  });
}

/** See {@link import("../vfs/file-system.ts").FileSystem.dropOrphans}. */
export function dropOrphans(context: Context): void {
  context.state.db.transaction(() => {
    for (const inode of context.state.inodes.unlinked()) {
      const row = context.state.inodes.get(inode);
      if (row !== undefined && !context.holds.has(inode)) dropInode(context, row);
    }
  });
}

/** A file lost its name by a change at S3, in the transaction under way: drops it unless it is held. */
export function orphaned(context: Context, inode: InodeNumber): void {
  const row = context.state.inodes.get(inode);
  if (row?.links === 0 && !context.holds.has(inode)) dropInode(context, row);
}
