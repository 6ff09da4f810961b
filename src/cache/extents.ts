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

/** A gap in what is known: below the inode's base size the bytes are the base object's. */
export interface Gap {
  readonly start: number;
  readonly end: number;
  readonly kind: "absent";
}

type Table = "extent" | "shadow" | "frozen";
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

/**
 * The byte ranges of all files, in three layers: `extent` (now), `shadow` (what to fall back to where an
 * extent does not survive a power cut), `frozen` (the moment that is being exported). All changes inside a
 * transaction of the database.
 *
 * An epoch is a number that grows with each sync and each freeze: bytes written in an epoch are on the disk
 * after an fdatasync of their cache file that began after the epoch had ended.
 */
export class ExtentMap {
  readonly #db: VolumeDatabase;
  #epoch: number;

  constructor(db: VolumeDatabase) {
    this.#db = db;
    const last = db.get("SELECT max(last_epoch) AS e FROM extent WHERE last_epoch > 0")?.["e"];
    this.#epoch = Number(last ?? 0) + 1;
  }

  /** Ends the current epoch and returns its number: writes from now on belong to the next one. */
  endEpoch(): number {
    this.#epoch += 1;
    return this.#epoch - 1;
  }

  #overlapping(table: Table, inode: InodeNumber, start: number, end: number): Extent[] {
    return this.#db
      .all(
        `SELECT start, end, gen, kind, first_epoch, last_epoch FROM ${table} WHERE inode = ?1 AND start < ?3 AND end > ?2 ` +
          `AND start >= coalesce((SELECT max(start) FROM ${table} WHERE inode = ?1 AND start <= ?2), ?2) ORDER BY start`,
        inode,
        start,
        end,
      )
      .map(toExtent);
  }

  #insert(table: Table, inode: InodeNumber, extent: Extent): void {
    this.#db.run(
      `INSERT INTO ${table} (inode, start, end, gen, kind, first_epoch, last_epoch) VALUES (?, ?, ?, ?, ?, ?, ?)`,
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
  #cut(table: Table, inode: InodeNumber, start: number, end: number): Extent[] {
    const found = this.#overlapping(table, inode, start, end);
    for (const extent of found) {
      if (extent.start < start) {
        this.#db.run(
          `UPDATE ${table} SET end = ? WHERE inode = ? AND start = ?`,
          start,
          inode,
          extent.start,
        );
      } else {
        this.#db.run(`DELETE FROM ${table} WHERE inode = ? AND start = ?`, inode, extent.start);
      }
      if (extent.end > end) this.#insert(table, inode, { ...extent, start: end });
    }
    return found.map((extent) => ({
      ...extent,
      start: Math.max(start, extent.start),
      end: Math.min(end, extent.end),
    }));
  }

  /** Puts an extent into a free range of a table, joined with its equal neighbours. */
  #join(table: Table, inode: InodeNumber, extent: Extent): void {
    let { start, end } = extent;
    const neighbours = this.#db
      .all(
        `SELECT start, end, gen, kind, first_epoch, last_epoch FROM ${table} WHERE inode = ?1 AND ` +
          `(start = ?3 OR start = (SELECT max(start) FROM ${table} WHERE inode = ?1 AND start < ?2))`,
        inode,
        start,
        end,
      )
      .map(toExtent);
    for (const other of neighbours) {
      if (joins(other, extent)) start = other.start;
      else if (joins(extent, other)) end = other.end;
      else continue;
      this.#db.run(`DELETE FROM ${table} WHERE inode = ? AND start = ?`, inode, other.start);
    }
    this.#insert(table, inode, { ...extent, start, end });
  }

  /** What is known of `[start, end)` now (or in the frozen moment), gaps included, in order and without overlap. */
  segments(
    inode: InodeNumber,
    start: number,
    end: number,
    layer: "extent" | "frozen" = "extent",
  ): (Extent | Gap)[] {
    const result: (Extent | Gap)[] = [];
    let at = start;
    for (const extent of this.#overlapping(layer, inode, start, end)) {
      if (extent.start > at) result.push({ kind: "absent", start: at, end: extent.start });
      const cut = {
        ...extent,
        start: Math.max(start, extent.start),
        end: Math.min(end, extent.end),
      };
      result.push(cut);
      at = cut.end;
    }
    if (at < end) result.push({ kind: "absent", start: at, end });
    return result;
  }

  /**
   * Records that `[start, end)` was written to the cache file of `generation`, the inode's unfrozen write
   * generation. What this replaces and may be needed after a power cut goes to the shadow layer. `synced`: the
   * bytes are on the disk already.
   */
  write(inode: InodeNumber, start: number, end: number, generation: number, synced: boolean): void {
    if (start >= end) return;
    const replaced = this.#cut("extent", inode, start, end);
    const lastEpoch = synced ? 0 : this.#epoch;
    let at = start;
    const add = (to: number, firstEpoch: number): void => {
      if (to <= at) return;
      const extent: Extent = {
        start: at,
        end: to,
        generation,
        kind: "dirty",
        firstEpoch,
        lastEpoch,
      };
      this.#join("extent", inode, extent);
      at = to;
    };
    for (const piece of replaced) {
      add(piece.start, lastEpoch);
      const inPlace = piece.kind === "dirty" && piece.generation === generation;
      if (inPlace) {
        add(piece.end, synced ? 0 : piece.firstEpoch);
      } else {
        if (!synced && piece.kind !== "clean" && piece.firstEpoch === 0) {
          this.#cut("shadow", inode, piece.start, piece.end);
          this.#join("shadow", inode, { ...piece, lastEpoch: 0 });
        }
        add(piece.end, lastEpoch);
      }
    }
    add(end, lastEpoch);
  }

  /** Records fetched bytes of the base object, in the gaps of the range only. */
  addClean(inode: InodeNumber, start: number, end: number, generation: number): void {
    for (const segment of this.segments(inode, start, end)) {
      if (segment.kind !== "absent") continue;
      const epoch = this.#epoch;
      this.#join("extent", inode, {
        start: segment.start,
        end: segment.end,
        generation,
        kind: "clean",
        firstEpoch: epoch,
        lastEpoch: epoch,
      });
    }
  }

  /** Makes `[start, end)` zeros: what an extension or a hole punched by an application leaves. */
  addHole(inode: InodeNumber, start: number, end: number): void {
    if (start >= end) return;
    this.#cut("extent", inode, start, end);
    this.#cut("shadow", inode, start, end);
    this.#join("extent", inode, {
      start,
      end,
      generation: 0,
      kind: "hole",
      firstEpoch: 0,
      lastEpoch: 0,
    });
  }

  /** Forgets everything from `size` on. */
  truncate(inode: InodeNumber, size: number): void {
    this.#cut("extent", inode, size, Number.MAX_SAFE_INTEGER);
    this.#cut("shadow", inode, size, Number.MAX_SAFE_INTEGER);
  }

  /** The cache files that hold bytes not known to be on the disk. */
  unsyncedGenerations(inode: InodeNumber): number[] {
    return this.#db
      .all("SELECT DISTINCT gen FROM extent WHERE inode = ? AND last_epoch > 0", inode)
      .map((row) => row["gen"] as number);
  }

  /** Records that all bytes of the file written up to the end of `epoch` are on the disk. */
  markSynced(inode: InodeNumber, epoch: number): void {
    this.#db.run(
      "UPDATE extent SET first_epoch = iif(first_epoch <= ?2, 0, first_epoch), " +
        "last_epoch = iif(last_epoch <= ?2, 0, last_epoch) WHERE inode = ?1 AND last_epoch > 0",
      inode,
      epoch,
    );
    this.#db.run(
      "UPDATE frozen SET first_epoch = 0, last_epoch = 0 WHERE inode = ? AND last_epoch <= ?",
      inode,
      epoch,
    );
    const untrusted = this.#db.get(
      "SELECT 1 AS x FROM extent WHERE inode = ? AND last_epoch > 0 AND first_epoch > 0 LIMIT 1",
      inode,
    );
    if (untrusted === undefined) this.#db.run("DELETE FROM shadow WHERE inode = ?", inode);
  }

  /** Copies the extents of `[0, size)` into the frozen layer, in place of what is there. */
  freeze(inode: InodeNumber, size: number): void {
    this.thaw(inode);
    for (const extent of this.#overlapping("extent", inode, 0, size)) {
      this.#insert("frozen", inode, { ...extent, end: Math.min(extent.end, size) });
    }
  }

  /** Drops the frozen layer of a file. */
  thaw(inode: InodeNumber): void {
    this.#db.run("DELETE FROM frozen WHERE inode = ?", inode);
  }

  /** After an export: what is dirty in a generation up to `generation` equals the new base object. */
  markExported(inode: InodeNumber, generation: number): void {
    this.#db.run(
      "UPDATE extent SET kind = 1 WHERE inode = ? AND kind = 2 AND gen <= ?",
      inode,
      generation,
    );
    this.#db.run(
      "DELETE FROM shadow WHERE inode = ? AND (kind = 0 OR gen <= ?)",
      inode,
      generation,
    );
  }

  /** Forgets the clean extents of a file: eviction, or a base object that has been replaced. */
  dropClean(inode: InodeNumber): void {
    this.#db.run("DELETE FROM extent WHERE inode = ? AND kind = 1", inode);
  }

  /** Forgets the file in the layers `extent` and `shadow`. */
  dropAll(inode: InodeNumber): void {
    this.#db.run("DELETE FROM extent WHERE inode = ?", inode);
    this.#db.run("DELETE FROM shadow WHERE inode = ?", inode);
  }

  /** Whether S3 lacks bytes of this file. */
  hasDirty(inode: InodeNumber): boolean {
    return (
      this.#db.get("SELECT 1 AS x FROM extent WHERE inode = ? AND kind = 2 LIMIT 1", inode) !==
      undefined
    );
  }

  /** Bytes of all files in clean extents: what eviction could free. */
  cleanBytes(): number {
    return Number(
      this.#db.get("SELECT coalesce(sum(end - start), 0) AS n FROM extent WHERE kind = 1")?.["n"],
    );
  }

  /** Bytes of a file that are zeros by its extents. */
  holeBytes(inode: InodeNumber, size: number): number {
    let sum = 0;
    for (const segment of this.segments(inode, 0, size)) {
      if (segment.kind === "hole") sum += segment.end - segment.start;
    }
    return sum;
  }

  /** The cache files of an inode that some layer refers to. */
  usedGenerations(inode: InodeNumber): Set<number> {
    const rows = this.#db.all(
      "SELECT gen FROM extent WHERE inode = ?1 UNION SELECT gen FROM shadow WHERE inode = ?1 " +
        "UNION SELECT gen FROM frozen WHERE inode = ?1",
      inode,
    );
    return new Set(rows.map((row) => row["gen"] as number));
  }

  /** Files that hold extents which a power cut may have taken. */
  withUntrusted(): InodeNumber[] {
    return this.#db
      .all("SELECT DISTINCT inode FROM extent WHERE last_epoch > 0")
      .map((row) => row["inode"] as InodeNumber);
  }

  /**
   * After a power cut: replaces each extent of the file that is not trusted by what it had replaced, by the base
   * object below `baseSize`, else by zeros. Trusted ones count as synced. Returns the dirty bytes given up.
   */
  recover(inode: InodeNumber, baseSize: number): number {
    let lost = 0;
    for (const extent of this.#overlapping("extent", inode, 0, Number.MAX_SAFE_INTEGER)) {
      if (extent.firstEpoch === 0) continue;
      this.#cut("extent", inode, extent.start, extent.end);
      if (extent.kind === "clean") continue;
      lost += extent.end - extent.start;
      let at = extent.start;
      const shadows = this.#overlapping("shadow", inode, extent.start, extent.end);
      const fill = (to: number): void => {
        if (to > Math.max(at, baseSize)) this.addHole(inode, Math.max(at, baseSize), to);
        at = Math.max(at, to);
      };
      for (const shadow of shadows) {
        fill(Math.max(extent.start, shadow.start));
        const end = Math.min(extent.end, shadow.end);
        this.#join("extent", inode, { ...shadow, start: at, end, firstEpoch: 0, lastEpoch: 0 });
        at = end;
      }
      fill(extent.end);
    }
    this.#db.run("UPDATE extent SET last_epoch = 0 WHERE inode = ?", inode);
    this.#db.run("DELETE FROM shadow WHERE inode = ?", inode);
    return lost;
  }
}
