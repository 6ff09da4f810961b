import { dirtyBits, type InodeRow } from "./inodes.ts";
import type { VolumeState } from "./volume-state.ts";

/**
 * Adds {@link dirtyBits} to a row, which the caller puts. A file without a name has nothing for S3 and stays
 * clean. Call `synchroniser.changed()` after the transaction.
 */
export function markDirty(row: InodeRow, bits: number, nowMs: number): void {
  if (row.links === 0) return;
  if ((row.dirty & ~dirtyBits.local) === 0) row.dirtySinceMs = nowMs;
  row.dirty |= bits;
  row.dirtyLastMs = nowMs;
}

/** Marks the object of an inode whose name is removed or replaced, so that it is deleted at S3. */
export function buryObject(state: VolumeState, row: InodeRow, nowMs: number): void {
  if (row.remote === undefined) return;
  const { key, etag, versionId } = row.remote;
  state.journal.bury({ key, etag, versionId, sinceMs: nowMs });
}
