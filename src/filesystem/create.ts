import { deviceBytes } from "../cache/device.ts";
import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import { addName } from "../cache/names.ts";
import { newInode } from "../cache/new-inode.ts";
import type { Place } from "../cache/volume-state.ts";
import type {
  AttributeChanges,
  ChangeInfo,
  Device,
  FileType,
  InodeNumber,
} from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { CreateMode } from "../vfs/file-system.ts";
import type { FileName } from "../vfs/name.ts";
import { applyOwnership } from "./attributes.ts";
import type { Context } from "./context.ts";
import { directoryRow } from "./directories.ts";
import { isInGroup, isRoot, modeBits, requirePermitted } from "./permission.ts";
import { checkSize, resize } from "./resize.ts";

/** Longest symlink target: what Linux takes for a path (S3 Files stops at 4,080). */
const maxTargetBytes = 4095;

/** @throws {FsError} NOENT for a directory without a name, ACCESS for the name that is ours, NAMETOOLONG. */
export function requirePlace(place: Place, directory: InodeNumber, name: FileName): Place {
  switch (place.kind) {
    case "object":
    case "local":
      return place;
    case "nameless":
      throw new FsError("NOENT", `Directory ${directory} has been removed`);
    case "reserved":
      throw new FsError("ACCESS", `The name '${name}' is reserved`);
    case "tooLong":
      throw new FsError("NAMETOOLONG", `The key of '${name}' in inode ${directory} is too long`);
  }
}

interface NewNode {
  readonly type: FileType;
  readonly target?: Uint8Array;
  readonly verifier?: Uint8Array;
}

/** Makes an inode and its name; everything but ownership and place has been checked. */
function make(
  context: Context,
  call: Call,
  directory: InodeRow,
  name: FileName,
  node: NewNode,
  changes: AttributeChanges,
): { readonly inode: InodeNumber; readonly directory: ChangeInfo } {
  const { state, options } = context;
  const { caller } = call;
  requirePermitted(directory, context.asker(call), { write: true });
  const place = state.place(directory.id, name, node.type === "directory");
  requirePlace(place, directory.id, name);
  const { sizeBytes, uid: _uid, gid: _gid, ...others } = changes;
  const inherits = (directory.mode & modeBits.setgid) !== 0;
  const gid = inherits ? directory.gid : caller.gid;
  if (changes.uid !== undefined && changes.uid !== caller.uid && !isRoot(caller)) {
    throw new FsError("PERM", `User ${caller.uid} may not make '${name}' for another user`);
  }
  if (changes.gid !== undefined && changes.gid !== gid) {
    if (!isRoot(caller) && !isInGroup(caller, changes.gid)) {
      throw new FsError("PERM", `User ${caller.uid} may not make '${name}' for another group`);
    }
  }
  if (sizeBytes !== undefined) checkSize({ id: directory.id, type: node.type }, sizeBytes);
  context.space.requireMetadataRoom();

  const now = context.now();
  const nowMs = context.nowMs();
  const mode = node.type === "directory" ? options.dirMode : options.fileMode;
  const row = newInode(state.inodes.allocate(), {
    type: node.type,
    mode: node.type === "symlink" ? 0o777 : mode & 0o7777,
    uid: changes.uid ?? caller.uid,
    gid: changes.gid ?? gid,
    now,
  });
  row.target = node.target;
  row.verifier = node.verifier;
  row.sizeBytes = node.type === "symlink" ? (node.target?.length ?? 0) : 0;
  applyOwnership(row, call, others, now);
  if (inherits && node.type === "directory") row.mode |= modeBits.setgid;
  row.dirty =
    (node.type === "directory" ? dirtyBits.metadata : dirtyBits.data | dirtyBits.metadata) |
    (place.kind === "local" ? dirtyBits.local : 0);
  row.dirtySinceMs = nowMs;
  row.dirtyLastMs = nowMs;
  if (sizeBytes !== undefined) resize(context, row, sizeBytes);
  const before = directory.change;
  state.inodes.put(row);
  addName(state, directory, name, row, now);
  context.changed();
  return { inode: row.id, directory: { before, after: directory.change } };
}

