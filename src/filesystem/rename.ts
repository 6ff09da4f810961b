import type { InodeRow } from "../cache/inodes.ts";
import { addName, removeName } from "../cache/names.ts";
import { fitsBelow, markMoved } from "../cache/subtree.ts";
import { rootInode } from "../cache/volume-state.ts";
import type { ChangeInfo, InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { FileName } from "../vfs/name.ts";
import type { Context } from "./context.ts";
import { requirePlace } from "./create.ts";
import { directoryRow } from "./directories.ts";
import { requirePermitted, requireRemovable } from "./permission.ts";
import { keepDirectory, requireEmpty, unlink } from "./remove.ts";
import { noteRename } from "./set-aside.ts";

/** One end of a rename. */
export interface NamedPlace {
  readonly directory: InodeNumber;
  readonly name: FileName;
}

const inDirectory = { write: true, execute: true };

/** @throws {FsError} EXIST, PERM when what has the new name is in the way. May suspend. */
function checkReplaced(
  context: Context,
  call: Call,
  directory: InodeRow,
  child: InodeRow,
  replaced: InodeRow,
): void {
  context.exact(call, replaced);
  requireRemovable(directory, replaced, call.caller);
  // RFC 8881 §18.26.3: source and target must both be directories, or both be something else.
  if ((child.type === "directory") !== (replaced.type === "directory")) {
    throw new FsError("EXIST", `Inode ${replaced.id} is a ${replaced.type}, ${child.id} is not`);
  }
}

/** @throws {FsError} INVAL when `directory` is `child` or below it. */
function checkNotInside(context: Context, child: InodeRow, directory: InodeNumber): void {
  let at: InodeNumber | undefined = directory;
  while (at !== undefined && at !== rootInode) {
    if (at === child.id) {
      throw new FsError("INVAL", `Directory ${child.id} cannot be moved below itself`);
    }
    at = context.state.entries.parent(at)?.directory;
  }
}

/** Whether the new path is local. @throws {FsError} NOENT, ACCESS, NAMETOOLONG, before anything has moved. */
function checkPlace(context: Context, child: InodeRow, to: NamedPlace): boolean {
  const { state } = context;
  const isDirectory = child.type === "directory";
  const place = requirePlace(
    state.place(to.directory, to.name, isDirectory),
    to.directory,
    to.name,
  );
  if (place.kind !== "object") return true;
  if (isDirectory && !fitsBelow(state, child.id, 1024 - Buffer.byteLength(place.key))) {
    throw new FsError("NAMETOOLONG", `A key below inode ${child.id} would be too long`);
  }
  return false;
}

/** See {@link import("../vfs/file-system.ts").FileSystem.rename}. */
export function rename(
  context: Context,
  call: Call,
  from: NamedPlace,
  to: NamedPlace,
): { readonly source: ChangeInfo; readonly target: ChangeInfo } {
  context.beginChange(call);
  const { state, synchroniser } = context;
  const source = directoryRow(context, call, from.directory, inDirectory);
  const target =
    from.directory === to.directory
      ? source
      : directoryRow(context, call, to.directory, inDirectory);
  context.wait(call, synchroniser.directoryReady(from.directory));
  context.wait(call, synchroniser.directoryReady(to.directory));
  const entry = state.entries.get(from.directory, from.name);
  if (entry === undefined) {
    throw new FsError("NOENT", `No entry '${from.name}' in inode ${from.directory}`);
  }
  const before = { source: source.change, target: target.change };
  const result = (): { source: ChangeInfo; target: ChangeInfo } => ({
    source: { before: before.source, after: source.change },
    target: { before: before.target, after: target.change },
  });
  const found = state.entries.get(to.directory, to.name);
  if (found?.inode === entry.inode) return result();

  const child = context.row(entry.inode);
  context.exact(call, child);
  requireRemovable(source, child, call.caller);
  if (child.type === "directory") checkNotInside(context, child, to.directory);
  const replaced = found === undefined ? undefined : context.row(found.inode);
  if (replaced !== undefined) checkReplaced(context, call, target, child, replaced);
  // Its `..` changes.
  if (child.type === "directory" && source !== target) {
    requirePermitted(child, context.asker(call), { write: true });
  }
  if (replaced !== undefined) requireEmpty(context, call, replaced);
  if (child.type === "directory") context.wait(call, synchroniser.subtreeReady(child.id));
  for (const row of replaced === undefined ? [child] : [child, replaced]) {
    context.wait(call, synchroniser.linksReady(row.id));
  }
  const toLocal = checkPlace(context, child, to);
  const fromLocal =
    state.place(from.directory, from.name, child.type === "directory").kind === "local";

  const now = context.now();
  if (replaced !== undefined) unlink(context, target, to.name, replaced, now);
  removeName(state, source, from.name, child, now);
  child.changeTime = now;
  child.change += 1;
  state.inodes.put(child);
  addName(state, target, to.name, child, now, entry.isLink);
  noteRename(context, from, to);
  markMoved(state, child.id, { fromLocal, toLocal, nowMs: context.nowMs() });
  keepDirectory(context, source);
  context.changed();
  return result();
}
