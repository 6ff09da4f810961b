import type { InodeNumber } from "../vfs/attributes.ts";
import type { Attempts } from "./attempts.ts";
import type { Exporter } from "./exporter.ts";
import { type Fence, Superseded } from "./fence.ts";
import { isUnavailable } from "./fs-error.ts";
import { linkRecordKey } from "./link-record.ts";
import type { LinkRecords } from "./link-records.ts";
import { abortLostUploads, lostUploadsDueMs } from "./lost-uploads.ts";
import type { FlushResult } from "./options.ts";
import type { Problems } from "./problems.ts";
import type { SyncContext } from "./sync-context.ts";
import type { Tombstones } from "./tombstones.ts";

/** How many due files and tombstones are taken from the database at once. */
const batch = 512;
/** Consecutive failures for want of an answer after which a flush gives up. */
const flushPatience = 3;

/** Decides when what is exported, and how much at the same time. */
export class Scheduler {
  readonly #context: SyncContext;
  readonly #exporter: Exporter;
  readonly #tombstones: Tombstones;
  readonly #attempts: Attempts;
  readonly #problems: Problems;
  readonly #fence: Fence;
  readonly #links: LinkRecords;
  readonly #parallel: number;
  readonly #queue: InodeNumber[] = [];
  /** Queued or running. */
  readonly #active = new Set<InodeNumber>();
  #running = 0;
  #deleting = false;
  #wake: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #isStarted = false;
  /** Quiet times are not waited for until then: somebody needs room on the disk. */
  #hurryUntilMs = 0;

  constructor(
    context: SyncContext,
    parts: {
      readonly exporter: Exporter;
      readonly tombstones: Tombstones;
      readonly attempts: Attempts;
      readonly problems: Problems;
      readonly fence: Fence;
      readonly links: LinkRecords;
    },
  ) {
    this.#context = context;
    this.#exporter = parts.exporter;
    this.#tombstones = parts.tombstones;
    this.#attempts = parts.attempts;
    this.#problems = parts.problems;
    this.#fence = parts.fence;
    this.#links = parts.links;
    this.#parallel = context.options.parallelFiles ?? 16;
  }

  /** Exports under way; a round of deletions counts as one. */
  get running(): number {
    return this.#running + (this.#deleting ? 1 : 0);
  }

  /** Begins to export what is due, at once and from now on. */
  start(): void {
    this.#isStarted = true;
    this.#wakeAt(this.#context.nowMs());
  }

  /** See `Synchroniser.changed`. */
  changed(): void {
    this.#wakeAt(this.#context.nowMs() + this.#delayMs());
  }

  /** Exports without waiting for quiet, for a while. */
  hurry(): void {
    this.#hurryUntilMs = this.#context.nowMs() + 5000;
    this.#wakeAt(this.#context.nowMs());
  }

  /** Exports one file at once, even while others wait for S3 to answer again. @throws what the export throws. */
  async exportNow(inode: InodeNumber): Promise<void> {
    await this.#exportOne(inode);
  }

  /** Starts nothing any more. */
  stop(): void {
    this.#isStarted = false;
    this.#wake?.cancel();
    this.#wake = undefined;
    this.#queue.length = 0;
  }

  #delayMs(): number {
    const { writeBackDelayMs, writeBackMaxDelayMs } = this.#context.options;
    if (this.#context.nowMs() < this.#hurryUntilMs) return 0;
    return Math.min(writeBackDelayMs, writeBackMaxDelayMs);
  }