/** What a create finds under its name. @throws {FsError} EXIST, ISDIR, SYMLINK. */
function existing(row: InodeRow, name: FileName, create: CreateMode): { readonly made: boolean } {
  switch (create.kind) {
    case "unchecked":
      if (row.type === "directory") throw new FsError("ISDIR", `'${name}' is a directory`);
      if (row.type === "symlink") throw new FsError("SYMLINK", `'${name}' is a symbolic link`);
      return { made: false };
    case "guarded":
      throw new FsError("EXIST", `'${name}' exists: inode ${row.id}`);
    case "exclusive":
      // RFC 8881 §18.16.3: the same verifier is a retry of the create that made the file.
      if (row.verifier !== undefined && Buffer.compare(row.verifier, create.verifier) === 0) {
        return { made: true };
      }
      throw new FsError("EXIST", `'${name}' exists: inode ${row.id}`);
  }
}

/** See {@link import("../vfs/file-system.ts").FileSystem.createFile}. */
export function createFile(
  context: Context,
  call: Call,
  directory: InodeNumber,
  name: FileName,
  create: CreateMode,
  changes: AttributeChanges,
): { readonly inode: InodeNumber; readonly created: boolean; readonly directory: ChangeInfo } {
  call.check();
  const parent = directoryRow(context, call, directory, { execute: true });
  context.wait(call, context.synchroniser.directoryReady(directory));
  const entry = context.state.entries.get(directory, name);
  if (entry !== undefined) {
    const { made } = existing(context.row(entry.inode), name, create);
    const unchanged = { before: parent.change, after: parent.change };
    return { inode: entry.inode, created: made, directory: unchanged };
  }
  context.beginChange(call);
  const node: NewNode =
    create.kind === "exclusive"
      ? { type: "file", verifier: Uint8Array.from(create.verifier) }
      : { type: "file" };
  return { ...make(context, call, parent, name, node, changes), created: true };
}

/** See {@link import("../vfs/file-system.ts").FileSystem.createNode}. */
export function createNode(
  context: Context,
  call: Call,
  directory: InodeNumber,
  name: FileName,
  node:
    | { readonly type: "directory" | "fifo" | "socket" }
    | { readonly type: "blockDevice" | "characterDevice"; readonly device: Device }
    | { readonly type: "symlink"; readonly target: Uint8Array },
  changes: AttributeChanges,
): { readonly inode: InodeNumber; readonly directory: ChangeInfo } {
  context.beginChange(call);
  const parent = directoryRow(context, call, directory, { execute: true });
  context.wait(call, context.synchroniser.directoryReady(directory));
  const entry = context.state.entries.get(directory, name);
  if (entry !== undefined) throw new FsError("EXIST", `'${name}' exists: inode ${entry.inode}`);
  if (node.type === "blockDevice" || node.type === "characterDevice") {
    // As Linux has it: who makes device nodes is root.
    if (!isRoot(call.caller)) {
      throw new FsError("PERM", `User ${call.caller.uid} may not make device node '${name}'`);
    }
    const device: NewNode = { type: node.type, target: deviceBytes(node.device) };
    return make(context, call, parent, name, device, changes);
  }
  if (node.type !== "symlink") return make(context, call, parent, name, node, changes);
  const { target } = node;
  if (target.length === 0) throw new FsError("INVAL", `Empty symlink target for '${name}'`);
  if (target.length > maxTargetBytes) {
    throw new FsError("NAMETOOLONG", `Symlink target of ${target.length} bytes for '${name}'`);
  }
  const link: NewNode = { type: "symlink", target: Uint8Array.from(target) };
  return make(context, call, parent, name, link, changes);
}
