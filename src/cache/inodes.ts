import type { ETag, ObjectHeaders, ObjectKey } from "../s3/object-store.ts";
import type { FileType, InodeNumber, Timespec } from "../vfs/attributes.ts";
import type { VolumeDatabase } from "./database.ts";

/** What of a file S3 does not have yet; a sum of these bits. */
export const dirtyBits = {
  /** Its bytes. */
  data: 1,
  /** Mode, owner or times. */
  metadata: 2,
  /** Its name: the object, if there is one, is under another key. */
  name: 4,
  /** Its path is local (`.nfs…`, lost+found): the other bits wait until it is renamed to one that S3 has. */
  local: 8,
} as const;

/** The object that holds a file's base data: where it is *now*, which need not be the path's key. */
export interface RemoteObject {
  readonly key: ObjectKey;
  readonly etag: ETag;
  readonly versionId: string | undefined;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
}

/** One row of the inode table. A copy: changes count only after {@link InodeTable.put}. */
export interface InodeRow {
  readonly id: InodeNumber;
  type: FileType;
  /** Permission bits, 0 to 0o7777. */
  mode: number;
  uid: number;
  gid: number;
  links: number;
  sizeBytes: number;
  /** Bytes of `hole` extents below the size; the extent changes return by how much it changes. */
  holeBytes: number;
  accessTime: Timespec;
  modifyTime: Timespec;
  changeTime: Timespec;
  change: number;
  /** Symlink target; of device nodes their numbers, see device.ts. */
  target: Uint8Array | undefined;
  /** Verifier of the exclusive create that made it. */
  verifier: Uint8Array | undefined;
  /** Generation of the cache file that takes new data. */
  writeGeneration: number;
  /** Generation of the cache file that takes data fetched from S3. */
  fetchGeneration: number;
  nextGeneration: number;
  /** Where no extent is known, bytes below this offset equal the base object's; at most its size. */
  baseSizeBytes: number;
  /** The smallest size since the running export froze the file. */
  frozenMinSizeBytes: number;
  remote: RemoteObject | undefined;
  /** Headers and user metadata of the object, to be carried forward; undefined until a HEAD was made. */
  headers: ObjectHeaders | undefined;
  /** Whether mode, owner and times are the object's own (a HEAD was made) or ours. */
  exact: boolean;
  /** When S3 last confirmed `remote` (files) or was last listed (directories); 0: never. */
  checkedMs: number;
  /** Sum of {@link dirtyBits}. */
  dirty: number;
  /** When it became dirty, and when it was last changed. */
  dirtySinceMs: number;
  dirtyLastMs: number;
  /** Directories: whether every name below the prefix is known. */
  imported: boolean;
  nextCookie: number;
}

/** Numbers taken from the counter at once. */
const reservedIds = 64;
/** Rows kept in memory; past it the one that was read first is forgotten. */
const keptRows = 8_192;

/** By their number in the table; new ones at the end. */
const types: readonly FileType[] = [
  "file",
  "directory",
  "symlink",
  "fifo",
  "socket",
  "blockDevice",
  "characterDevice",
];
const columns =
  "id, type, mode, uid, gid, links, size, hole_bytes, atime_s, atime_n, mtime_s, mtime_n, ctime_s, ctime_n, change, target, " +
  "verifier, write_gen, fetch_gen, next_gen, base_size, frozen_min_size, key, etag, version_id, remote_size, " +
  "remote_mtime_ms, headers, exact, checked_ms, dirty, dirty_since_ms, dirty_last_ms, imported, next_cookie";
const insertSql = `INSERT OR REPLACE INTO inode (${columns}) VALUES (${columns
  .split(",")
  .map(() => "?")
  .join(",")})`;

const selectSql = `SELECT ${columns} FROM inode WHERE id = ?`;

