import type { InodeNumber } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import type { VolumeDatabase } from "./database.ts";

/** A name in a directory. */
export interface EntryRow {
  readonly name: FileName;
  readonly cookie: number;
  readonly inode: InodeNumber;
  /** A further name of a file: its object is kept under another one, its primary name. */
  readonly isLink: boolean;
}

/** Where an entry is. */
export interface NamedEntry extends EntryRow {
  readonly directory: InodeNumber;
}

/** The first cookie that a directory gives out; 0, 1 and 2 are reserved (RFC 8881 §18.23.3). */
export const firstCookie = 3;

function toEntry(row: Record<string, unknown>): EntryRow {
  return {
    name: row["name"] as FileName,
    cookie: row["cookie"] as number,
    inode: row["inode"] as InodeNumber,
    isLink: row["link"] === 1,
  };
}

/** The directory entries of the volume. All changes inside a transaction of the database. */
export class EntryTable {
  readonly #db: VolumeDatabase;
  constructor(db: VolumeDatabase) {
    this.#db = db;
  }

  get(directory: InodeNumber, name: FileName): EntryRow | undefined {
    const row = this.#db.get(
      "SELECT name, cookie, inode, link FROM entry WHERE dir = ? AND name = ?",
      directory,
      name,
    );
    return row === undefined ? undefined : toEntry(row);
  }

  /** Adds a name under a cookie taken from the directory's `nextCookie`, which the caller advances. */
  insert(directory: InodeNumber, entry: EntryRow): void {
    this.#db.run(
      "INSERT INTO entry (dir, name, cookie, inode, link) VALUES (?, ?, ?, ?, ?)",
      directory,
      entry.name,
      entry.cookie,
      entry.inode,
      entry.isLink ? 1 : 0,
    );
  }

  remove(directory: InodeNumber, name: FileName): void {
    this.#db.run("DELETE FROM entry WHERE dir = ? AND name = ?", directory, name);
  }

  /** Entries with a cookie above `after`, in cookie order. */
  page(directory: InodeNumber, after: number, limit: number): EntryRow[] {
    return this.#db
      .all(
        "SELECT name, cookie, inode, link FROM entry WHERE dir = ? AND cookie > ? ORDER BY cookie LIMIT ?",
        directory,
        after,
        limit,
      )
      .map(toEntry);
  }

  isEmpty(directory: InodeNumber): boolean {
    return this.#db.get("SELECT 1 AS x FROM entry WHERE dir = ? LIMIT 1", directory) === undefined;
  }

  /** Number of sub-directories, for link counts. */
  subdirectories(directory: InodeNumber): number {
    return Number(
      this.#db.get(
        "SELECT count(*) AS n FROM entry JOIN inode ON inode.id = entry.inode WHERE dir = ? AND inode.type = 1",
        directory,
      )?.["n"],
    );
  }

  /** All names of an inode, the primary one first, the others in the order of their cookies. */
  ofInode(inode: InodeNumber): NamedEntry[] {
    return this.#db
      .all(
        "SELECT dir, name, cookie, inode, link FROM entry WHERE inode = ? ORDER BY link, cookie, dir",
        inode,
      )
      .map((row) => ({ ...toEntry(row), directory: row["dir"] as InodeNumber }));
  }

  /** Makes an entry the primary name of its inode, or one of the others. */
  setLink(directory: InodeNumber, name: FileName, isLink: boolean): void {
    this.#db.run(
      "UPDATE entry SET link = ? WHERE dir = ? AND name = ?",
      isLink ? 1 : 0,
      directory,
      name,
    );
  }

  /** Gives all names of one inode to another. */
  giveAll(from: InodeNumber, to: InodeNumber): void {
    this.#db.run("UPDATE entry SET inode = ? WHERE inode = ?", to, from);
  }

  /** The directory and primary name of an inode; undefined for the root and for what has no name. */
  parent(
    inode: InodeNumber,
  ): { readonly directory: InodeNumber; readonly name: FileName } | undefined {
    const row = this.#db.get(
      "SELECT dir, name FROM entry WHERE inode = ? ORDER BY link LIMIT 1",
      inode,
    );
    return row === undefined
      ? undefined
      : { directory: row["dir"] as InodeNumber, name: row["name"] as FileName };
  }

  /** Names from the root down to the inode; empty for the root, undefined when it has no name any more. */
  path(inode: InodeNumber, root: InodeNumber): FileName[] | undefined {
    const names: FileName[] = [];
    let at = inode;
    while (at !== root) {
      const parent = this.parent(at);
      if (parent === undefined) return undefined;
      names.push(parent.name);
      at = parent.directory;
    }
    return names.reverse();
  }

  /** All inodes below a directory (itself left out), parents before children. */
  descendants(directory: InodeNumber): InodeNumber[] {
    return this.#db
      .all(
        "WITH RECURSIVE below(id) AS (SELECT inode FROM entry WHERE dir = ? " +
          "UNION ALL SELECT entry.inode FROM entry JOIN below ON entry.dir = below.id) SELECT id FROM below",
        directory,
      )
      .map((row) => row["id"] as InodeNumber);
  }
}
