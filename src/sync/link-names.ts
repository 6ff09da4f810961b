import { markDirty } from "../cache/dirty.ts";
import type { NamedEntry } from "../cache/entries.ts";
import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import { type LinkName, type LinkRow, noInode } from "../cache/links.ts";
import { settlePrimary } from "../cache/primary-name.ts";
import { rootInode } from "../cache/volume-state.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { FileName } from "../vfs/name.ts";
import { bind, recount } from "./link-binding.ts";
import { remoteObject } from "./object-version.ts";
import {
  addDirectory,
  addObject,
  adoptVersion,
  applyAttributes,
  changeDirectory,
  removeName,
  type SeenObject,
} from "./remote-change.ts";
import type { SyncContext } from "./sync-context.ts";

/*
 * Names of files with several, as records at S3 tell of them. All inside a transaction of the context.
 */

/** What a record should say; undefined when there should be none, `"keep"` when that cannot be told here. */
export type WantedRecord =
  | { readonly primary: ObjectKey; readonly names: readonly ObjectKey[] }
  | "keep"
  | undefined;

/** What the record of a file should say, by its entries and by the names that are not shown here yet. */
export function wantedRecord(context: SyncContext, link: LinkRow): WantedRecord {
  const { state } = context;
  if (link.inode === noInode) return "keep";
  const row = state.inodes.get(link.inode);
  if (row === undefined || row.links === 0) return undefined;
  const unshown = state.links.unshownOf(row.id).map(({ key }) => key);
  let primary: ObjectKey | undefined;
  const names = new Set<ObjectKey>(unshown);
  for (const { directory, name, isLink } of state.entries.ofInode(row.id)) {
    const key = state.childKey(directory, name, false);
    if (key === undefined) continue;
    if (isLink) names.add(key);
    else primary = key;
  }
  if (primary === undefined) return unshown.length > 0 ? "keep" : undefined;
  names.delete(primary);
  return names.size === 0 ? undefined : { primary, names: [...names].sort() };
}

/** The directory and name of a key's last part. */
function place(
  context: SyncContext,
  key: ObjectKey,
): { readonly parts: FileName[]; readonly name: FileName } {
  const parts = key.slice(context.state.prefix.length).split("/") as FileName[];
  return { name: parts.pop() as FileName, parts };
}

/**
 * The directory that a key is in, as far as it is known: undefined where a part is a file, or in a directory that was
 * never listed. `make`: parts that a listed directory lacks are made, as keys imply directories.
 */
export function directoryOf(
  context: SyncContext,
  key: ObjectKey,
  make: boolean,
): InodeRow | undefined {
  const { entries, inodes } = context.state;
  let at = inodes.get(rootInode);
  for (const part of place(context, key).parts) {
    if (at?.type !== "directory") return undefined;
    const entry = entries.get(at.id, part);
    let next = entry?.inode;
    if (next === undefined) {
      if (!make) return undefined;
      next = addDirectory(context, at, part);
      inodes.put(at);
    }
    at = inodes.get(next);
  }
  return at?.type === "directory" ? at : undefined;
}

/** The entry that a key stands for. */
export function entryAt(
  context: SyncContext,
  key: ObjectKey,
): { readonly directory: InodeRow; readonly entry: NamedEntry } | undefined {
  const directory = directoryOf(context, key, false);
  const { name } = place(context, key);
  const entry = directory && context.state.entries.get(directory.id, name);
  if (directory === undefined || entry === undefined) return undefined;
  return { directory, entry: { ...entry, directory: directory.id } };
}

/** The file of a record, bound to it if it has only now become known. */
function fileOf(context: SyncContext, link: LinkRow): InodeRow | undefined {
  const { inodes, links } = context.state;
  if (link.inode !== noInode) return inodes.get(link.inode);
  const primary = links.names(link.id).find(({ isPrimary }) => isPrimary)?.key;
  const row = primary === undefined ? undefined : context.inodeAt(primary);
  if (row === undefined || row.type === "directory" || row.remote?.key !== primary) {
    return undefined;
  }
  bind(context, link, row.id);
  return inodes.get(row.id);
}

/**
 * Makes a name that a record gives an entry. What has the path already keeps it, and the record loses the name. False
 * when the file, or the directory, is not known here.
 */
export function showName(context: SyncContext, { id, key }: LinkName): boolean {
  const { entries, inodes, links } = context.state;
  const link = links.get(id);
  const name = links.names(id).find((each) => each.key === key);
  if (link === undefined || name === undefined || name.isShown) return true;
  const row = fileOf(context, link);
  if (row === undefined || row.links === 0) return false;
  const directory = directoryOf(context, key, true);
  if (directory === undefined) return false;
  const last = place(context, key).name;
  const entry = entries.get(directory.id, last);
  if (entry === undefined) {
    const { nextCookie: cookie } = directory;
    entries.insert(directory.id, { name: last, cookie, inode: row.id, isLink: true });
    directory.nextCookie += 1;
    changeDirectory(context, directory);
    inodes.put(directory);
  } else if (entry.inode !== row.id) {
    dropName(context, name);
    return true;
  }
  links.putName({ ...name, isShown: true });
  recount(context, row.id);
  return true;
}

