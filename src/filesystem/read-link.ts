import type { InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { Context } from "./context.ts";

/** A symlink target that was read from its object. */
class StagedTarget {
  readonly etag: string | undefined;
  bytes: Uint8Array | undefined;
  constructor(etag: string | undefined) {
    this.etag = etag;
  }
}

/** See {@link import("../vfs/file-system.ts").FileSystem.readLink}. */
export function readLink(context: Context, call: Call, inode: InodeNumber): Uint8Array {
  call.check();
  const row = context.row(inode);
  if (row.type !== "symlink") {
    throw new FsError("WRONG_TYPE", `Inode ${inode} is a ${row.type}, no symbolic link`);
  }
  if (row.target !== undefined) return row.target;
  const etag = row.remote?.etag;
  if (call.staged instanceof StagedTarget && call.staged.etag === etag) {
    const { bytes } = call.staged;
    if (bytes !== undefined) {
      row.target = bytes;
      context.state.inodes.put(row);
      return bytes;
    }
  }
  const staged = new StagedTarget(etag);
  call.staged = staged;
  const read = context.synchroniser.readThrough(inode, 0, row.sizeBytes).then((bytes) => {
    staged.bytes = Uint8Array.from(bytes);
  });
  throw call.suspend(read, "remote");
}
