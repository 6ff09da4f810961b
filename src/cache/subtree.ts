import type { InodeNumber } from "../vfs/attributes.ts";
import { dirtyBits } from "./inodes.ts";
import type { VolumeState } from "./volume-state.ts";

const { data, metadata, name, local } = dirtyBits;
const below =
  "WITH RECURSIVE below(id) AS (SELECT ?1 UNION ALL " +
  "SELECT entry.inode FROM entry JOIN below ON entry.dir = below.id) ";

const paths =
  "WITH RECURSIVE below(id, bytes) AS (SELECT inode, octet_length(name) FROM entry WHERE dir = ?1 UNION ALL " +
  "SELECT entry.inode, below.bytes + 1 + octet_length(entry.name) FROM entry JOIN below ON entry.dir = below.id) ";

/** Whether every key below a directory has at most `limitBytes` behind the directory's own `/`. */
export function fitsBelow(state: VolumeState, directory: InodeNumber, limitBytes: number): boolean {
  const longest = state.db.get(`${paths}SELECT max(bytes) AS n FROM below`, directory);
  const bytes = Number(longest?.["n"] ?? 0);
  // The key of a directory has one more: which of them is one matters in this case only.
  if (bytes !== limitBytes) return bytes < limitBytes;
  const found = state.db.get(
    `${paths}SELECT 1 AS x FROM below JOIN inode ON inode.id = below.id WHERE bytes = ?2 AND type = 1 LIMIT 1`,
    directory,
    limitBytes,
  );
  return found === undefined;
}

/**
 * Records that an inode, with all below it, has another path, in one statement whatever their number: objects
 * are under the wrong key now. Into a local place: their objects are to be deleted. Out of one: what has no
 * object needs one, and objects not deleted yet are kept.
 */
export function markMoved(
  state: VolumeState,
  inode: InodeNumber,
  move: { readonly fromLocal: boolean; readonly toLocal: boolean; readonly nowMs: number },
): void {
  const { db } = state;
  const { fromLocal, toLocal, nowMs } = move;
  if (fromLocal && toLocal) return;
  const withoutObject = fromLocal ? `iif(type = 1, ${metadata}, ${data | metadata})` : "0";
  const added = `(iif(key IS NULL, ${withoutObject}, ${name}) | ${toLocal ? local : 0})`;
  db.run(
    `${below}UPDATE inode SET dirty = (dirty & ~${local}) | ${added}, ` +
      `dirty_since_ms = iif(dirty & ~${local} = 0, ?2, dirty_since_ms), dirty_last_ms = ?2 ` +
      `WHERE id IN (SELECT id FROM below) AND (${added} <> 0 OR dirty & ${local})`,
    inode,
    nowMs,
  );
  state.inodes.forgetRows();
  if (toLocal) {
    db.run(
      `${below}INSERT OR REPLACE INTO tombstone SELECT key, etag, version_id, ?2 FROM inode ` +
        "WHERE id IN (SELECT id FROM below) AND key IS NOT NULL",
      inode,
      nowMs,
    );
  }
  if (fromLocal) {
    db.run(
      `${below}DELETE FROM tombstone WHERE EXISTS (SELECT 1 FROM inode ` +
        "WHERE inode.key = tombstone.key AND inode.etag = tombstone.etag AND id IN (SELECT id FROM below))",
      inode,
    );
  }
}
