import { deviceOf } from "../cache/device.ts";
import { markDirty } from "../cache/dirty.ts";
import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import type {
  AttributeChanges,
  Attributes,
  FileType,
  InodeNumber,
  Timespec,
} from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { Access } from "../vfs/file-system.ts";
import type { Context } from "./context.ts";
import {
  isInGroup,
  isOwner,
  isRoot,
  modeBits,
  permitted,
  requirePermitted,
  withoutPrivileges,
} from "./permission.ts";
import { checkSize, resize } from "./resize.ts";

/** A directory has no size of its own; this is what `ls` shows. */
const directorySizeBytes = 4096;

const isDevice = (type: FileType): boolean => type === "blockDevice" || type === "characterDevice";

/** The attributes that a row stands for. */
export function attributesOf({ groups }: Context, row: InodeRow): Attributes {
  const isDirectory = row.type === "directory";
  return {
    inode: row.id,
    type: row.type,
    ...(isDevice(row.type) ? { device: deviceOf(row.target) } : {}),
    mode: groups.modeOf(row),
    uid: row.uid,
    gid: groups.gidOf(row),
    linkCount: row.links,
    sizeBytes: isDirectory ? directorySizeBytes : row.sizeBytes,
    usedBytes: isDirectory ? 0 : row.sizeBytes - row.holeBytes,
    accessTime: row.accessTime,
    modifyTime: row.modifyTime,
    changeTime: row.changeTime,
    change: row.change,
  };
}

/** See {@link import("../vfs/file-system.ts").FileSystem.getAttributes}. */
export function getAttributes(context: Context, call: Call, inode: InodeNumber): Attributes {
  call.check();
  const row = context.row(inode);
  context.shown(call, row);
  return attributesOf(context, row);
}

/** See {@link import("../vfs/file-system.ts").FileSystem.permittedAccess}. */
export function permittedAccess(context: Context, call: Call, inode: InodeNumber): Access {
  call.check();
  const row = context.row(inode);
  context.exact(call, row);
  const access = permitted(row, call.caller, context.groups);
  return context.options.readOnly ? { ...access, write: false } : access;
}

/** The row of an inode whose own attributes are known and that the caller has this access to. May suspend. */
export function permittedRow(
  context: Context,
  call: Call,
  inode: InodeNumber,
  access: Partial<Access>,
): InodeRow {
  const row = context.row(inode);
  context.exact(call, row);
  requirePermitted(row, context.asker(call), access);
  return row;
}

/** See {@link import("../vfs/file-system.ts").FileSystem.requireAccess}. */
export function requireAccess(
  context: Context,
  call: Call,
  inode: InodeNumber,
  access: Access,
): void {
  call.check();
  permittedRow(context, call, inode, access);
}

function checkOwnership(row: InodeRow, call: Call, changes: AttributeChanges): void {
  const { caller } = call;
  const refuse = (what: string): FsError =>
    new FsError("PERM", `User ${caller.uid} may not change the ${what} of inode ${row.id}`);
  if (changes.mode !== undefined && !isOwner(row, caller)) throw refuse("mode");
  if (changes.uid !== undefined) {
    if (!isOwner(row, caller) || (changes.uid !== row.uid && !isRoot(caller))) {
      throw refuse("owner");
    }
  }
  if (changes.gid !== undefined) {
    const allowed = changes.gid === row.gid || isInGroup(caller, changes.gid);
    if (!isOwner(row, caller) || !(allowed || isRoot(caller))) throw refuse("group");
  }
}

function checkTimes(context: Context, row: InodeRow, call: Call, changes: AttributeChanges): void {
  const { accessTime, modifyTime } = changes;
  if ((accessTime ?? modifyTime) === undefined || isOwner(row, call.caller)) return;
  // POSIX utimensat(): both to the current time, as whoever may write; anything else as the owner.
  if (accessTime !== "now" || modifyTime !== "now") {
    throw new FsError("PERM", `User ${call.caller.uid} may not set times of inode ${row.id}`);
  }
  requirePermitted(row, context.asker(call), { write: true });
}

/**
 * The mode, owner and times that a row has after `changes`; permission was checked. Times that are set stay as
 * they are given; change time and change attribute are the caller's.
 */
export function applyOwnership(
  row: InodeRow,
  call: Call,
  changes: AttributeChanges,
  now: Timespec,
): void {
  if (changes.mode !== undefined) row.mode = changes.mode & 0o7777;
  if (changes.uid !== undefined) row.uid = changes.uid;
  if (changes.gid !== undefined) row.gid = changes.gid;
  if (changes.uid !== undefined || changes.gid !== undefined) {
    if (row.type !== "directory") row.mode = withoutPrivileges(row.mode);
  }
  if (changes.mode !== undefined && !isRoot(call.caller) && !isInGroup(call.caller, row.gid)) {
    row.mode &= ~modeBits.setgid;
  }
  const { accessTime, modifyTime } = changes;
  if (accessTime !== undefined) row.accessTime = accessTime === "now" ? now : accessTime;
  if (modifyTime !== undefined) row.modifyTime = modifyTime === "now" ? now : modifyTime;
}

/** See {@link import("../vfs/file-system.ts").FileSystem.setAttributes}. */
export function setAttributes(
  context: Context,
  call: Call,
  inode: InodeNumber,
  changes: AttributeChanges,
  options: { readonly opened: boolean },
): void {
  context.beginChange(call);
  const row = context.row(inode);
  context.exact(call, row);
  checkOwnership(row, call, changes);
  checkTimes(context, row, call, changes);
  const { sizeBytes, ...others } = changes;
  if (Object.values(changes).every((value) => value === undefined)) return;
  if (sizeBytes !== undefined) {
    checkSize(row, sizeBytes);
    if (!options.opened) requirePermitted(row, context.asker(call), { write: true });
  }
  const now = context.now();
  const nowMs = context.nowMs();
  if (sizeBytes !== undefined) {
    resize(context, row, sizeBytes);
    row.modifyTime = now;
    if (!isRoot(call.caller)) row.mode = withoutPrivileges(row.mode);
    markDirty(row, dirtyBits.data, nowMs);
  }
  if (Object.values(others).some((value) => value !== undefined)) {
    applyOwnership(row, call, others, now);
    markDirty(row, dirtyBits.metadata, nowMs);
  }
  row.changeTime = now;
  row.change += 1;
  context.state.inodes.put(row);
  context.changed();
}
