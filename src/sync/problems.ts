import { dirtyBits } from "../cache/inodes.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { Superseded } from "./fence.ts";
import { isUnavailable } from "./fs-error.ts";
import { idOfLinkKey } from "./link-record.ts";
import type { SyncProblem } from "./options.ts";
import type { SyncContext } from "./sync-context.ts";

/** Waits between tries of what S3 does not take, in milliseconds: the first and the longest. */
const retry = { firstMs: 1000, mostMs: 60_000, supersededMs: 10_000 };

interface Entry {
  problem: SyncProblem;
  failures: number;
  notBeforeMs: number;
}

/** The message of an error with those of its causes. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${messageOf(error.cause)}`;
}

/** What S3 did not take, and when it is worth another try. Each problem is logged once, until its reason changes. */
export class Problems {
  readonly #context: SyncContext;
  readonly #entries = new Map<InodeNumber | string, Entry>();
  #pause = { failures: 0, untilMs: 0 };
  #superseded: SyncProblem | undefined;

  constructor(context: SyncContext) {
    this.#context = context;
  }

  /** Of files (by inode) and deletions (by key). */
  list(): SyncProblem[] {
    for (const subject of this.#entries.keys()) {
      if (!this.#isPending(subject)) this.#entries.delete(subject);
    }
    const problems = [...this.#entries.values()].map(({ problem }) => problem);
    return this.#superseded === undefined ? problems : [this.#superseded, ...problems];
  }

  /** When everything waits because S3 does not answer: until then. */
  get pausedUntilMs(): number {
    return this.#pause.untilMs;
  }

  /** The files that wait for their next try, and when the first of them is due. */
  waiting(nowMs: number): { readonly inodes: InodeNumber[]; readonly untilMs: number | undefined } {
    const inodes: InodeNumber[] = [];
    let untilMs: number | undefined;
    for (const [subject, { notBeforeMs }] of this.#entries) {
      if (typeof subject !== "number" || notBeforeMs <= nowMs) continue;
      inodes.push(subject);
      untilMs = Math.min(untilMs ?? notBeforeMs, notBeforeMs);
    }
    return { inodes, untilMs };
  }

  failed(subject: InodeNumber | string, key: string | undefined, error: unknown): void {
    const { log } = this.#context;
    const nowMs = this.#context.nowMs();
    const message = messageOf(error);
    if (error instanceof Superseded) {
      // It is no problem of this file: one report, and everything waits.
      if (this.#superseded === undefined) log.error("Exports are stopped", { error });
      this.#superseded = { message };
      this.#pause = { failures: 1, untilMs: nowMs + retry.supersededMs };
      return;
    }
    const problem: SyncProblem = {
      ...(typeof subject === "number" ? { inode: subject } : {}),
      ...(key === undefined ? {} : { key }),
      message,
    };
    const known = this.#entries.get(subject);
    if (known?.problem.message !== message) {
      log.error("S3 does not take a change", { ...problem, error });
    }
    const failures = (known?.failures ?? 0) + 1;
    const wait = (count: number): number =>
      Math.min(retry.mostMs, retry.firstMs * 2 ** Math.min(count - 1, 10));
    this.#entries.set(subject, { problem, failures, notBeforeMs: nowMs + wait(failures) });
    if (isUnavailable(error)) {
      const count = this.#pause.failures + 1;
      this.#pause = { failures: count, untilMs: nowMs + wait(count) };
    }
  }

  succeeded(subject: InodeNumber | string): void {
    this.#pause = { failures: 0, untilMs: 0 };
    this.#superseded = undefined;
    if (this.#entries.delete(subject)) {
      this.#context.log.info("S3 takes the change again", { subject });
    }
  }

  /** Whether there is still something that S3 has not taken. */
  #isPending(subject: InodeNumber | string): boolean {
    const { state } = this.#context;
    if (typeof subject === "number") {
      const row = state.inodes.get(subject);
      return row !== undefined && row.dirty > 0 && row.dirty < dirtyBits.local;
    }
    const key = subject as ObjectKey;
    const id = idOfLinkKey(state.prefix, key);
    if (id !== undefined && (state.links.get(id)?.dirtySinceMs ?? 0) > 0) return true;
    return (
      state.journal.tombstone(key) !== undefined ||
      state.journal.ofKey(key).some((attempt) => attempt.state === "sent")
    );
  }
}
