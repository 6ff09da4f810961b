import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fdatasync, fstatSync, openSync, statSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { FsError } from "../vfs/error.ts";
import { applicationId, formatVersion, schema, upgrades } from "./schema.ts";

/** Why the state folder of a volume cannot be used; the message names the folder. */
export class CacheError extends Error {
  readonly code: "inUse" | "newerFormat" | "foreign" | "syncFailed";
  constructor(code: CacheError["code"], message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "CacheError";
    this.code = code;
  }
}

/** Whether SQLite had no room on the disk (SQLITE_FULL). */
function isFull(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === 13;
}

/**
 * Transactions after which the write-ahead log is checkpointed: when idle, and at the latest. One that changes the
 * name space writes 8 pages: the log stays near 100 MiB.
 */
const checkpointTransactions = { idle: 1_000, atLatest: 3_000 };
/** The same while the disk is nearly full, where the log must not grow: at once, whoever waits. */
const tightCheckpointTransactions = 50;

/**
 * The volume's database: one process, one connection, write-ahead log with synchronous=NORMAL. A transaction
 * is in the page cache when it returns (kill -9 loses nothing) and on the disk after {@link sync}; after a
 * power cut SQLite keeps a prefix of the transactions.
 */
export class VolumeDatabase {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #statements = new Map<string, StatementSync>();
  /** False when an earlier boot of this machine wrote what is in the database. */
  readonly sameBoot: boolean;
  /** 16 random bytes, the volume's for ever. */
  readonly volumeUuid: Uint8Array;
  /** 32 random bytes, secret, the volume's for ever. */
  readonly secret: Uint8Array;
  /** 8 bytes that change when acknowledged, unsynced data may have been lost, and only then. */
  readonly writeVerifier: Uint8Array;
  #inTransaction = false;
  /** The transaction under way has changed something: only then SQLite knows of it. */
  #changed = false;
  #walDescriptor: number | undefined;
  /** Counts transactions; the first stands for what a predecessor committed and may not have synced. */
  #committed = 1;
  #synced = 0;
  #syncing: { readonly upTo: number; readonly done: Promise<void> } | undefined;
  #failure: CacheError | undefined;
  #distrusted = false;
  #sinceCheckpoint = 0;
  #afterCommit: (() => void)[] = [];
  #afterRollback: (() => void)[] = [];

  /**
   * Opens or makes `path`. `bootId` identifies this boot of the machine.
   * @throws {CacheError} inUse when another process has it, newerFormat, foreign when it is no volume database.
   */
  constructor(path: string, bootId: string) {
    this.#path = path;
    this.#db = new DatabaseSync(path, { timeout: 0 });
    try {
      this.#configure();
    } catch (error) {
      this.#db.close();
      if (error instanceof Error && /locked|busy/i.test(error.message)) {
        throw new CacheError("inUse", `Another process uses the volume state ${path}`, {
          cause: error,
        });
      }
      throw error;
    }
    const storedBoot = this.#meta("bootId");
    this.sameBoot = storedBoot === undefined || Buffer.from(storedBoot).toString() === bootId;
    this.volumeUuid = this.#metaOrNew("volumeUuid", 16);
    this.secret = this.#metaOrNew("secret", 32);
    const verifier = this.sameBoot ? this.#meta("writeVerifier") : undefined;
    this.writeVerifier = verifier ?? randomBytes(8);
    this.#bootId = bootId;
  }
  readonly #bootId: string;

