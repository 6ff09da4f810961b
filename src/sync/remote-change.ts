import type { InodeRow } from "../cache/inodes.ts";
import { newInode } from "../cache/new-inode.ts";
import { rootInode } from "../cache/volume-state.ts";
import type { ObjectInfo, ObjectKey, ObjectVersion } from "../s3/object-store.ts";
import type { FileType, InodeNumber } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import { bindByKey } from "./link-binding.ts";
import { headersOf, remoteObject } from "./object-version.ts";
import { decodeDevice, decodePosix, timeOfMs } from "./posix-metadata.ts";
import type { SyncContext } from "./sync-context.ts";

/*
 * Changes of the state that follow a change seen at S3. All inside a transaction of the context, on inodes that
 * the caller has found clean.
 */

/** Counts a change of a directory's names. The caller puts the row. */
export function changeDirectory(context: SyncContext, directory: InodeRow): void {
  directory.change += 1;
  directory.modifyTime = context.now();
  directory.changeTime = directory.modifyTime;
}

function insert(
  context: SyncContext,
  directory: InodeRow,
  name: FileName,
  row: InodeRow,
): InodeNumber {
  context.state.inodes.put(row);
  context.state.entries.insert(directory.id, {
    name,
    cookie: directory.nextCookie,
    inode: row.id,
    isLink: false,
  });
  directory.nextCookie += 1;
  if (row.type === "directory") directory.links += 1;
  changeDirectory(context, directory);
  return row.id;
}

function objectRow(context: SyncContext, key: ObjectKey, version: ObjectVersion): InodeRow {
  const { uid, gid, fileMode } = context.options;
  return {
    ...newInode(context.state.inodes.allocate(), {
      type: "file",
      mode: fileMode,
      uid,
      gid,
      now: timeOfMs(version.lastModifiedMs),
    }),
    sizeBytes: version.sizeBytes,
    baseSizeBytes: version.sizeBytes,
    remote: remoteObject(key, version),
    exact: false,
    checkedMs: context.nowMs(),
  };
}

/** Adds the object under `key` as a new file whose attributes are not known yet. The caller puts `directory`. */
export function addObject(
  context: SyncContext,
  directory: InodeRow,
  name: FileName,
  key: ObjectKey,
  version: ObjectVersion,
): InodeNumber {
  const inode = insert(context, directory, name, objectRow(context, key, version));
  bindByKey(context, inode, key);
  return inode;
}

/**
 * Gives all names of a file, of which it has several, to a new one for the object under its primary name. The old one
 * stays without a name: the caller puts it where it belongs, or lets it go.
 */
export function replaceFile(
  context: SyncContext,
  old: InodeRow,
  key: ObjectKey,
  seen: SeenObject,
): InodeRow {
  const { entries, inodes, links } = context.state;
  const row = objectRow(context, key, seen.info);
  applyAttributes(context, row, seen, { ownership: false, times: false });
  row.links = old.links;
  inodes.put(row);
  entries.giveAll(old.id, row.id);
  const link = links.ofInode(old.id);
  if (link !== undefined) links.put({ ...link, inode: row.id });
  for (const { directory } of entries.ofInode(row.id)) {
    const above = inodes.get(directory);
    if (above === undefined) continue;
    changeDirectory(context, above);
    inodes.put(above);
  }
  context.touched.touch(key);
  return row;
}

/** Adds a directory that keys imply; its names and attributes are not known yet. The caller puts `directory`. */
export function addDirectory(
  context: SyncContext,
  directory: InodeRow,
  name: FileName,
): InodeNumber {
  const { uid, gid, dirMode } = context.options;
  return insert(context, directory, name, {
    ...newInode(context.state.inodes.allocate(), {
      type: "directory",
      mode: dirMode,
      uid,
      gid,
      now: context.now(),
    }),
    imported: false,
    exact: false,
  });
}

/**
 * Removes a name that S3 does not have any more; of a file with several the primary one with all the others, since the
 * file is gone. The inode stays without a name, a link or an object for as long as it is held. The caller puts
 * `directory`.
 */
export function removeName(context: SyncContext, directory: InodeRow, name: FileName): void {
  const { entries, inodes } = context.state;
  const entry = entries.get(directory.id, name);
  if (entry === undefined) return;
  entries.remove(directory.id, name);
  changeDirectory(context, directory);
  const row = inodes.get(entry.inode);
  if (row === undefined) return;
  if (row.type === "directory") directory.links -= 1;
  else removeOthers(context, row, directory);
  row.links = 0;
  row.remote = undefined;
  row.dirty = 0;
  row.change += 1;
  row.changeTime = context.now();
  inodes.put(row);
  context.unlinked(row.id);
}