function toRow(row: Record<string, unknown>): InodeRow {
  const number = (name: string): number => row[name] as number;
  const time = (name: string): Timespec => ({
    seconds: number(`${name}_s`),
    nanoseconds: number(`${name}_n`),
  });
  const key = row["key"] as ObjectKey | null;
  const headers = row["headers"] as string | null;
  return {
    id: row["id"] as InodeNumber,
    type: types[number("type")] as FileType,
    mode: number("mode"),
    uid: number("uid"),
    gid: number("gid"),
    links: number("links"),
    sizeBytes: number("size"),
    holeBytes: number("hole_bytes"),
    accessTime: time("atime"),
    modifyTime: time("mtime"),
    changeTime: time("ctime"),
    change: number("change"),
    target: (row["target"] as Uint8Array | null) ?? undefined,
    verifier: (row["verifier"] as Uint8Array | null) ?? undefined,
    writeGeneration: number("write_gen"),
    fetchGeneration: number("fetch_gen"),
    nextGeneration: number("next_gen"),
    baseSizeBytes: number("base_size"),
    frozenMinSizeBytes: number("frozen_min_size"),
    remote:
      key === null
        ? undefined
        : {
            key,
            etag: row["etag"] as ETag,
            versionId: (row["version_id"] as string | null) ?? undefined,
            sizeBytes: number("remote_size"),
            lastModifiedMs: number("remote_mtime_ms"),
          },
    headers: headers === null ? undefined : (JSON.parse(headers) as ObjectHeaders),
    exact: number("exact") === 1,
    checkedMs: number("checked_ms"),
    dirty: number("dirty"),
    dirtySinceMs: number("dirty_since_ms"),
    dirtyLastMs: number("dirty_last_ms"),
    imported: number("imported") === 1,
    nextCookie: number("next_cookie"),
  };
}

/** The inodes of the volume. All changes inside a transaction of the database. */
export class InodeTable {
  readonly #db: VolumeDatabase;
  /** Sums over the table, once they have been asked for. */
  #usage: { files: number; bytes: number } | undefined;
  /** Rows as the transaction under way sees them: of the one connection nobody else changes any. */
  readonly #rows = new Map<InodeNumber, InodeRow>();
  #next = 0;
  #reserved = 0;

  constructor(db: VolumeDatabase) {
    this.#db = db;
  }

