import type { InodeNumber } from "../vfs/attributes.ts";
import type { VolumeDatabase } from "./database.ts";
import { type Extent, ExtentTable } from "./extent-table.ts";

/** A gap in what is known: below the inode's base size the bytes are the base object's. */
export interface Gap {
  readonly start: number;
  readonly end: number;
  readonly kind: "absent";
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
  readonly #table: ExtentTable;
  #epoch: number;

  constructor(db: VolumeDatabase) {
    this.#db = db;
    this.#table = new ExtentTable(db);
    const last = db.get(
      "SELECT max(e) AS e FROM (SELECT max(last_epoch) AS e FROM extent WHERE last_epoch > 0 " +
        "UNION ALL SELECT max(last_epoch) FROM frozen)",
    )?.["e"];
    this.#epoch = Number(last ?? 0) + 1;
  }

  /** Ends the current epoch and returns its number: writes from now on belong to the next one. */
  endEpoch(): number {
    this.#epoch += 1;
    return this.#epoch - 1;
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
    for (const extent of this.#table.overlapping(layer, inode, start, end)) {
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
   * bytes are on the disk already. Returns the other cache files that held bytes of the range: nothing may refer to
   * one of them any more.
   */
  write(
    inode: InodeNumber,
    start: number,
    end: number,
    generation: number,
    synced: boolean,
  ): ReadonlySet<number> {
    if (start >= end) return new Set();
    const replaced = this.#table.cut("extent", inode, start, end);
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
      this.#table.join("extent", inode, extent);
      at = to;
    };
    for (const piece of replaced) {
      add(piece.start, lastEpoch);
      const inPlace = piece.kind === "dirty" && piece.generation === generation;
      if (inPlace) {
        add(piece.end, synced ? 0 : piece.firstEpoch);
      } else {
        if (!synced && piece.kind !== "clean" && piece.firstEpoch === 0) {
          this.#table.cut("shadow", inode, piece.start, piece.end);
          this.#table.join("shadow", inode, { ...piece, lastEpoch: 0 });
        }
        add(piece.end, lastEpoch);
      }
    }
    add(end, lastEpoch);
    const others = replaced.filter((piece) => piece.generation !== generation);
    return new Set(others.map((piece) => piece.generation));
  }

  /**
   * Records fetched bytes of the base object, in the gaps of the range only. Nothing happens when `generation`
   * is not the inode's fetch generation any more: its file may be gone, and the range is to be fetched again.
   */
  addClean(inode: InodeNumber, start: number, end: number, generation: number): void {
    const row = this.#db.get("SELECT fetch_gen FROM inode WHERE id = ?", inode);
    if (row !== undefined && row["fetch_gen"] !== generation) return;
    for (const segment of this.segments(inode, start, end)) {
      if (segment.kind !== "absent") continue;
      const epoch = this.#epoch;
      this.#table.join("extent", inode, {
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
    this.#table.cut("extent", inode, start, end);
    this.#table.cut("shadow", inode, start, end);
    this.#table.join("extent", inode, {
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
    this.#table.cut("extent", inode, size, Number.MAX_SAFE_INTEGER);
    this.#table.cut("shadow", inode, size, Number.MAX_SAFE_INTEGER);
  }

  /** The cache files that hold bytes not known to be on the disk; `dirtyOnly`: bytes that S3 does not have. */
  unsyncedGenerations(inode: InodeNumber, dirtyOnly = false): number[] {
    return this.#db
      .all(
        "SELECT DISTINCT gen FROM extent WHERE inode = ?1 AND last_epoch > 0 AND (kind = 2 OR NOT ?2)",
        inode,
        dirtyOnly ? 1 : 0,
      )
      .map((row) => row["gen"] as number);
  }

  /**
   * Records that all bytes of the file written up to the end of `epoch` are on the disk: those in the cache
   * files of `generations`, or in all that the extents or the frozen moment refer to when that is left out.
   */
  markSynced(inode: InodeNumber, epoch: number, generations?: Iterable<number>): void {
    const only = generations === undefined ? null : JSON.stringify([...generations]);
    const chosen = "(?3 IS NULL OR gen IN (SELECT value FROM json_each(?3)))";
    this.#db.run(
      "UPDATE extent SET first_epoch = iif(first_epoch <= ?2, 0, first_epoch), " +
        `last_epoch = iif(last_epoch <= ?2, 0, last_epoch) WHERE inode = ?1 AND last_epoch > 0 AND ${chosen}`,
      inode,
      epoch,
      only,
    );
    this.#db.run(
      `UPDATE frozen SET first_epoch = 0, last_epoch = 0 WHERE inode = ?1 AND last_epoch <= ?2 AND ${chosen}`,
      inode,
      epoch,
      only,
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
    for (const extent of this.#table.overlapping("extent", inode, 0, size)) {
      this.#table.insert("frozen", inode, { ...extent, end: Math.min(extent.end, size) });
    }
  }

  /** Drops the frozen layer of a file. */
  thaw(inode: InodeNumber): void {
    this.#db.run("DELETE FROM frozen WHERE inode = ?", inode);
  }

  /**
   * After an export: what is dirty in a generation up to `generation` equals the new base object, of which
   * `baseSize` bytes count.
   */
  markExported(inode: InodeNumber, generation: number, baseSize: number): void {
    this.#db.run(
      "UPDATE extent SET kind = 1 WHERE inode = ? AND kind = 2 AND gen <= ?",
      inode,
      generation,
    );
    this.#db.run(
      "DELETE FROM shadow WHERE inode = ? AND kind <> 0 AND gen <= ?",
      inode,
      generation,
    );
    // Zeros beyond it came after the frozen moment.
    for (const hole of this.#table.overlapping("shadow", inode, 0, baseSize)) {
      if (hole.kind !== "hole") continue;
      this.#table.cut("shadow", inode, hole.start, Math.min(hole.end, baseSize));
    }
  }

  /** Forgets the clean extents of a file (in one cache file of it): eviction, or a base object that has been replaced. */
  dropClean(inode: InodeNumber, generation?: number): void {
    this.#db.run(
      "DELETE FROM extent WHERE inode = ?1 AND kind = 1 AND (?2 IS NULL OR gen = ?2)",
      inode,
      generation ?? null,
    );
  }

  /** The clean bytes of each cache file: what eviction can choose from. */
  cleanFiles(): {
    readonly inode: InodeNumber;
    readonly generation: number;
    readonly bytes: number;
  }[] {
    return this.#db
      .all("SELECT inode, gen, sum(end - start) AS bytes FROM extent WHERE kind = 1 GROUP BY 1, 2")
      .map((row) => ({
        inode: row["inode"] as InodeNumber,
        generation: row["gen"] as number,
        bytes: row["bytes"] as number,
      }));
  }

  /** Makes clean extents dirty: their base object is about to go, so that they are all there is. Synced before. */
  keepClean(inode: InodeNumber): void {
    this.#db.run("UPDATE extent SET kind = 2 WHERE inode = ? AND kind = 1", inode);
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
   * object below `baseSize`, else by zeros. Trusted ones count as synced. Returns the dirty bytes given up;
   * `zeroed` hears of the ranges that became zeros, in order.
   */
  recover(
    inode: InodeNumber,
    baseSize: number,
    zeroed: (start: number, end: number) => void = () => {},
  ): number {
    let lost = 0;
    for (const extent of this.#table.overlapping("extent", inode, 0, Number.MAX_SAFE_INTEGER)) {
      if (extent.firstEpoch === 0) continue;
      this.#table.cut("extent", inode, extent.start, extent.end);
      if (extent.kind === "clean") continue;
      lost += extent.end - extent.start;
      let at = extent.start;
      const shadows = this.#table.overlapping("shadow", inode, extent.start, extent.end);
      const fill = (to: number): void => {
        const from = Math.max(at, baseSize);
        if (to > from) {
          this.addHole(inode, from, to);
          zeroed(from, to);
        }
        at = Math.max(at, to);
      };
      for (const shadow of shadows) {
        fill(Math.max(extent.start, shadow.start));
        const end = Math.min(extent.end, shadow.end);
        this.#table.join("extent", inode, {
          ...shadow,
          start: at,
          end,
          firstEpoch: 0,
          lastEpoch: 0,
        });
        at = end;
      }
      fill(extent.end);
    }
    this.#db.run("UPDATE extent SET last_epoch = 0 WHERE inode = ?", inode);
    this.#db.run("DELETE FROM shadow WHERE inode = ?", inode);
    return lost;
  }
}