/**
 * Another node has given names to a file whose only one was replaced here, and whose object is still under that: it goes on
 * under those, to which the object is to be moved. False when none of them can be shown here.
 */
export function goOn(
  context: SyncContext,
  link: LinkRow,
  key: ObjectKey,
  seen: SeenObject,
): boolean {
  const { entries, inodes, links } = context.state;
  for (const name of links.names(link.id)) {
    const directory = name.isPrimary ? undefined : directoryOf(context, name.key, true);
    const last = place(context, name.key).name;
    if (directory === undefined || entries.get(directory.id, last) !== undefined) continue;
    const inode = addObject(context, directory, last, key, seen.info);
    inodes.put(directory);
    const row = inodes.get(inode);
    if (row === undefined) throw new Error(`Inode ${inode} is gone`);
    applyAttributes(context, row, seen, { ownership: false, times: false });
    markDirty(row, dirtyBits.name, context.nowMs());
    inodes.put(row);
    links.putName({ ...name, isShown: true });
    links.touch(inode, context.nowMs());
    for (const other of links.names(link.id)) showName(context, other);
    context.changed();
    return true;
  }
  return false;
}

/** Takes a name that is not shown off a record: S3 still tells it, and the entries say from now on that it is none. */
export function dropName(context: SyncContext, name: LinkName): void {
  const { links } = context.state;
  const link = links.get(name.id);
  if (link === undefined) return;
  links.putName({ ...name, isShown: true });
  if (link.dirtySinceMs === 0) links.put({ ...link, dirtySinceMs: context.nowMs() });
  if (link.inode !== noInode) recount(context, link.inode);
  context.changed();
}

/** Takes a name, not the last one, from a file: S3 does not have it any more, or something else there. */
export function takeName(context: SyncContext, directory: InodeRow, name: FileName): void {
  const { entries, inodes } = context.state;
  const entry = entries.get(directory.id, name);
  if (entry === undefined) return;
  entries.remove(directory.id, name);
  changeDirectory(context, directory);
  inodes.put(directory);
  recount(context, entry.inode);
  settlePrimary(context.state, entry.inode, context.nowMs());
  context.changed();
}

/**
 * Another node has moved the object of a file to another of its names, or to a new one: that is its primary name
 * from now on, the old one is one of the others. What was changed here is then a change of the object there, if that has
 * the bytes that it was made of. False when it has not, or something else has the path here.
 */
export function repoint(
  context: SyncContext,
  link: LinkRow,
  key: ObjectKey,
  seen: SeenObject,
): boolean {
  const { entries, inodes, links } = context.state;
  const row = inodes.get(link.inode);
  if (row === undefined || row.links === 0) return false;
  const { info } = seen;
  const isSameData = row.remote?.etag === info.etag && row.remote.sizeBytes === info.sizeBytes;
  const isClean = context.isClean(row);
  const isLocal = (row.dirty & dirtyBits.local) !== 0;
  if (!isClean && (!isSameData || isLocal || context.hasLiveAttempt(row.id))) return false;
  const directory = directoryOf(context, key, true);
  if (directory === undefined) return false;
  const { name } = place(context, key);
  const entry = entries.get(directory.id, name);
  if (entry !== undefined && entry.inode !== row.id) {
    const other = inodes.get(entry.inode);
    const isSame = other?.remote?.key === key && other.type !== "directory" && other.links === 1;
    if (!isSame || other === undefined || !context.isClean(other)) return false;
    removeName(context, directory, name);
    inodes.put(directory);
  }
  for (const each of entries.ofInode(row.id)) {
    if (!each.isLink) entries.setLink(each.directory, each.name, true);
  }
  if (entry?.inode === row.id) {
    entries.setLink(directory.id, name, false);
  } else {
    const { nextCookie: cookie } = directory;
    entries.insert(directory.id, { name, cookie, inode: row.id, isLink: false });
    directory.nextCookie += 1;
    changeDirectory(context, directory);
    inodes.put(directory);
  }
  for (const each of links.names(link.id)) {
    if (each.isPrimary) links.putName({ ...each, isPrimary: false, isShown: true });
  }
  links.putName({ id: link.id, key, isPrimary: true, isShown: true });
  if (isSameData) row.remote = remoteObject(key, info);
  else adoptVersion(context, row, key, info);
  if (isClean) applyAttributes(context, row, seen, { ownership: false, times: false });
  row.change += 1;
  inodes.put(row);
  recount(context, row.id);
  context.touched.touch(key);
  return true;
}
