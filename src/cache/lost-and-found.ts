import type { InodeNumber, Timespec } from "../vfs/attributes.ts";
import { fileName } from "../vfs/name.ts";
import { markDirty } from "./dirty.ts";
import { dirtyBits, type InodeRow } from "./inodes.ts";
import { addName } from "./names.ts";
import { newInode } from "./new-inode.ts";
import { markMoved } from "./subtree.ts";
import { lostAndFoundName, rootInode, type VolumeState } from "./volume-state.ts";

/**
 * The directory for local versions that S3 has won over, made when there is none: owned by the root
 * directory's owner, mode 0700, local unless the volume exports it. Inside a transaction, after the root directory has been made.
 */
export function lostAndFound(state: VolumeState, volumeId: string, now: Timespec): InodeNumber {
  const name = fileName(Buffer.from(lostAndFoundName(volumeId)));
  const found = state.entries.get(rootInode, name);
  if (found !== undefined) return found.inode;
  const root = state.inodes.get(rootInode) as InodeRow;
  const row = newInode(state.inodes.allocate(), {
    type: "directory",
    mode: 0o700,
    uid: root.uid,
    gid: root.gid,
    now,
  });
  if (state.exportsLostAndFound) {
    markDirty(row, dirtyBits.metadata, now.seconds * 1000);
  } else {
    row.dirty = dirtyBits.local;
  }
  state.inodes.put(row);
  addName(state, root, name, row, now);
  return row.id;
}

/**
 * Has what lost+found has kept on this node exported, where the volume exports it by now: a volume's parameters may
 * change while its folder stays. Inside a transaction.
 */
export function exportKept(state: VolumeState, volumeId: string, nowMs: number): void {
  if (!state.exportsLostAndFound) return;
  const entry = state.entries.get(rootInode, fileName(Buffer.from(lostAndFoundName(volumeId))));
  const row = entry && state.inodes.get(entry.inode);
  if (row === undefined || (row.dirty & dirtyBits.local) === 0) return;
  markMoved(state, row.id, { fromLocal: true, toLocal: false, nowMs });
}

/** How a local version came to be in lost+found. */
export interface LossRecord {
  readonly key: string;
  readonly reason: string;
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** The version that was edited here; absent: it was a new file. */
  readonly baseEtag?: string;
  /** The version that has won; absent: the object was deleted. */
  readonly wonEtag?: string;
}

/** A local version that S3 has won over. */
export interface LostFile extends Partial<LossRecord> {
  /** Below the lost+found directory. */
  readonly name: string;
  readonly sizeBytes: number;
  /** When it was put there, or changed since. */
  readonly changedMs: number;
}

const recordKind = "lost";

function recordKey(inode: InodeNumber): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64LE(BigInt(inode));
  return key;
}

/** Keeps with a file that is put into lost+found how it came there; records of files that are gone go. Inside a transaction. */
export function recordLoss(
  { db, inodes }: VolumeState,
  inode: InodeNumber,
  loss: LossRecord,
): void {
  for (const { key } of db.scan(recordKind)) {
    const id = Number(Buffer.from(key).readBigUInt64LE()) as InodeNumber;
    if (inodes.get(id) === undefined) db.delete(recordKind, key);
  }
  db.put(recordKind, recordKey(inode), Buffer.from(JSON.stringify(loss)));
}

function losses(state: VolumeState): ReadonlyMap<number, LossRecord> {
  return new Map(
    state.db
      .scan(recordKind)
      .map(({ key, value }) => [
        Number(Buffer.from(key).readBigUInt64LE()),
        JSON.parse(Buffer.from(value).toString()) as LossRecord,
      ]),
  );
}

/** The oldest names in lost+found, at most `limit`, with the directory's name below the root. */
export function lostFiles(
  state: VolumeState,
  volumeId: string,
  limit: number,
): { readonly directory: string; readonly files: readonly LostFile[] } {
  const name = fileName(Buffer.from(lostAndFoundName(volumeId)));
  const directory = state.entries.get(rootInode, name)?.inode;
  const entries = directory === undefined ? [] : state.entries.page(directory, 0, limit);
  const records = losses(state);
  const files = entries.flatMap((entry) => {
    const row = state.inodes.get(entry.inode);
    if (row === undefined) return [];
    const { sizeBytes, changeTime } = row;
    const changedMs = changeTime.seconds * 1000 + Math.floor(changeTime.nanoseconds / 1_000_000);
    return [{ name: String(entry.name), sizeBytes, changedMs, ...records.get(row.id) }];
  });
  return { directory: name, files };
}
