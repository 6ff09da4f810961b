import type { InodeNumber } from "../vfs/attributes.ts";
import { dirtyBits } from "./inodes.ts";
import { settlePrimary } from "./primary-name.ts";
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
 * Records that an inode, with all below it, has another path, in one statement whatever their number (but for files
 * with several names): objects are under the wrong key now. Into a local place: their objects are to be deleted. Out of one: what has no
 * object needs one, and objects not deleted yet are kept.
 */
export function markMoved(
  state: VolumeState,
  inode: InodeNumber,
  move: { readonly fromLocal: boolean; readonly toLocal: boolean; readonly nowMs: number },
): void {
  const { db } = state;
  const { fromLocal, toLocal, nowMs } = move;
  if (fromLocal && toLocal) {
    settleSeveral(state, inode, nowMs);
    return;
  }
  // Below a directory: the name that has moved need not be the one that the object is kept under.
  const single = "id IN (SELECT id FROM below) AND (type = 1 OR links = 1)";
  const withoutObject = fromLocal ? `iif(type = 1, ${metadata}, ${data | metadata})` : "0";
  const added = `(iif(key IS NULL, ${withoutObject}, ${name}) | ${toLocal ? local : 0})`;
  db.run(
    `${below}UPDATE inode SET dirty = (dirty & ~${local}) | ${added}, ` +
      `dirty_since_ms = iif(dirty & ~${local} = 0, ?2, dirty_since_ms), dirty_last_ms = ?2 ` +
      `WHERE ${single} AND (${added} <> 0 OR dirty & ${local})`,
    inode,
    nowMs,
  );
  state.inodes.forgetRows();
  if (toLocal) {
    db.run(
      `${below}INSERT OR REPLACE INTO tombstone SELECT key, etag, version_id, ?2 FROM inode ` +
        `WHERE ${single} AND key IS NOT NULL`,
      inode,
      nowMs,
    );
  }
  if (fromLocal) {
    db.run(
      `${below}DELETE FROM tombstone WHERE EXISTS (SELECT 1 FROM inode ` +
        `WHERE inode.key = tombstone.key AND inode.etag = tombstone.etag AND ${single})`,
      inode,
    );
  }
  settleSeveral(state, inode, nowMs);
}

function settleSeveral(state: VolumeState, inode: InodeNumber, nowMs: number): void {
  if (!state.links.isUsed) return;
  const several = state.db.all(
    `${below}SELECT DISTINCT inode.id AS id FROM below JOIN inode ON inode.id = below.id ` +
      "WHERE type <> 1 AND links > 1",
    inode,
  );
  for (const row of several) settlePrimary(state, row["id"] as InodeNumber, nowMs);
}
