/**
 * The durable store that the protocol needs, as a port: clients, sessions, slots, opens and locks are
 * kept as records of this folder's own formats. It is the same database as the file system's, so that a
 * compound's changes, its state and its reply are one transaction (design: exactly-once over kill -9).
 */
export interface StateStore {
  /**
   * Runs `run`, which must not be asynchronous, in one transaction: all that it changes here and in the file
   * system is kept together. When `run` throws, all is rolled back and the error passed on.
   * @throws {FsError} NOSPC when there is no room for it.
   */
  transaction<T>(run: () => T): T;
  /** Keeps `value` (a copy is made) under (`kind`, `key`), replacing what is there. Inside a transaction only. */
  put(kind: string, key: Uint8Array, value: Uint8Array): void;
  /** Removes one record, if it exists. Inside a transaction only. */
  delete(kind: string, key: Uint8Array): void;
  /** All records of a kind, in the order of their keys' bytes. */
  scan(kind: string): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>;
  /** Grows with every transaction that changed something, here or in the file system: a position for {@link sync}. */
  readonly commits: number;
  /**
   * Resolves when all that was committed before this call is on the disk, or all up to the position `upTo`; shared by
   * concurrent callers. Rejects for ever after one failed sync.
   */
  sync(upTo?: number): Promise<void>;
  /**
   * False when the records were written in an earlier boot of this machine: their clients died with it, so
   * that clients, sessions, opens and locks have to be dropped at start.
   */
  readonly sameBoot: boolean;
  /** Random, for this volume for ever: 16 bytes that server owner, scope, ids and filehandles derive from. */
  readonly volumeUuid: Uint8Array;
  /** Random, secret, for this volume for ever: 32 bytes that authenticate filehandles. */
  readonly secret: Uint8Array;
}