  #wakeAt(atMs: number): void {
    const { signal, options, clock } = this.#context;
    if (!this.#isStarted || signal.aborted || options.readOnly) return;
    if (this.#wake !== undefined && this.#wake.atMs <= atMs) return;
    this.#wake?.cancel();
    const cancel = clock.schedule(Math.max(0, atMs - this.#context.nowMs()), () => {
      this.#wake = undefined;
      this.#tick();
    });
    this.#wake = { atMs, cancel };
  }

  /** Takes what is due, and sees to it that the next thing due wakes us. */
  #tick(): void {
    if (!this.#isStarted || this.#context.signal.aborted) return;
    const nowMs = this.#context.nowMs();
    const { pausedUntilMs } = this.#problems;
    if (nowMs < pausedUntilMs) {
      this.#wakeAt(pausedUntilMs);
      return;
    }
    const isHurried = nowMs < this.#hurryUntilMs;
    const { writeBackDelayMs, writeBackMaxDelayMs } = this.#context.options;
    const refused = this.#problems.waiting(nowMs);
    const rows = this.#context.state.db.all(
      "SELECT id, min(dirty_last_ms + ?, dirty_since_ms + ?) AS due FROM inode " +
        "WHERE dirty > 0 AND dirty < 8 AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY due LIMIT ?",
      isHurried ? 0 : writeBackDelayMs,
      isHurried ? 0 : writeBackMaxDelayMs,
      // However many S3 refuses, they do not keep others from their turn.
      JSON.stringify([...refused.inodes, ...this.#active]),
      batch,
    );
    if (refused.untilMs !== undefined) this.#wakeAt(refused.untilMs);
    for (const row of rows) {
      const inode = row["id"] as InodeNumber;
      const dueMs = row["due"] as number;
      if (dueMs > nowMs) {
        this.#wakeAt(dueMs);
        break;
      }
      this.#active.add(inode);
      this.#queue.push(inode);
    }
    this.#pump();
    // Data first: what a deletion has to do with may be among the exports.
    if (this.#queue.length === 0 || this.#isDeletionOverdue(nowMs)) this.#startDeletions();
  }

  #pump(): void {
    while (this.#running < this.#parallel) {
      const inode = this.#queue.shift();
      if (inode === undefined) return;
      this.#running += 1;
      void this.#context.track(
        this.#exportOne(inode)
          .catch(() => undefined) // recorded among the problems
          .finally(() => {
            this.#running -= 1;
            this.#active.delete(inode);
            if (this.#queue.length === 0 || this.#problems.pausedUntilMs > 0) this.#refill();
            else this.#pump();
          }),
      );
    }
  }

  #refill(): void {
    if (this.#problems.pausedUntilMs > this.#context.nowMs()) {
      for (const inode of this.#queue.splice(0)) this.#active.delete(inode);
    }
    this.#tick();
  }

  /** Exports one inode; a failure is recorded and thrown. */
  async #exportOne(inode: InodeNumber): Promise<number | undefined> {
    const context = this.#context;
    try {
      const exported = await this.#fence.run(async () => {
        const done = await this.#exporter.export(inode);
        await this.#links.syncOf(inode);
        return done;
      });
      this.#problems.succeeded(inode);
      return exported?.sizeBytes;
    } catch (error) {
      if (!context.signal.aborted) {
        const row = context.state.inodes.get(inode);
        const key = row === undefined ? undefined : context.keyOf(row);
        this.#problems.failed(inode, key, error);
      }
      throw error;
    }
  }

  /** Whether a deletion has waited so long that a steady stream of exports must not hold it up any more. */
  #isDeletionOverdue(nowMs: number): boolean {
    const beforeMs = nowMs - this.#delayMs() - this.#context.options.writeBackMaxDelayMs;
    return this.#context.state.journal.tombstones(beforeMs, 1).length > 0;
  }

  #startDeletions(): void {
    if (this.#deleting) return;
    const context = this.#context;
    const sinceMs = context.nowMs() - this.#delayMs();
    this.#deleting = true;
    void context.track(
      this.#settleLeft()
        .then(async () => {
          if (this.#problems.pausedUntilMs > this.#context.nowMs()) return;
          await this.#writeRecords(sinceMs, () => {});
        })
        .then(() => this.#deleteDue(sinceMs, () => {}))
        .catch((error: unknown) => {
          if (!context.signal.aborted) context.log.error("Cannot delete objects", { error });
        })
        .finally(() => {
          this.#deleting = false;
          this.#attempts.forgetOld();
          this.#links.forgetOld();
          this.#wakeForDeletions();
        }),
    );
  }

  #wakeForDeletions(): void {
    const { state } = this.#context;
    const sweepMs = lostUploadsDueMs(this.#context);
    if (sweepMs !== undefined) this.#wakeAt(Math.max(sweepMs, this.#context.nowMs() + 60_000));
    const [oldest] = state.journal.tombstones(Number.MAX_SAFE_INTEGER, 1);
    const { oldestMs } = this.#links.pending();
    if (oldest === undefined && oldestMs === 0) return;
    const nowMs = this.#context.nowMs();
    const dueMs = Math.min(oldest?.sinceMs ?? oldestMs, oldestMs || nowMs) + this.#delayMs();
    // One that is still there though it was due waits for a file, or for S3.
    this.#wakeAt(
      Math.max(dueMs, nowMs + (dueMs <= nowMs ? 1000 : 0), this.#problems.pausedUntilMs),
    );
  }

  /** Writes the records of files with several names that are due, some at the same time. */
  async #writeRecords(sinceMs: number, done: () => void): Promise<void> {
    const due = this.#context.state.links.dirty(sinceMs);
    let next = 0;
    let unanswered = 0;
    const work = async (): Promise<void> => {
      for (let link = due[next++]; link !== undefined; link = due[next++]) {
        const { id } = link;
        if (this.#context.signal.aborted || unanswered >= flushPatience) return;
        const key = linkRecordKey(this.#context.state.prefix, id);
        try {
          await this.#fence.run(() => this.#links.sync(id));
          this.#problems.succeeded(key);
          done();
        } catch (error) {
          if (isUnavailable(error)) unanswered += 1;
          if (!this.#context.signal.aborted) this.#problems.failed(key, key, error);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(due.length, this.#parallel) }, work));
  }

  /** Deletes the objects of tombstones up to an age, some at the same time; `done` hears of each success. */
  async #deleteDue(sinceMs: number, done: () => void): Promise<void> {
    const { state, signal } = this.#context;
    const seen = new Set<string>();
    for (;;) {
      const due = state.journal
        .tombstones(sinceMs, seen.size + batch)
        .filter(({ key }) => !seen.has(key));
      if (due.length === 0) return;
      for (const { key } of due) seen.add(key);
      let next = 0;
      const work = async (): Promise<void> => {
        for (let item = due[next++]; item !== undefined; item = due[next++]) {
          if (signal.aborted || this.#problems.pausedUntilMs > this.#context.nowMs()) return;
          try {
            if (await this.#fence.run(() => this.#tombstones.delete(item))) done();
            this.#problems.succeeded(item.key);
          } catch (error) {
            if (!signal.aborted) this.#problems.failed(item.key, item.key, error);
          }
        }
      };
      await Promise.all(Array.from({ length: this.#parallel }, work));
    }
  }

  /** Finds out what became of requests for files that are gone or clean now, and aborts uploads left over. */
  async #settleLeft(): Promise<void> {
    const { state, locks, keyLocks } = this.#context;
    for (const attempt of state.journal.all()) {
      if (attempt.state !== "sent") continue;
      const row = state.inodes.get(attempt.inode);
      if (row !== undefined && row.dirty > 0 && row.dirty < 8) continue; // its export does it
      using _ = await locks.acquire(attempt.inode);
      using __ = await keyLocks.acquire(attempt.key);
      const now = state.journal.ofInode(attempt.inode).find(({ id }) => id === attempt.id);
      if (now?.state !== "sent") continue;
      try {
        await this.#attempts.settle(now);
        this.#problems.succeeded(attempt.key);
      } catch (error) {
        this.#problems.failed(attempt.key, attempt.key, error);
        return;
      }
    }
    await this.#attempts.abortLeft();
    await abortLostUploads(this.#context);
  }

  /**
   * Exports everything that is dirty now and deletes what is to be deleted, whatever the delays; stops early when
   * `signal` is aborted or S3 does not answer.
   */
  async flush(signal: AbortSignal | undefined): Promise<FlushResult> {
    const { state } = this.#context;
    const tally = { files: 0, bytes: 0 };
    if (!this.#context.options.readOnly) {
      const work = this.#context.track(this.#flushAll(signal, tally));
      const aborted = new Promise<void>((resolve) => {
        if (signal?.aborted) resolve();
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
      await Promise.race([work, aborted]);
    }
    const pending = state.inodes.pending();
    return {
      ...tally,
      pendingFiles: pending.files + this.#links.pending().count + state.journal.countTombstones(),
      pendingBytes: pending.bytes,
      errors: this.#problems.list(),
    };
  }

  async #flushAll(
    signal: AbortSignal | undefined,
    tally: { files: number; bytes: number },
  ): Promise<void> {
    const { state, signal: stopping } = this.#context;
    const ids = state.db
      .all("SELECT id FROM inode WHERE dirty > 0 AND dirty < 8 ORDER BY dirty_since_ms")
      .map((row) => row["id"] as InodeNumber);
    let next = 0;
    let unanswered = 0;
    const isOver = (): boolean =>
      signal?.aborted === true || stopping.aborted || unanswered >= flushPatience;
    const work = async (): Promise<void> => {
      for (let inode = ids[next++]; inode !== undefined && !isOver(); inode = ids[next++]) {
        try {
          const bytes = await this.#exportOne(inode);
          if (bytes !== undefined) {
            tally.files += 1;
            tally.bytes += bytes;
          }
          unanswered = 0;
        } catch (error) {
          if (error instanceof Superseded) return;
          if (isUnavailable(error)) unanswered += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: this.#parallel }, work));
    if (isOver()) return;
    await this.#settleLeft();
    await this.#writeRecords(Number.MAX_SAFE_INTEGER, () => {
      tally.files += 1;
    });
    // Twice: a deletion may find a newer object of ours, which the second round deletes.
    for (let round = 0; round < 2; round++) {
      await this.#deleteDue(Number.MAX_SAFE_INTEGER, () => {
        tally.files += 1;
      });
    }
  }
}
