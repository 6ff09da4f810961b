import type { ETag, ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { VolumeDatabase } from "./database.ts";

/** An object to be deleted at S3 because its name is gone here. */
export interface Tombstone {
  readonly key: ObjectKey;
  /** The version that may be deleted, and no other. */
  readonly etag: ETag;
  readonly versionId: string | undefined;
  readonly sinceMs: number;
}

/** A mutating S3 request that may have been sent, with all that is needed to find out and to go on. */
export interface Attempt {
  /** Never reused; part of the mark on the object. */
  readonly id: number;
  readonly inode: InodeNumber;
  readonly kind: "put" | "multipart" | "copy" | "delete";
  readonly key: ObjectKey;
  /** The state the key had to be in: an ETag, or absent (undefined). */
  readonly expected: ETag | undefined;
  /** Where the bytes (copy) or unchanged parts (multipart) come from. */
  readonly source: { readonly key: ObjectKey; readonly etag: ETag } | undefined;
  readonly uploadId: string | undefined;
  /** Size of the object this makes; the frozen size. */
  readonly sizeBytes: number;
  /** The dirty bits that success clears. */
  readonly dirty: number;
  /** `frozen`: nothing sent yet · `sent`: the outcome is not known · `superseded`: given up, to be recognised if it shows. */
  readonly state: "frozen" | "sent" | "superseded";
  readonly createdMs: number;
  /** JSON of the engine: write generation at the freeze, headers, and so on. */
  readonly detail: string | undefined;
}

function toAttempt(row: Record<string, unknown>): Attempt {
  const text = (name: string): string | undefined => (row[name] as string | null) ?? undefined;
  const sourceKey = text("source_key");
  return {
    id: row["id"] as number,
    inode: row["inode"] as InodeNumber,
    kind: row["kind"] as Attempt["kind"],
    key: row["key"] as ObjectKey,
    expected: text("expected") as ETag | undefined,
    source:
      sourceKey === undefined
        ? undefined
        : { key: sourceKey as ObjectKey, etag: text("source_etag") as ETag },
    uploadId: text("upload_id"),
    sizeBytes: row["size"] as number,
    dirty: row["dirty"] as number,
    state: row["state"] as Attempt["state"],
    createdMs: row["created_ms"] as number,
    detail: text("detail"),
  };
}

/**
 * What is under way towards S3. Write-ahead: a record is on the disk (`db.sync()`) before the request is sent.
 * All changes inside a transaction of the database.
 */
export class Journal {
  readonly #db: VolumeDatabase;
  constructor(db: VolumeDatabase) {
    this.#db = db;
  }

  /** An attempt's id, never used before. */
  allocateId(): number {
    const id = this.#db.counter("nextAttempt", 1);
    this.#db.setCounter("nextAttempt", id + 1);
    return id;
  }

  /** Adds or replaces a record. */
  put(attempt: Attempt): void {
    this.#db.run(
      "INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      attempt.id,
      attempt.inode,
      attempt.kind,
      attempt.key,
      attempt.expected ?? null,
      attempt.source?.key ?? null,
      attempt.source?.etag ?? null,
      attempt.uploadId ?? null,
      attempt.sizeBytes,
      attempt.dirty,
      attempt.state,
      attempt.createdMs,
      attempt.detail ?? null,
    );
  }

  remove(id: number): void {
    this.#db.run("DELETE FROM attempt WHERE id = ?", id);
  }

  all(): Attempt[] {
    return this.#db.all("SELECT * FROM attempt ORDER BY id").map(toAttempt);
  }

  ofInode(inode: InodeNumber): Attempt[] {
    return this.#db.all("SELECT * FROM attempt WHERE inode = ? ORDER BY id", inode).map(toAttempt);
  }

  ofKey(key: ObjectKey): Attempt[] {
    return this.#db.all("SELECT * FROM attempt WHERE key = ? ORDER BY id", key).map(toAttempt);
  }

  /** Marks an object for deletion; the newest version wins. */
  bury(tombstone: Tombstone): void {
    this.#db.run(
      "INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?, ?)",
      tombstone.key,
      tombstone.etag,
      tombstone.versionId ?? null,
      tombstone.sinceMs,
    );
  }

  tombstone(key: ObjectKey): Tombstone | undefined {
    return this.#tombstones("WHERE key = ?", key)[0];
  }

  /** Tombstones at least as old as `sinceMs`, oldest first. */
  tombstones(sinceMs: number, limit: number): Tombstone[] {
    return this.#tombstones("WHERE since_ms <= ? ORDER BY since_ms LIMIT ?", sinceMs, limit);
  }

  #tombstones(where: string, ...values: (string | number)[]): Tombstone[] {
    return this.#db.all(`SELECT * FROM tombstone ${where}`, ...values).map((row) => ({
      key: row["key"] as ObjectKey,
      etag: row["etag"] as ETag,
      versionId: (row["version_id"] as string | null) ?? undefined,
      sinceMs: row["since_ms"] as number,
    }));
  }

  /** Drops a tombstone: the object is deleted, replaced by us, or somebody else's now. */
  unbury(key: ObjectKey): void {
    this.#db.run("DELETE FROM tombstone WHERE key = ?", key);
  }

  countTombstones(): number {
    return Number(this.#db.get("SELECT count(*) AS n FROM tombstone")?.["n"]);
  }
}
