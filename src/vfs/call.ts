import { FsError } from "./error.ts";

/** Who asks: the AUTH_SYS identity. Root is uid 0. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, at most 16. */
  readonly groups: readonly number[];
}

/** What a suspended operation waits for; waits on S3 are bounded by the protocol layer. */
export type WaitReason = "disk" | "remote";

/**
 * Thrown by a file system operation that lacks something: nothing has been changed by that operation.
 * Wait for `ready`, which never rejects, and make the same call again with the same {@link Call}.
 */
export class Suspended extends Error {
  readonly ready: Promise<void>;
  readonly reason: WaitReason;
  constructor(ready: Promise<void>, reason: WaitReason) {
    super(`Suspended until the ${reason} has answered`);
    this.name = "Suspended";
    this.ready = ready;
    this.reason = reason;
  }
}

/**
 * One operation on the file system, over all its attempts: the identity it runs under and what its
 * suspended attempts have prepared. Made once for each operation of a compound and closed when that
 * operation has its result or is given up.
 */
export class Call {
  readonly caller: Caller;
  /** What the file system prepared for the next attempt; nobody else looks at it. */
  staged: unknown;
  #failure: FsError | undefined;
  readonly #closers: (() => void)[] = [];

  constructor(caller: Caller) {
    this.caller = caller;
  }

  /** A {@link Suspended} to throw. A failure of `work` is thrown by the next attempt's {@link check}. */
  suspend(work: Promise<unknown>, reason: WaitReason): Suspended {
    const ready = work.then(
      () => {},
      (error: unknown) => {
        this.#failure =
          error instanceof FsError
            ? error
            : new FsError("IO", "Operation failed", { cause: error });
      },
    );
    // Most operations on data are suspended once: where from is not worth a walk over the stack.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      return new Suspended(ready, reason);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  }

  /** @throws {FsError} what the work of an earlier attempt ended with. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Calls `release` once, when the operation is over. */
  onClose(release: () => void): void {
    this.#closers.push(release);
  }

  /** Ends the operation: what it held (buffers, reservations) is released. */
  close(): void {
    for (const release of this.#closers.splice(0)) release();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