  #configure(): void {
    this.#db.exec(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; " +
        "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF",
    );
    const version = Number(this.#db.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > formatVersion) {
      throw new CacheError(
        "newerFormat",
        `The volume state ${this.#path} has format ${version}; this release reads up to ${formatVersion}`,
      );
    }
    const id = Number(this.#db.prepare("PRAGMA application_id").get()?.["application_id"]);
    if (version !== 0 && id !== applicationId) {
      throw new CacheError("foreign", `${this.#path} is not a volume database`);
    }
    this.#db.exec("BEGIN IMMEDIATE");
    if (version < formatVersion) {
      if (version === 0) this.#db.exec(schema);
      else for (const step of upgrades.slice(version - 1)) this.#db.exec(step);
      this.#db.exec(`PRAGMA application_id=${applicationId}; PRAGMA user_version=${formatVersion}`);
    }
    this.#db.exec("COMMIT");
  }

  #meta(name: string): Uint8Array | undefined {
    const value = this.get("SELECT value FROM meta WHERE name = ?", name)?.["value"];
    return value instanceof Uint8Array ? value : undefined;
  }

  #metaOrNew(name: string, lengthBytes: number): Uint8Array {
    const stored = this.#meta(name);
    if (stored !== undefined) return stored;
    const made = randomBytes(lengthBytes);
    this.transaction(() => this.run("INSERT INTO meta VALUES (?, ?)", name, made));
    return made;
  }

  /**
   * Declares that what an earlier boot left has been put in order: from here on the state belongs to this
   * boot. To be called inside the transaction that repaired it.
   */
  adoptBoot(): void {
    this.run("INSERT OR REPLACE INTO meta VALUES ('bootId', ?)", Buffer.from(this.#bootId));
    this.run("INSERT OR REPLACE INTO meta VALUES ('writeVerifier', ?)", this.writeVerifier);
  }

  /**
   * Says that a sync has failed, so that bytes believed to be on their way to the disk may be lost: the next
   * process treats the state as one that an earlier boot left, and gives out another write verifier.
   */
  distrust(): void {
    this.#distrusted = true;
    this.transaction(() =>
      this.run("INSERT OR REPLACE INTO meta VALUES ('bootId', ?)", Buffer.of()),
    );
  }

  /** Whether {@link distrust} was called: from then on nothing is acknowledged or uploaded by this process. */
  get isDistrusted(): boolean {
    return this.#distrusted;
  }

  /** A number kept in `meta`, or `initial`. */
  counter(name: string, initial: number): number {
    const stored = this.#meta(name);
    return stored === undefined ? initial : Number(Buffer.from(stored).readBigUInt64LE());
  }

  /** Keeps a number in `meta`. Inside a transaction only. */
  setCounter(name: string, value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    this.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, bytes);
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** The first row, columns by name. */
  get(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#prepare(sql).get(...values);
  }

  /** All rows, columns by name. */
  all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#prepare(sql).all(...values);
  }

  /** Executes a change; returns the number of rows it touched. */
  run(sql: string, ...values: SQLInputValue[]): number {
    // Most transactions only read. This is the one connection and all is synchronous: what they see does not change.
    if (this.#inTransaction && !this.#changed) this.#prepare("BEGIN IMMEDIATE").run();
    this.#changed = true;
    return Number(this.#prepare(sql).run(...values).changes);
  }

  /** True while inside {@link transaction}. */
  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  /**
   * Runs the synchronous `run` in one transaction; inside another one it becomes part of that. When `run`
   * throws, the outermost transaction is rolled back and the error passed on.
   * @throws {FsError} NOSPC when the disk is full; the next transaction may find some room.
   */
  transaction<T>(run: () => T): T {
    if (this.#inTransaction) return run();
    const result = this.#outermost(run);
    if (this.lowSpace && this.#sinceCheckpoint >= tightCheckpointTransactions) this.#makeRoom();
    return result;
  }

  #outermost<T>(run: () => T): T {
    this.#inTransaction = true;
    this.#changed = false;
    try {
      const result = run();
      if (this.#changed) {
        this.#prepare("COMMIT").run();
        this.#committed += 1;
        this.#sinceCheckpoint += 1;
      }
      for (const then of this.#afterCommit) queueMicrotask(then);
      return result;
    } catch (error) {
      // A full disk ends the transaction by itself.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      for (const undo of this.#afterRollback) undo();
      if (isFull(error)) {
        this.onFull();
        this.#makeRoom();
        throw new FsError("NOSPC", `No room on the disk for ${this.#path}`, { cause: error });
      }
      throw error;
    } finally {
      this.#inTransaction = false;
      this.#afterCommit = [];
      this.#afterRollback = [];
    }
  }

  /**
   * Calls `run` soon after the outermost transaction has been committed, not at all when it is rolled back;
   * outside a transaction soon. Soon is a microtask: what is called sees whole transactions only.
   */
  afterCommit(run: () => void): void {
    if (this.#inTransaction) this.#afterCommit.push(run);
    else queueMicrotask(run);
  }

  /** Calls `undo` at once when the transaction under way is rolled back: for what is kept in memory beside it. */
  afterRollback(undo: () => void): void {
    this.#afterRollback.push(undo);
  }

  /** How many transactions have changed something since the database was opened. */
  get commits(): number {
    return this.#committed;
  }

  /** Whether a committed transaction may not be on the disk yet. */
  get unsynced(): boolean {
    return this.#synced < this.#committed;
  }

  /**
   * Resolves when every transaction committed before this call is on the disk, or only those up to a value that
   * {@link commits} had. Callers share an fdatasync that started after their transaction.
   * @throws {CacheError} syncFailed, from the first failure on for ever.
   */
  async sync(upTo = this.#committed): Promise<void> {
    const wanted = Math.min(upTo, this.#committed);
    while (this.#synced < wanted) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#syncing === undefined) {
        const upTo = this.#committed;
        const done = this.#syncWal().then(
          () => {
            this.#synced = Math.max(this.#synced, upTo);
            this.#syncing = undefined;
          },
          (error: unknown) => {
            this.#failure = new CacheError("syncFailed", `Cannot sync ${this.#path}-wal`, {
              cause: error,
            });
            this.#syncing = undefined;
          },
        );
        this.#syncing = { upTo, done };
      }
      await this.#syncing.done;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #syncWal(): Promise<void> {
    const path = `${this.#path}-wal`;
    // Without a log everything is in the database file, which the checkpoint that removed the log has synced.
    if (!existsSync(path)) return Promise.resolve();
    // SQLite makes the log anew after a truncating checkpoint of another tool: compare before trusting the descriptor.
    if (this.#walDescriptor !== undefined) {
      if (fstatSync(this.#walDescriptor).ino !== statSync(path).ino) {
        closeSync(this.#walDescriptor);
        this.#walDescriptor = undefined;
      }
    }
    this.#walDescriptor ??= openSync(path, "r+");
    const descriptor = this.#walDescriptor;
    return new Promise((resolve, reject) => {
      fdatasync(descriptor, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Called when a transaction failed because the disk is full: so that the next one finds some room. */
  onFull: () => void = () => {};
  /** Set while the disk is nearly full: the log is kept short. */
  lowSpace = false;

  /** Starts the log anew, so that it needs no more space. */
  #makeRoom(): void {
    if (this.#db.isTransaction) return;
    this.#sinceCheckpoint = 0;
    try {
      this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    } catch (error) {
      // Nothing is lost: all of it stays in the log, and the next attempt comes soon.
      if (!isFull(error)) throw error;
    }
  }

  /**
   * Moves the log into the database when it has grown; blocks for two fdatasyncs. `idle`: nobody waits.
   * To be called between transactions.
   */
  checkpointIfDue(idle: boolean): void {
    const due = idle ? checkpointTransactions.idle : checkpointTransactions.atLatest;
    // Under load a sync always runs: at the latest means beside it.
    if (this.#sinceCheckpoint < due || (idle && this.#syncing !== undefined)) return;
    this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    this.#sinceCheckpoint = 0;
  }

  /**
   * Sees to it that `bytes` of transactions fit into space that the database has on the disk already: free pages in
   * its file, and a log of that length, which is used again from its start after each checkpoint. Space in our
   * own files is the only one that nobody else can take on a full disk. Blocks for a checkpoint when there is
   * something to do. Between transactions only.
   */
  keepRoom(bytes: number): void {
    const wal = `${this.#path}-wal`;
    const logBytes = existsSync(wal) ? statSync(wal).size : 0;
    const freePages = Number(this.get("PRAGMA freelist_count")?.["freelist_count"]);
    if (logBytes >= bytes && freePages * 4096 >= bytes / 2) return;
    this.transaction(() => this.run("INSERT INTO meta VALUES ('room', zeroblob(?))", bytes));
    this.transaction(() => this.run("DELETE FROM meta WHERE name = 'room'"));
    this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    this.#sinceCheckpoint = 0;
  }

  /** Keeps a record of the protocol layer. Inside a transaction only. */
  put(kind: string, key: Uint8Array, value: Uint8Array): void {
    this.run("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", kind, key, value);
  }

  /** Removes a record of the protocol layer. Inside a transaction only. */
  delete(kind: string, key: Uint8Array): void {
    this.run("DELETE FROM state WHERE kind = ? AND key = ?", kind, key);
  }

  /** The protocol layer's records of a kind, ordered by key. */
  scan(kind: string): { readonly key: Uint8Array; readonly value: Uint8Array }[] {
    return this.all("SELECT key, value FROM state WHERE kind = ? ORDER BY key", kind).map(
      (row) => ({
        key: row["key"] as Uint8Array,
        value: row["value"] as Uint8Array,
      }),
    );
  }

  /** Syncs and closes; the database is not to be used any more. */
  async close(): Promise<void> {
    if (this.unsynced && this.#failure === undefined) await this.sync();
    this.#db.close();
    if (this.#walDescriptor !== undefined) closeSync(this.#walDescriptor);
  }
}
