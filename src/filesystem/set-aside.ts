import { isSetAsideName } from "../cache/volume-state.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import type { Context } from "./context.ts";

/*
 * Before Linux renames a file over an open one, it gives that one a name `.nfs…` (fs/nfs/dir.c, nfs_rename): two
 * requests for one call. Where each file came from is remembered, so that a power cut between the two takes no name
 * away, and leaves no `.nfs…` behind.
 */

/** Kind of the records: the place with such a name → the place that the file had, or nothing once that was taken. */
const kind = "aside";
const taken = new Uint8Array(0);

interface Place {
  readonly directory: InodeNumber;
  readonly name: FileName;
}

function encode({ directory, name }: Place): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(directory));
  return Buffer.concat([number, Buffer.from(name)]);
}

function decode(bytes: Uint8Array): Place {
  const place = Buffer.from(bytes);
  const directory = Number(place.readBigUInt64BE()) as InodeNumber;
  return { directory, name: place.subarray(8).toString() as FileName };
}

/**
 * Remembers, in the transaction of the rename, where a file was that gets such a name, and that the rename for which one
 * got it has come to its end: the name is not the old file's any more, also when the new one leaves it again.
 */
export function noteRename(context: Context, from: Place, to: Place): void {
  const { db } = context.state;
  const target = encode(to);
  for (const { key, value } of db.scan(kind)) {
    if (target.equals(value)) db.put(kind, key, taken);
  }
  if (!isSetAsideName(from.name)) {
    if (isSetAsideName(to.name)) db.put(kind, target, encode(from));
    return;
  }
  const first = db.scan(kind).find(({ key }) => encode(from).equals(key));
  db.delete(kind, encode(from));
  if (first !== undefined && isSetAsideName(to.name)) db.put(kind, target, first.value);
}

/** Forgets it when the name goes, in the transaction of the removal. */
export function noteRemoval(context: Context, directory: InodeNumber, name: FileName): void {
  if (isSetAsideName(name)) context.state.db.delete(kind, encode({ directory, name }));
}

/** The place of a file with such a name, and the place that it had; undefined once another file took that. */
export interface SetAside {
  readonly here: Place;
  readonly before: Place | undefined;
}

/** All that are remembered; they are forgotten by this, in the transaction under way. */
export function takeSetAside({ state: { db } }: Context): SetAside[] {
  return db.scan(kind).map(({ key, value }) => {
    db.delete(kind, key);
    return { here: decode(key), before: value.length === 0 ? undefined : decode(value) };
  });
}
