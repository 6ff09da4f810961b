import type { InodeRow } from "../cache/inodes.ts";
import { rootInode } from "../cache/volume-state.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { Access, DirectoryEntry, DirectoryPage } from "../vfs/file-system.ts";
import type { FileName } from "../vfs/name.ts";
import { attributesOf } from "./attributes.ts";
import type { Context } from "./context.ts";
import { requirePermitted } from "./permission.ts";

/** A directory's row, checked for the caller's access. May suspend. @throws {FsError} STALE, NOTDIR, ACCESS. */
export function directoryRow(
  context: Context,
  call: Call,
  inode: InodeNumber,
  access: Partial<Access>,
): InodeRow {
  const row = context.row(inode);
  if (row.type !== "directory") throw new FsError("NOTDIR", `Inode ${inode} is no directory`);
  context.exact(call, row);
  requirePermitted(row, context.asker(call), access);
  return row;
}

/** See {@link import("../vfs/file-system.ts").FileSystem.lookup}. */
export function lookup(
  context: Context,
  call: Call,
  directory: InodeNumber,
  name: FileName,
): InodeNumber {
  call.check();
  directoryRow(context, call, directory, { execute: true });
  context.wait(call, context.synchroniser.directoryReady(directory));
  const entry = context.state.entries.get(directory, name);
  if (entry === undefined) throw new FsError("NOENT", `No entry '${name}' in inode ${directory}`);
  return entry.inode;
}

/** See {@link import("../vfs/file-system.ts").FileSystem.lookupParent}. */
export function lookupParent(context: Context, call: Call, directory: InodeNumber): InodeNumber {
  call.check();
  directoryRow(context, call, directory, { execute: true });
  // RFC 8881 §18.14: the root of the server's file system has no parent.
  const parent = context.state.entries.parent(directory);
  if (directory === rootInode || parent === undefined) {
    throw new FsError("NOENT", `Inode ${directory} has no parent directory`);
  }
  return parent.directory;
}

/** See {@link import("../vfs/file-system.ts").FileSystem.readDirectory}. */
export function readDirectory(
  context: Context,
  call: Call,
  directory: InodeNumber,
  page: { readonly after: number; readonly limit: number; readonly attributes: boolean },
): DirectoryPage {
  call.check();
  directoryRow(context, call, directory, { read: true });
  context.wait(call, context.synchroniser.directoryReady(directory));
  const found = context.state.entries.page(directory, page.after, page.limit + 1);
  const shown = found.slice(0, page.limit);
  const endOfDirectory = found.length <= page.limit;
  if (!page.attributes) return { entries: shown, endOfDirectory };
  const rows = shown.map((entry) => context.state.inodes.get(entry.inode));
  context.shown(call, ...rows.filter((row) => row !== undefined));
  const entries = shown.map((entry, at): DirectoryEntry => {
    const row = rows[at];
    const attributes =
      row === undefined
        ? new FsError("STALE", `Inode ${entry.inode} is gone`)
        : attributesOf(context, row);
    return { ...entry, attributes };
  });
  return { entries, endOfDirectory };
}
