import { randomBytes } from "node:crypto";
import type { ETag, ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { VolumeDatabase } from "./database.ts";

/**
 * A file with several names, or a record at S3 that tells of one.
 *
 * One name of such a file is its primary one: the object is kept under it, and `entry.link` is 0. The others are told
 * by a record at S3 (sync/link-records.ts). What that says is in `link_name`, key by key; what it should say follows
 * from the entries, and from the names that it gives but no listing has shown here yet.
 */
export interface LinkRow {
  /** 32 hexadecimal digits: the record's name, and `s3files-link` in the object's user metadata. Never reused. */
  readonly id: string;
  /** The file; 0 when no listing has shown it yet, and the number of an inode that is gone when the file is. */
  inode: InodeNumber;
  /** The record at S3; undefined when there is none. */
  etag: ETag | undefined;
  /** Since when the record may have to be written; 0: it says what it should. */
  dirtySinceMs: number;
  /** When a request that makes the record was last left without an answer, so that it may arrive late; 0: never. */
  doubtMs: number;
}

/** A name that the record at S3 gives a file. */
export interface LinkName {
  readonly id: string;
  readonly key: ObjectKey;
  readonly isPrimary: boolean;
  /** It has been made an entry here, so that the entries tell from now on whether it is there. */
  readonly isShown: boolean;
}

/** An inode number that no inode has: of a record whose file is not known here. */
export const noInode = 0 as InodeNumber;

function toLink(row: Record<string, unknown>): LinkRow {
  return {
    id: row["id"] as string,
    inode: row["inode"] as InodeNumber,
    etag: (row["etag"] as ETag | null) ?? undefined,
    dirtySinceMs: row["dirty_since_ms"] as number,
    doubtMs: row["doubt_ms"] as number,
  };
}

function toName(row: Record<string, unknown>): LinkName {
  return {
    id: row["id"] as string,
    key: row["key"] as ObjectKey,
    isPrimary: row["is_primary"] === 1,
    isShown: row["is_shown"] === 1,
  };
}

/** The first key that does not begin with `prefix`, which ends in `/` or is empty. */
const endOf = (prefix: string): string =>
  prefix === "" ? "\u{10FFFF}" : `${prefix.slice(0, -1)}0`;

/** Files with several names. All changes inside a transaction of the database. */
export class LinkTable {
  readonly #db: VolumeDatabase;
  /** False: no row, so that volumes without hard links need not ask. Undefined: not known. */
  #isUsed: boolean | undefined;

  constructor(db: VolumeDatabase) {
    this.#db = db;
  }

  /** Whether there is any row; may be true when the last one is gone. */
  get isUsed(): boolean {
    this.#isUsed ??= this.#db.get("SELECT 1 AS x FROM link LIMIT 1") !== undefined;
    return this.#isUsed;
  }

  get(id: string): LinkRow | undefined {
    const row = this.#db.get("SELECT * FROM link WHERE id = ?", id);
    return row === undefined ? undefined : toLink(row);
  }

  ofInode(inode: InodeNumber): LinkRow | undefined {
    if (!this.isUsed || inode <= noInode) return undefined;
    const row = this.#db.get("SELECT * FROM link WHERE inode = ?", inode);
    return row === undefined ? undefined : toLink(row);
  }

  /** All rows, in the order of their ids. */
  all(): LinkRow[] {
    return this.#db.all("SELECT * FROM link ORDER BY id").map(toLink);
  }

  /** Rows without a record, and nothing to do: of files in local places, or kept for requests that may arrive late. */
  idle(): LinkRow[] {
    if (!this.isUsed) return [];
    return this.#db.all("SELECT * FROM link WHERE etag IS NULL AND dirty_since_ms = 0").map(toLink);
  }

  /** The row of a file that gets a second name; made when there is none. */
  ensure(inode: InodeNumber): LinkRow {
    const found = this.ofInode(inode);
    if (found !== undefined) return found;
    const id = randomBytes(16).toString("hex");
    const row: LinkRow = { id, inode, etag: undefined, dirtySinceMs: 0, doubtMs: 0 };
    this.put(row);
    return row;
  }

  put(row: LinkRow): void {
    this.#isUsed = true;
    this.#db.run(
      "INSERT OR REPLACE INTO link (id, inode, etag, dirty_since_ms, doubt_ms) VALUES (?, ?, ?, ?, ?)",
      row.id,
      row.inode,
      row.etag ?? null,
      row.dirtySinceMs,
      row.doubtMs,
    );
  }

  /** Removes the row with its names. */
  delete(id: string): void {
    this.#db.run("DELETE FROM link_name WHERE id = ?", id);
    this.#db.run("DELETE FROM link WHERE id = ?", id);
  }

  /** Says that the names of a file have changed, if it has, or has had, several. */
  touch(inode: InodeNumber, nowMs: number): void {
    const row = this.ofInode(inode);
    if (row !== undefined && row.dirtySinceMs === 0) this.put({ ...row, dirtySinceMs: nowMs });
  }

  /** Rows whose record may have to be written, at least as old as `sinceMs`, oldest first. */
  dirty(sinceMs: number): LinkRow[] {
    if (!this.isUsed) return [];
    return this.#db
      .all(
        "SELECT * FROM link WHERE dirty_since_ms > 0 AND dirty_since_ms <= ? ORDER BY dirty_since_ms",
        sinceMs,
      )
      .map(toLink);
  }

  /** How many are dirty, and since when the oldest (0: none). */
  pending(): { readonly count: number; readonly oldestMs: number } {
    if (!this.isUsed) return { count: 0, oldestMs: 0 };
    const row = this.#db.get(
      "SELECT count(*) AS n, coalesce(min(dirty_since_ms), 0) AS oldest FROM link WHERE dirty_since_ms > 0",
    );
    return { count: Number(row?.["n"]), oldestMs: Number(row?.["oldest"]) };
  }

  /** Of how many a request without an answer has been sent since `sinceMs`, and may still arrive. */
  inDoubt(sinceMs: number): number {
    if (!this.isUsed) return 0;
    return Number(
      this.#db.get("SELECT count(*) AS n FROM link WHERE doubt_ms > ?", sinceMs)?.["n"],
    );
  }

  /** What the record says. */
  names(id: string): LinkName[] {
    return this.#db.all("SELECT * FROM link_name WHERE id = ? ORDER BY key", id).map(toName);
  }

  putName(name: LinkName): void {
    this.#db.run(
      "INSERT OR REPLACE INTO link_name (id, key, is_primary, is_shown) VALUES (?, ?, ?, ?)",
      name.id,
      name.key,
      name.isPrimary ? 1 : 0,
      name.isShown ? 1 : 0,
    );
  }

  deleteName(id: string, key: ObjectKey): void {
    this.#db.run("DELETE FROM link_name WHERE id = ? AND key = ?", id, key);
  }

  /** Everything that a record says of a key. */
  namesAt(key: ObjectKey): LinkName[] {
    if (!this.isUsed) return [];
    return this.#db.all("SELECT * FROM link_name WHERE key = ? ORDER BY id", key).map(toName);
  }

  /** Names below a prefix that no listing has shown yet, without primary ones, in the order of their keys. */
  unshownBelow(prefix: string): LinkName[] {
    if (!this.isUsed) return [];
    return this.#db
      .all(
        "SELECT * FROM link_name WHERE key >= ? AND key < ? AND is_primary = 0 AND is_shown = 0 ORDER BY key, id",
        prefix,
        endOf(prefix),
      )
      .map(toName);
  }

  /**
   * What names that no listing has shown yet put into the directory with a prefix: names themselves, and the
   * directories that longer ones imply.
   */
  unshownIn(prefix: string): { readonly names: LinkName[]; readonly directories: string[] } {
    const found = { names: [] as LinkName[], directories: [] as string[] };
    if (!this.isUsed) return found;
    const end = endOf(prefix);
    for (let from = prefix; ; ) {
      const row = this.#db.get(
        "SELECT * FROM link_name WHERE key >= ? AND key < ? AND is_primary = 0 AND is_shown = 0 ORDER BY key LIMIT 1",
        from,
        end,
      );
      if (row === undefined) return found;
      const name = toName(row);
      const rest = name.key.slice(prefix.length);
      const cut = rest.indexOf("/");
      if (cut === -1) {
        found.names.push(name);
        from = `${name.key}\u0001`;
      } else {
        found.directories.push(rest.slice(0, cut));
        from = `${prefix}${rest.slice(0, cut)}0`; // "0" follows "/"
      }
    }
  }

  /** Names of a file that no listing has shown yet. */
  unshownOf(inode: InodeNumber): LinkName[] {
    const row = this.ofInode(inode);
    if (row === undefined) return [];
    return this.names(row.id).filter(({ isPrimary, isShown }) => !isPrimary && !isShown);
  }
}