  /** How many inodes there are, and the bytes of all files that are not holes. */
  usage(): { readonly files: number; readonly bytes: number } {
    if (this.#usage === undefined) {
      const row = this.#db.get(
        "SELECT count(*) AS files, coalesce(sum(size - hole_bytes), 0) AS bytes FROM inode",
      );
      this.#usage = { files: Number(row?.["files"]), bytes: Number(row?.["bytes"]) };
      // Rows of a transaction under way are counted in.
      if (this.#db.inTransaction) {
        this.#db.afterRollback(() => {
          this.#usage = undefined;
        });
      }
    }
    return { ...this.#usage };
  }

  #account(id: InodeNumber, bytesNow: number | undefined): void {
    const usage = this.#usage;
    if (usage === undefined) return;
    const row = this.#row(id);
    const bytes = (bytesNow ?? 0) - (row === undefined ? 0 : row.sizeBytes - row.holeBytes);
    const files = (bytesNow === undefined ? 0 : 1) - (row === undefined ? 0 : 1);
    if (bytes === 0 && files === 0) return;
    usage.bytes += bytes;
    usage.files += files;
    if (!this.#db.inTransaction) return;
    this.#db.afterRollback(() => {
      usage.bytes -= bytes;
      usage.files -= files;
    });
  }

  /** Whether there is such an inode. */
  has(id: InodeNumber): boolean {
    return this.#row(id) !== undefined;
  }

  /** The row, a copy. */
  get(id: InodeNumber): InodeRow | undefined {
    const row = this.#row(id);
    return row === undefined ? undefined : { ...row };
  }

  #row(id: InodeNumber): InodeRow | undefined {
    const known = this.#rows.get(id);
    if (known !== undefined) return known;
    const found = this.#db.get(selectSql, id);
    if (found === undefined) return undefined;
    const row = toRow(found);
    this.#keep(row);
    return row;
  }

  #keep(row: InodeRow): void {
    if (this.#rows.size >= keptRows) {
      for (const first of this.#rows.keys()) {
        this.#rows.delete(first);
        break;
      }
    }
    this.#rows.set(row.id, row);
  }

  /** To be called inside a transaction that changes rows by a statement of its own. */
  forgetRows(): void {
    this.#rows.clear();
    this.#db.afterRollback(() => this.#rows.clear());
  }

  /** A number never used before; some are left out at a restart. The root is 1. Inside a transaction. */
  allocate(): InodeNumber {
    // Reserved in blocks: one page less to write for each new file.
    if (this.#next === this.#reserved) {
      this.#next = this.#db.counter("nextInode", 1);
      this.#reserved = this.#next + reservedIds;
      this.#db.setCounter("nextInode", this.#reserved);
      this.#db.afterRollback(() => {
        this.#next = this.#reserved;
      });
    }
    const id = this.#next;
    this.#next += 1;
    return id as InodeNumber;
  }

  /** Writes the whole row. */
  put(row: InodeRow): void {
    this.#account(row.id, row.sizeBytes - row.holeBytes);
    this.#db.run(
      insertSql,
      row.id,
      types.indexOf(row.type),
      row.mode,
      row.uid,
      row.gid,
      row.links,
      row.sizeBytes,
      row.holeBytes,
      row.accessTime.seconds,
      row.accessTime.nanoseconds,
      row.modifyTime.seconds,
      row.modifyTime.nanoseconds,
      row.changeTime.seconds,
      row.changeTime.nanoseconds,
      row.change,
      row.target ?? null,
      row.verifier ?? null,
      row.writeGeneration,
      row.fetchGeneration,
      row.nextGeneration,
      row.baseSizeBytes,
      row.frozenMinSizeBytes,
      row.remote?.key ?? null,
      row.remote?.etag ?? null,
      row.remote?.versionId ?? null,
      row.remote?.sizeBytes ?? 0,
      row.remote?.lastModifiedMs ?? 0,
      row.headers === undefined ? null : JSON.stringify(row.headers),
      row.exact ? 1 : 0,
      row.checkedMs,
      row.dirty,
      row.dirtySinceMs,
      row.dirtyLastMs,
      row.imported ? 1 : 0,
      row.nextCookie,
    );
    this.#changed(row.id, { ...row });
  }

  /** What is read from here on, until the transaction is rolled back. */
  #changed(id: InodeNumber, row: InodeRow | undefined): void {
    this.#rows.delete(id);
    if (row !== undefined) this.#keep(row);
    if (this.#db.inTransaction) this.#db.afterRollback(() => this.#rows.delete(id));
  }

  /** Removes the row alone: names, extents and cache files are the caller's. */
  delete(id: InodeNumber): void {
    this.#account(id, undefined);
    this.#db.run("DELETE FROM inode WHERE id = ?", id);
    this.#changed(id, undefined);
  }

  /** Inodes whose object is, as far as is known here, under `key` now. */
  byRemoteKey(key: ObjectKey): InodeRow[] {
    return this.#db.all(`SELECT ${columns} FROM inode WHERE key = ?`, key).map(toRow);
  }

  /** Inodes that S3 does not have in full, longest quiet first; those with a local name left out. */
  dirty(limit: number): InodeRow[] {
    return this.#db
      .all(
        `SELECT ${columns} FROM inode WHERE dirty > 0 AND dirty < 8 ORDER BY dirty_last_ms LIMIT ?`,
        limit,
      )
      .map(toRow);
  }

  /** Sum of the sizes of files with unexported data, their number, and when the oldest became dirty (0: none). */
  pending(): { readonly files: number; readonly bytes: number; readonly oldestMs: number } {
    const row = this.#db.get(
      "SELECT count(*) AS files, coalesce(sum(CASE WHEN dirty & 1 THEN size ELSE 0 END), 0) AS bytes, " +
        "coalesce(min(dirty_since_ms), 0) AS oldest FROM inode WHERE dirty > 0 AND dirty < 8",
    );
    return {
      files: Number(row?.["files"]),
      bytes: Number(row?.["bytes"]),
      oldestMs: Number(row?.["oldest"]),
    };
  }

  /** Files without a name. */
  unlinked(): InodeNumber[] {
    return this.#db
      .all("SELECT id FROM inode WHERE links = 0")
      .map((row) => row["id"] as InodeNumber);
  }

  count(): number {
    return Number(this.#db.get("SELECT count(*) AS n FROM inode")?.["n"]);
  }
}
