import { markDirty } from "../cache/dirty.ts";
import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import type { ETag, ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { detailOf, formatDetail } from "./attempt-detail.ts";
import { remoteObject } from "./object-version.ts";
import type { SeenObject } from "./remote-change.ts";
import type { SyncContext } from "./sync-context.ts";
import { markHeader, writeMark } from "./write-mark.ts";

/*
 * Requests of ours that were given up and reach S3 nevertheless. All inside a transaction of the context.
 */

/** Records kept for deletions belong to no inode. */
const noInode = 0 as InodeNumber;

/**
 * Takes the object under `row.remote.key` for the base of `row`, if a request of that same inode made it out of
 * the base that is known: what is absent here has the same bytes there. Puts the row.
 */
export function adoptOwn(context: SyncContext, row: InodeRow, seen: SeenObject): boolean {
  const { state, touched } = context;
  const { remote } = row;
  const mark = seen.info.metadata[markHeader];
  if (remote === undefined || mark === undefined) return false;
  const isOwn = state.journal
    .ofKey(remote.key)
    .some(
      (attempt) =>
        attempt.kind !== "delete" &&
        attempt.inode === row.id &&
        attempt.expected === remote.etag &&
        detailOf(attempt).mark === mark,
    );
  if (!isOwn) return false;
  row.remote = remoteObject(remote.key, seen.info);
  state.inodes.put(row);
  touched.touch(remote.key);
  return true;
}

/** Remembers a deletion without an answer: it may arrive late, and meet an object with the same bytes. */
export function rememberDeletion(context: SyncContext, key: ObjectKey, etag: ETag): void {
  const { journal, db } = context.state;
  if (findDeletion(context, key, etag)) return;
  const id = journal.allocateId();
  const nowMs = context.nowMs();
  // A mark that no object will ever carry.
  const mark = writeMark(db.volumeUuid, { inode: noInode, generation: 0, attempt: id });
  journal.put({
    id,
    inode: noInode,
    kind: "delete",
    key,
    expected: etag,
    source: undefined,
    uploadId: undefined,
    sizeBytes: 0,
    dirty: 0,
    state: "superseded",
    createdMs: nowMs,
    detail: formatDetail({
      mark,
      change: 0,
      generation: 0,
      frozenMs: nowMs,
      headers: { metadata: {} },
    }),
  });
}

function findDeletion(context: SyncContext, key: ObjectKey, etag: ETag): boolean {
  // A store that ignores the condition of a deletion deletes whatever it meets.
  const isAny = context.abilities().deleteIfMatch !== "honoured";
  return context.state.journal
    .ofKey(key)
    .some(({ kind, expected }) => kind === "delete" && (isAny || expected === etag));
}

/**
 * Keeps a clean file whose object is gone if a late deletion of ours may be the reason and all its bytes are
 * here: it is to be exported anew. Puts the row.
 */
export function keepDeleted(context: SyncContext, row: InodeRow): boolean {
  const { state } = context;
  const { remote } = row;
  if (remote === undefined || row.type === "directory" || row.links === 0) return false;
  if (!findDeletion(context, remote.key, remote.etag)) return false;
  if (row.type === "file") {
    if (context.absentRanges(row).length > 0) return false;
    state.extents.keepClean(row.id);
    row.baseSizeBytes = 0;
    row.fetchGeneration = row.nextGeneration;
    row.nextGeneration += 1;
  }
  context.log.warn("An object was deleted late by a request of ours: it is made again", {
    inode: row.id,
    key: remote.key,
  });
  row.remote = undefined;
  row.exact = true;
  markDirty(row, dirtyBits.data | dirtyBits.metadata, context.nowMs());
  state.inodes.put(row);
  context.changed();
  return true;
}
