import type { InodeNumber } from "../vfs/attributes.ts";
import type { VolumeDatabase } from "./database.ts";

/** What is known of a byte range: zeros, bytes equal to the base object's, bytes that S3 does not have. */
export type ExtentKind = "hole" | "clean" | "dirty";

/** Where the bytes `[start, end)` of a file are. */
export interface Extent {
  readonly start: number;
  readonly end: number;
  /** The cache file that holds them, at the same offsets; 0 for holes. */
  readonly generation: number;
  readonly kind: ExtentKind;
  /**
   * The write epoch in which this range first got bytes of this generation; 0 when the disk is known to
   * hold bytes that an application wrote here (these or later ones): such a range is trusted after a power cut.
   */
  readonly firstEpoch: number;
  /** The epoch of the latest write; 0 when exactly these bytes are on the disk. */
  readonly lastEpoch: number;
}

/** The tables of byte ranges; see {@link import("./extents.ts").ExtentMap}. */
export type ExtentLayer = "extent" | "shadow" | "frozen";
const kinds: readonly ExtentKind[] = ["hole", "clean", "dirty"];

function toExtent(row: Record<string, unknown>): Extent {
  return {
    start: row["start"] as number,
    end: row["end"] as number,
    generation: row["gen"] as number,
    kind: kinds[row["kind"] as number] as ExtentKind,
    firstEpoch: row["first_epoch"] as number,
    lastEpoch: row["last_epoch"] as number,
  };
}

function joins(left: Extent, right: Extent): boolean {
  return (
    left.end === right.start &&
    left.generation === right.generation &&
    left.kind === right.kind &&
    left.firstEpoch === right.firstEpoch &&
    left.lastEpoch === right.lastEpoch
  );
}

const columns = "start, end, gen, kind, first_epoch, last_epoch";

/** The statements for one table, whole strings: to put them together for each call costs as much as a look-up. */
const statementsFor = (table: ExtentLayer) => ({
  overlapping:
    `SELECT ${columns} FROM ${table} WHERE inode = ?1 AND start < ?3 AND end > ?2 ` +
    `AND start >= coalesce((SELECT max(start) FROM ${table} WHERE inode = ?1 AND start <= ?2), ?2) ORDER BY start`,
  insert: `INSERT INTO ${table} (inode, ${columns}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  setEnd: `UPDATE ${table} SET end = ? WHERE inode = ? AND start = ?`,
  remove: `DELETE FROM ${table} WHERE inode = ? AND start = ?`,
  neighbours:
    `SELECT ${columns} FROM ${table} WHERE inode = ?1 AND ` +
    `(start = ?3 OR start = (SELECT max(start) FROM ${table} WHERE inode = ?1 AND start < ?2))`,
});
const sql = {
  extent: statementsFor("extent"),
  shadow: statementsFor("shadow"),
  frozen: statementsFor("frozen"),
} as const satisfies Record<ExtentLayer, ReturnType<typeof statementsFor>>;

/** Rows of the three tables of byte ranges: within one table no two ranges of an inode overlap. */
export class ExtentTable {
  readonly #db: VolumeDatabase;
  constructor(db: VolumeDatabase) {
    this.#db = db;
  }

  /** Ranges of a table that overlap `[start, end)`, whole, in order. */
  overlapping(table: ExtentLayer, inode: InodeNumber, start: number, end: number): Extent[] {
    return this.#db.all(sql[table].overlapping, inode, start, end).map(toExtent);
  }

  /** Adds a row to a free range. */
  insert(table: ExtentLayer, inode: InodeNumber, extent: Extent): void {
    this.#db.run(
      sql[table].insert,
      inode,
      extent.start,
      extent.end,
      extent.generation,
      kinds.indexOf(extent.kind),
      extent.firstEpoch,
      extent.lastEpoch,
    );
  }

  /** Removes `[start, end)` from a table, cutting what reaches over its edges; returns what was removed, cut to the range. */
  cut(table: ExtentLayer, inode: InodeNumber, start: number, end: number): Extent[] {
    const found = this.overlapping(table, inode, start, end);
    for (const extent of found) {
      if (extent.start < start) {
        this.#db.run(sql[table].setEnd, start, inode, extent.start);
      } else {
        this.#db.run(sql[table].remove, inode, extent.start);
      }
      if (extent.end > end) this.insert(table, inode, { ...extent, start: end });
    }
    return found.map((extent) => ({
      ...extent,
      start: Math.max(start, extent.start),
      end: Math.min(end, extent.end),
    }));
  }

  /** Puts an extent into a free range of a table, joined with its equal neighbours. */
  join(table: ExtentLayer, inode: InodeNumber, extent: Extent): void {
    const { start } = extent;
    let { end } = extent;
    const neighbours = this.#db.all(sql[table].neighbours, inode, start, end).map(toExtent);
    const after = neighbours.find((other) => joins(extent, other));
    if (after !== undefined) {
      this.#db.run(sql[table].remove, inode, after.start);
      end = after.end;
    }
    const before = neighbours.find((other) => joins(other, extent));
    if (before === undefined) {
      this.insert(table, inode, { ...extent, end });
      return;
    }
    // A file that is written in order grows its one row, and no index changes.
    this.#db.run(sql[table].setEnd, end, inode, before.start);
  }
}
