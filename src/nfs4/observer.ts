import type { nfs_opnum4 } from "./wire/operation.ts";
import type { nfsstat4 } from "./wire/status.ts";

/** What a server tells about its work while it does it; must not throw. */
export interface NfsObserver {
  /** An operation has its result. */
  operation(name: nfs_opnum4, status: nfsstat4): void;
  /** The number of compounds that have begun a change and are not answered. */
  mutating(outstanding: number): void;
}

/** Counts what it is told. */
export class NfsCounters implements NfsObserver {
  readonly #operations = new Map<nfs_opnum4, { total: number; failed: number }>();
  #outstanding = 0;

  operation(name: nfs_opnum4, status: nfsstat4): void {
    let count = this.#operations.get(name);
    if (count === undefined) {
      count = { total: 0, failed: 0 };
      this.#operations.set(name, count);
    }
    count.total += 1;
    if (status !== "NFS4_OK") count.failed += 1;
  }

  mutating(outstanding: number): void {
    this.#outstanding = outstanding;
  }

  /** Compounds that have begun a change and are not answered. */
  get outstandingMutating(): number {
    return this.#outstanding;
  }

  /** Results so far by operation. */
  get operations(): ReadonlyMap<nfs_opnum4, { readonly total: number; readonly failed: number }> {
    return this.#operations;
  }
}
