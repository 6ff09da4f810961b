import type { StateStore } from "./state-store.ts";

/**
 * Transactions over the store that keep memory and disk the same: whoever changes memory inside one says
 * here how to take it back. Not re-entrant.
 */
export class Ledger {
  readonly #store: StateStore;
  #undo: (() => void)[] = [];
  #compensations: (() => void)[] = [];
  #inside = false;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /**
   * Runs the synchronous `run` in one transaction. When it throws, or cannot be committed, memory is as
   * before and the error is passed on.
   */
  transaction<T>(run: () => T): T {
    if (this.#inside) throw new Error("Transaction inside a transaction");
    this.#inside = true;
    try {
      return this.#store.transaction(run);
    } catch (error) {
      for (const undo of this.#undo.reverse()) undo();
      const compensations = this.#compensations;
      if (compensations.length > 0) {
        this.#store.transaction(() => {
          for (const compensate of compensations) compensate();
        });
      }
      throw error;
    } finally {
      this.#inside = false;
      this.#undo = [];
      this.#compensations = [];
    }
  }

  /** How many transactions have changed something: a position for `StateStore.sync`. */
  get commits(): number {
    return this.#store.commits;
  }

  /** Registers how a change of memory is taken back should the transaction fail; undone last first. */
  onRollback(undo: () => void): void {
    this.#check();
    this.#undo.push(undo);
  }

  /** Registers what is to be done in a transaction of its own after a rollback. */
  afterRollback(compensate: () => void): void {
    this.#check();
    this.#compensations.push(compensate);
  }

  /** Keeps a record. Inside a transaction only. */
  put(kind: string, key: Uint8Array, value: Uint8Array): void {
    this.#check();
    this.#store.put(kind, key, value);
  }

  /** Removes a record. Inside a transaction only. */
  delete(kind: string, key: Uint8Array): void {
    this.#check();
    this.#store.delete(kind, key);
  }

  /** All records of a kind. */
  scan(kind: string): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
    return this.#store.scan(kind);
  }

  #check(): void {
    if (!this.#inside) throw new Error("State changed outside a transaction");
  }
}
