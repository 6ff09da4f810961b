import { isSetAsideName } from "../cache/volume-state.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import type { Context } from "./context.ts";

/*
 * Before Linux renames a file over an open one, it gives that one a name `.nfs…` (fs/nfs/dir.c, nfs_rename): two
 * requests for one call. Where each file came from is remembered, so that a power cut between the two takes no name
 * away, and leaves no `.nfs…` behind.
 */

/** Kind of the records: a file's inode → the place that it had. */
const kind = "aside";

function keyOf(inode: InodeNumber): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(inode));
  return key;
}

/** Remembers, in the transaction of the rename, where a file was that gets such a name. */
export function noteRename(
  context: Context,
  inode: InodeNumber,
  from: { readonly directory: InodeNumber; readonly name: FileName },
  to: FileName,
): void {
  if (isSetAsideName(to) === isSetAsideName(from.name)) return;
  const { db } = context.state;
  if (isSetAsideName(to)) {
    db.put(kind, keyOf(inode), Buffer.concat([keyOf(from.directory), Buffer.from(from.name)]));
  } else {
    db.delete(kind, keyOf(inode));
  }
}

/** Forgets it when the file goes, in the transaction of the removal. */
export function noteRemoval(context: Context, inode: InodeNumber, name: FileName): void {
  if (isSetAsideName(name)) context.state.db.delete(kind, keyOf(inode));
}

/** A file with such a name, and the place that it had. */
export interface SetAside {
  readonly inode: InodeNumber;
  readonly directory: InodeNumber;
  readonly name: FileName;
}

/** All that are remembered; they are forgotten by this, in the transaction under way. */
export function takeSetAside({ state: { db } }: Context): SetAside[] {
  return db.scan(kind).map(({ key, value }) => {
    db.delete(kind, key);
    const inode = Number(Buffer.from(key).readBigUInt64BE()) as InodeNumber;
    const place = Buffer.from(value);
    const directory = Number(place.readBigUInt64BE()) as InodeNumber;
    return { inode, directory, name: place.subarray(8).toString() as FileName };
  });
}
