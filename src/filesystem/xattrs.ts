import { markDirty } from "../cache/dirty.ts";
import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import type { ChangeInfo, InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { XattrMode } from "../vfs/file-system.ts";
import type { XattrName } from "../vfs/name.ts";
import { permittedRow } from "./attributes.ts";
import type { Context } from "./context.ts";
import { isOwner, modeBits } from "./permission.ts";
import { fitsObject, type UserMetadata, withXattr, xattrsOf } from "./xattr-metadata.ts";

const metadataOf = (row: InodeRow): UserMetadata => row.headers?.metadata ?? {};

const missing = (inode: InodeNumber, name: XattrName): FsError =>
  new FsError("NOXATTR", `Inode ${inode} has no extended attribute '${name}'`);

/** See {@link import("../vfs/file-system.ts").FileSystem.getXattr}. */
export function getXattr(
  context: Context,
  call: Call,
  inode: InodeNumber,
  name: XattrName,
): Uint8Array {
  call.check();
  const row = permittedRow(context, call, inode, { read: true });
  const value = xattrsOf(metadataOf(row)).get(name);
  if (value === undefined) throw missing(inode, name);
  return value;
}

/** See {@link import("../vfs/file-system.ts").FileSystem.listXattrs}. */
export function listXattrs(context: Context, call: Call, inode: InodeNumber): readonly XattrName[] {
  call.check();
  return [...xattrsOf(metadataOf(permittedRow(context, call, inode, { read: true }))).keys()];
}

/** The checks of a change; as Linux has them for `user.` attributes. */
function changeable(context: Context, call: Call, inode: InodeNumber): InodeRow {
  context.beginChange(call);
  const row = permittedRow(context, call, inode, { write: true });
  if (row.type !== "file" && row.type !== "directory") {
    throw new FsError("PERM", `Inode ${inode} is a ${row.type}: no extended attributes`);
  }
  const isSticky = row.type === "directory" && (row.mode & modeBits.sticky) !== 0;
  if (isSticky && !isOwner(row, call.caller)) {
    throw new FsError("PERM", `Directory ${inode} is sticky, and of another user`);
  }
  return row;
}

function change(context: Context, row: InodeRow, metadata: UserMetadata): ChangeInfo {
  const before = row.change;
  row.headers = { ...row.headers, metadata };
  row.changeTime = context.now();
  row.change += 1;
  markDirty(row, dirtyBits.metadata, context.nowMs());
  context.state.inodes.put(row);
  context.changed();
  return { before, after: row.change };
}

/** See {@link import("../vfs/file-system.ts").FileSystem.setXattr}. */
export function setXattr(
  context: Context,
  call: Call,
  inode: InodeNumber,
  attribute: { readonly name: XattrName; readonly value: Uint8Array; readonly mode: XattrMode },
): ChangeInfo {
  const row = changeable(context, call, inode);
  const { name, value, mode } = attribute;
  const metadata = metadataOf(row);
  const known = xattrsOf(metadata).get(name);
  if (mode === "create" && known !== undefined) {
    throw new FsError("EXIST", `Inode ${inode} has an extended attribute '${name}'`);
  }
  if (mode === "replace" && known === undefined) throw missing(inode, name);
  // RFC 8276 §8.4.2.3: what does not change the value changes nothing.
  if (known !== undefined && Buffer.compare(known, value) === 0) {
    return { before: row.change, after: row.change };
  }
  const changed = withXattr(metadata, name, value);
  if (!fitsObject(changed)) {
    throw new FsError(
      "XATTR2BIG",
      `Extended attributes of inode ${inode} would not fit into the metadata of an object`,
    );
  }
  return change(context, row, changed);
}

/** See {@link import("../vfs/file-system.ts").FileSystem.removeXattr}. */
export function removeXattr(
  context: Context,
  call: Call,
  inode: InodeNumber,
  name: XattrName,
): ChangeInfo {
  const row = changeable(context, call, inode);
  const metadata = metadataOf(row);
  if (!xattrsOf(metadata).has(name)) throw missing(inode, name);
  return change(context, row, withXattr(metadata, name, undefined));
}