/** Removes the names left of a file that is gone, and has its record deleted. The caller puts `directory`. */
export function removeOthers(context: SyncContext, row: InodeRow, directory: InodeRow): void {
  const { entries, inodes, links } = context.state;
  const link = links.ofInode(row.id);
  if (link === undefined) return;
  for (const other of entries.ofInode(row.id)) {
    entries.remove(other.directory, other.name);
    const above = other.directory === directory.id ? directory : inodes.get(other.directory);
    if (above === undefined) continue;
    changeDirectory(context, above);
    if (above !== directory) inodes.put(above);
  }
  links.touch(row.id, context.nowMs());
  context.changed();
}

/** Removes a directory with everything below it, all of which the caller found clean. The caller puts `directory`. */
export function removeTree(context: SyncContext, directory: InodeRow, name: FileName): void {
  const { entries, inodes } = context.state;
  const entry = entries.get(directory.id, name);
  const row = entry === undefined ? undefined : inodes.get(entry.inode);
  if (row?.type === "directory") {
    for (let page = entries.page(row.id, 0, 1000); page.length > 0; ) {
      for (const child of page) removeTree(context, row, child.name);
      page = entries.page(row.id, 0, 1000);
    }
    inodes.put(row);
  }
  removeName(context, directory, name);
}

/** Makes a clean file show another version of its object: data and attributes are to be asked for again. */
export function adoptVersion(
  context: SyncContext,
  row: InodeRow,
  key: ObjectKey,
  version: ObjectVersion,
): void {
  const { extents, inodes } = context.state;
  const generations = extents.usedGenerations(row.id);
  extents.dropAll(row.id);
  row.remote = remoteObject(key, version);
  row.fetchGeneration = row.nextGeneration;
  row.nextGeneration += 1;
  row.sizeBytes = version.sizeBytes;
  row.baseSizeBytes = version.sizeBytes;
  row.frozenMinSizeBytes = version.sizeBytes;
  row.holeBytes = 0;
  row.modifyTime = timeOfMs(version.lastModifiedMs);
  row.changeTime = context.now();
  row.change += 1;
  row.headers = undefined;
  row.exact = false;
  row.checkedMs = context.nowMs();
  inodes.put(row);
  context.touched.touch(key);
  context.state.removeUnusedFiles(row.id, generations);
}

/** What a HEAD said, with the body of a symlink. */
export interface SeenObject {
  readonly info: ObjectInfo;
  readonly target: Uint8Array | undefined;
}

/**
 * The kind of file that an object's metadata names; a symlink counts only with a target, a device node only with its
 * numbers and where the bucket may make them (`trusted`).
 */
export function seenType({ info, target }: SeenObject, trusted: boolean): FileType {
  const { type } = decodePosix(info.metadata);
  switch (type) {
    case "symlink":
      return target === undefined ? "file" : "symlink";
    case "fifo":
    case "socket":
      return type;
    case "blockDevice":
    case "characterDevice":
      return trusted && decodeDevice(info.metadata) !== undefined ? type : "file";
    default:
      return "file";
  }
}

/**
 * Sets mode, owner and times from the object's metadata, or from the volume's defaults. The caller puts the row
 * and has seen to it that the type may change. `times` and `ownership` say which are not changed here.
 */
export function applyAttributes(
  context: SyncContext,
  row: InodeRow,
  seen: SeenObject,
  keep: { readonly ownership: boolean; readonly times: boolean },
): void {
  const { options } = context;
  const posix = decodePosix(seen.info.metadata);
  const isDirectory = row.type === "directory";
  if (!isDirectory) {
    row.type = seenType(seen, options.trustObjectModes);
    const isDevice = row.type === "blockDevice" || row.type === "characterDevice";
    row.target = isDevice ? decodeDevice(seen.info.metadata) : seen.target;
  }
  if (!keep.ownership) {
    const allowed = options.trustObjectModes ? 0o7777 : 0o1777;
    row.mode = (posix.mode ?? (isDirectory ? options.dirMode : options.fileMode)) & allowed;
    row.uid = posix.uid ?? options.uid;
    row.gid = posix.gid ?? options.gid;
  }
  if (!keep.times) {
    const modified = timeOfMs(seen.info.lastModifiedMs);
    row.modifyTime = posix.modifyTime ?? modified;
    row.accessTime = posix.accessTime ?? row.modifyTime;
    row.changeTime = modified;
  }
  row.headers = headersOf(seen.info);
  row.exact = true;
  row.checkedMs = context.nowMs();
}

/** Whether nobody can have seen the inode's type yet, so that it may still change. */
export function isUnseen(row: InodeRow): boolean {
  return row.change === 1 && !row.exact;
}

/** The row of an inode's directory, or undefined for the root and what has no name. */
export function parentOf(
  context: SyncContext,
  inode: InodeNumber,
): { readonly directory: InodeRow; readonly name: FileName } | undefined {
  if (inode === rootInode) return undefined;
  const parent = context.state.entries.parent(inode);
  const directory = parent === undefined ? undefined : context.state.inodes.get(parent.directory);
  return parent === undefined || directory === undefined
    ? undefined
    : { directory, name: parent.name };
}
