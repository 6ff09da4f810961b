import { randomBytes } from "node:crypto";
import type { StateStore } from "../../src/nfs4/state/state-store.ts";

interface StoredRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
type Records = Map<string, Map<string, StoredRecord>>;

interface Content {
  readonly records: Records;
  readonly synced: Records;
  readonly volumeUuid: Uint8Array;
  readonly secret: Uint8Array;
}

const copyOf = (records: Records): Records =>
  new Map([...records].map(([kind, ofKind]) => [kind, new Map(ofKind)]));

/** What a fake that shares the store's transactions needs of it. */
export interface UndoLog {
  /** Runs `undo` when the current transaction is rolled back, last change first. Throws outside a transaction. */
  undo(undo: () => void): void;
}

/**
 * A state store in memory. Transactions roll back, nest as savepoints, and everything outside one is refused
 * as the real store does. `crash` and `reboot` give the store that the next process would open.
 */
export class MemoryStateStore implements StateStore, UndoLog {
  readonly sameBoot: boolean;
  readonly volumeUuid: Uint8Array;
  readonly secret: Uint8Array;
  /** Transactions committed that changed something. */
  commits = 0;
  #syncedCommits = 0;
  /** Calls of `sync` for which something was left to do. */
  syncs = 0;
  /** When set, the next transaction that has changed something fails with it. */
  commitFailure: Error | undefined;
  /** When set, the next `sync` rejects with it, and all later ones. */
  syncFailure: Error | undefined;
  /** When set, `sync` waits for it. */
  syncDelay: Promise<void> | undefined;
  readonly #records: Records;
  #synced: Records;
  #undo: (() => void)[] | undefined;
  #isOpen = true;

  constructor(content?: Content, sameBoot = true) {
    this.#records = content?.records ?? new Map();
    this.#synced = content?.synced ?? new Map();
    this.volumeUuid = content?.volumeUuid ?? randomBytes(16);
    this.secret = content?.secret ?? randomBytes(32);
    this.sameBoot = sameBoot;
  }

  transaction<T>(run: () => T): T {
    this.#mustBeOpen();
    const outer = this.#undo;
    const mine: (() => void)[] = [];
    this.#undo = mine;
    try {
      const result = run();
      const failure = outer === undefined && mine.length > 0 ? this.commitFailure : undefined;
      if (failure !== undefined) {
        this.commitFailure = undefined;
        throw failure;
      }
      if (result instanceof Promise) throw new Error("A transaction must not be asynchronous");
      if (outer !== undefined) outer.push(...mine);
      else if (mine.length > 0) this.commits += 1;
      return result;
    } catch (error) {
      for (const undo of mine.reverse()) undo();
      throw error;
    } finally {
      this.#undo = outer;
    }
  }

  undo(undo: () => void): void {
    if (this.#undo === undefined) throw new Error("Change outside a transaction");
    this.#undo.push(undo);
  }

  put(kind: string, key: Uint8Array, value: Uint8Array): void {
    this.#set(kind, key, { key: Uint8Array.from(key), value: Uint8Array.from(value) });
  }

  delete(kind: string, key: Uint8Array): void {
    this.#set(kind, key, undefined);
  }

  *scan(kind: string): Iterable<StoredRecord> {
    this.#mustBeOpen();
    const ofKind = [...(this.#records.get(kind)?.values() ?? [])];
    yield* ofKind.sort((a, b) => Buffer.compare(a.key, b.key));
  }

  async sync(upTo = this.commits): Promise<void> {
    this.#mustBeOpen();
    if (this.syncFailure === undefined && upTo <= this.#syncedCommits) return;
    this.syncs += 1;
    const committed = copyOf(this.#records);
    const { commits } = this;
    await this.syncDelay;
    if (this.syncFailure !== undefined) throw this.syncFailure;
    this.#synced = committed;
    this.#syncedCommits = commits;
  }

  /** The process ends now; what was committed stays. This store refuses everything from here on. */
  crash(): MemoryStateStore {
    this.#isOpen = false;
    return new MemoryStateStore(
      { ...this.#identity(), records: copyOf(this.#records), synced: copyOf(this.#synced) },
      true,
    );
  }

  /** The machine ends now; what was synced stays. */
  reboot(): MemoryStateStore {
    this.#isOpen = false;
    const synced = copyOf(this.#synced);
    return new MemoryStateStore(
      { ...this.#identity(), records: synced, synced: copyOf(synced) },
      false,
    );
  }

  #identity() {
    return { volumeUuid: this.volumeUuid, secret: this.secret };
  }

  #mustBeOpen(): void {
    if (!this.#isOpen) throw new Error("The process of this store has ended");
  }

  #set(kind: string, key: Uint8Array, record: StoredRecord | undefined): void {
    this.#mustBeOpen();
    const ofKind = this.#records.get(kind) ?? new Map<string, StoredRecord>();
    this.#records.set(kind, ofKind);
    const at = Buffer.from(key).toString("hex");
    const before = ofKind.get(at);
    const set = (value: StoredRecord | undefined) => {
      if (value === undefined) ofKind.delete(at);
      else ofKind.set(at, value);
    };
    this.undo(() => set(before));
    set(record);
  }
}
