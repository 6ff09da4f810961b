import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { buryObject, markDirty } from "./dirty.ts";
import type { NamedEntry } from "./entries.ts";
import { dirtyBits, type InodeRow } from "./inodes.ts";
import type { VolumeState } from "./volume-state.ts";

/** The key that an entry of what is no directory stands for; undefined where it stays on this node. */
function keyOf(state: VolumeState, { directory, name }: NamedEntry): ObjectKey | undefined {
  return state.childKey(directory, name, false);
}

/**
 * Sees to it, after a change of the names of a file with several, that one of them is the primary name, if possible one
 * that S3 can have: the one that was it, else the one that the object is under already, else the oldest. The object is
 * to be moved there, its record to be written. A file whose names are all local has its object deleted. Puts the row.
 */
export function settlePrimary(state: VolumeState, inode: InodeNumber, nowMs: number): void {
  const row = state.inodes.get(inode);
  if (row === undefined || row.type === "directory") return;
  const names = state.entries.ofInode(inode);
  const placed = names.flatMap((entry) => {
    const key = keyOf(state, entry);
    return key === undefined ? [] : [{ entry, key }];
  });
  const chosen =
    placed.find(({ entry }) => !entry.isLink) ??
    placed.find(({ key }) => key === row.remote?.key) ??
    placed[0];
  const primary = chosen?.entry ?? names[0];
  if (primary === undefined) return;
  for (const entry of names) {
    const isLink = entry !== primary;
    if (entry.isLink !== isLink) state.entries.setLink(entry.directory, entry.name, isLink);
  }
  if (chosen === undefined) toLocal(state, row, nowMs);
  else toPlace(state, row, chosen.key, nowMs);
  state.inodes.put(row);
  state.links.touch(inode, nowMs);
}

function toLocal(state: VolumeState, row: InodeRow, nowMs: number): void {
  if ((row.dirty & dirtyBits.local) !== 0) return;
  row.dirty |= dirtyBits.local;
  buryObject(state, row, nowMs);
}

function toPlace(state: VolumeState, row: InodeRow, key: ObjectKey, nowMs: number): void {
  const { data, metadata, name, local } = dirtyBits;
  const { remote } = row;
  if ((row.dirty & local) !== 0) {
    row.dirty &= ~local;
    if (remote === undefined) markDirty(row, data | metadata, nowMs);
    else if (state.journal.tombstone(remote.key)?.etag === remote.etag) {
      state.journal.unbury(remote.key);
    }
  }
  if (remote !== undefined && remote.key !== key) markDirty(row, name, nowMs);
}
