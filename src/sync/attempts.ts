import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import type { Attempt, Journal } from "../cache/journal.ts";
import type { ETag } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { detailOf, formatDetail } from "./attempt-detail.ts";
import { judge, type Verdict } from "./conflict.ts";
import { adoptOwn } from "./own-objects.ts";
import type { SeenObject } from "./remote-change.ts";
import type { Revalidator } from "./revalidator.ts";
import type { SyncContext } from "./sync-context.ts";
import { markHeader } from "./write-mark.ts";

/** How long a request that was given up is remembered: it may still arrive. */
const rememberMs = 24 * 3600 * 1000;

/** What became of an attempt, and what S3 has under its key. */
export interface Settled {
  readonly verdict: Verdict;
  readonly seen: SeenObject | undefined;
}

/** Records the outcomes of journalled requests. The caller holds the lock of the attempt's key. */
export class Attempts {
  readonly #context: SyncContext;
  readonly #revalidator: Revalidator;

  constructor(context: SyncContext, revalidator: Revalidator) {
    this.#context = context;
    this.#revalidator = revalidator;
  }

  /**
   * The object of an attempt is under its key: in one transaction the inode gets it as its new base, and what
   * was changed before the freeze is not dirty any more.
   */
  succeeded(
    attempt: Attempt,
    object: {
      readonly etag: ETag;
      readonly versionId?: string | undefined;
      lastModifiedMs: number;
    },
  ): void {
    const context = this.#context;
    const { state } = context;
    const { key, inode } = attempt;
    const detail = detailOf(attempt);
    const nowMs = context.nowMs();
    context.transaction(() => {
      const row = state.inodes.get(inode);
      const generations = state.extents.usedGenerations(inode);
      const { etag, versionId } = object;
      // Not unlinked, and not moved to a place that S3 does not see.
      const isWanted = row !== undefined && context.keyOf(row) !== undefined;
      if (row !== undefined) {
        row.remote = {
          key,
          etag,
          versionId,
          sizeBytes: attempt.sizeBytes,
          lastModifiedMs: object.lastModifiedMs,
        };
        // Extended attributes are user metadata: those that were changed since are kept for the next export.
        if (row.headers === undefined || row.change === detail.change) row.headers = detail.headers;
        row.exact = true;
        if (row.type !== "directory") row.checkedMs = nowMs;
        if (row.type === "file") {
          row.baseSizeBytes = Math.min(attempt.sizeBytes, row.frozenMinSizeBytes);
          state.extents.markExported(inode, detail.generation, row.baseSizeBytes);
        }
        this.#cleanse(row, attempt);
        state.inodes.put(row);
      }
      state.extents.thaw(inode);
      // Without a name that S3 knows, the object is to go again.
      if (isWanted) state.journal.unbury(key);
      else state.journal.bury({ key, etag, versionId, sinceMs: nowMs });
      const { source } = attempt;
      if (source !== undefined && source.key !== key) {
        const sinceMs = nowMs - context.options.writeBackDelayMs; // it has waited as long as the file did
        // One that is there already is of a newer object, of another file.
        if (state.journal.tombstone(source.key) === undefined) {
          state.journal.bury({ key: source.key, etag: source.etag, versionId: undefined, sinceMs });
        }
        context.touched.touch(source.key);
      }
      state.journal.remove(attempt.id);
      context.touched.touch(key);
      state.removeUnusedFiles(inode, generations);
    });
  }

  /** Takes off the dirty bits that the export has dealt with. */
  #cleanse(row: InodeRow, attempt: Attempt): void {
    const detail = detailOf(attempt);
    const { local, name } = dirtyBits;
    if (row.links === 0) {
      row.dirty = 0;
      return;
    }
    if (row.change === detail.change) row.dirty &= local;
    const isAtKey = this.#context.keyOf(row) === attempt.key;
    row.dirty = isAtKey ? row.dirty & ~name : row.dirty | name;
    if (row.dirty !== 0) row.dirtySinceMs = Math.max(row.dirtySinceMs, detail.frozenMs);
  }

  /** Settles every request of an inode that was sent. The caller holds no key's lock, or there is none. */
  async settleAll(inode: InodeNumber): Promise<void> {
    const { state, keyLocks } = this.#context;
    for (const { id, key, state: step } of state.journal.ofInode(inode)) {
      if (step !== "sent") continue;
      using _ = await keyLocks.acquire(key);
      const now = state.journal.ofInode(inode).find((attempt) => attempt.id === id);
      if (now?.state === "sent") await this.settle(now);
    }
  }

  /** Asks S3 what an attempt that was sent has led to, and records that as far as it is clear. */
  async settle(attempt: Attempt): Promise<Settled> {
    const context = this.#context;
    const { state } = context;
    const seen = await this.#revalidator.look(attempt.key);
    const marks = new Set(
      state.journal
        .ofKey(attempt.key)
        .filter(({ id }) => id !== attempt.id)
        .map((other) => detailOf(other).mark),
    );
    const { etag: buried } = state.journal.tombstone(attempt.key) ?? {};
    // An object of ours that is to be deleted or replaced anyway is what the next request will expect.
    const isBuried = seen !== undefined && seen.info.etag === buried;
    const judged = judge({
      head:
        seen === undefined
          ? undefined
          : { etag: seen.info.etag, mark: seen.info.metadata[markHeader] },
      attempt: { mark: detailOf(attempt).mark, expected: attempt.expected },
      marks,
    });
    let verdict = judged === "foreign" && isBuried ? "notDone" : judged;
    if (verdict === "stored" && seen !== undefined) {
      this.succeeded(attempt, seen.info);
      return { verdict, seen };
    }
    context.transaction(() => {
      this.#supersede(attempt);
      if (verdict !== "ours" || seen === undefined) return;
      // An earlier request of ours arrived late: what it made is ours to replace or to delete.
      const row = state.inodes.get(attempt.inode);
      const { etag, versionId } = seen.info;
      if (row !== undefined && row.links > 0 && row.remote?.key === attempt.key) {
        // Made out of another base, or of another file: its bytes are not what this one lacks.
        if (!adoptOwn(context, row, seen)) verdict = "foreign";
      } else {
        state.journal.bury({ key: attempt.key, etag, versionId, sinceMs: context.nowMs() });
      }
      context.touched.touch(attempt.key);
    });
    if (attempt.uploadId !== undefined) await this.#abortUpload(attempt, attempt.uploadId);
    return { verdict, seen };
  }

  /** Gives up a request that may still arrive; it is remembered for a day. */
  #supersede(attempt: Attempt): void {
    const { state } = this.#context;
    const generations = state.extents.usedGenerations(attempt.inode);
    state.extents.thaw(attempt.inode);
    state.journal.put({ ...attempt, state: "superseded" });
    state.removeUnusedFiles(attempt.inode, generations);
  }

  /** Gives up an attempt of which S3 has not been sent anything that could change the key, or has refused it. */
  async discard(attempt: Attempt): Promise<void> {
    const { state } = this.#context;
    const recorded = state.journal.ofInode(attempt.inode).find(({ id }) => id === attempt.id);
    this.#context.transaction(() => {
      const generations = state.extents.usedGenerations(attempt.inode);
      state.extents.thaw(attempt.inode);
      endUnsent(state.journal, recorded ?? attempt);
      state.removeUnusedFiles(attempt.inode, generations);
    });
    if (recorded?.uploadId !== undefined) await this.#abortUpload(attempt, recorded.uploadId);
  }

  /** Aborts the uploads of given-up requests that could not be aborted at the time. Stops at the first failure. */
  async abortLeft(): Promise<void> {
    for (const attempt of this.#context.state.journal.all()) {
      if (attempt.state !== "superseded" || attempt.uploadId === undefined) continue;
      if (!(await this.#abortUpload(attempt, attempt.uploadId))) return;
    }
  }

  /** False when S3 did not take it: the record stays, for {@link abortLeft}. */
  async #abortUpload(attempt: Attempt, uploadId: string): Promise<boolean> {
    const { store, state, signal, log } = this.#context;
    try {
      await store.abortMultipart(attempt.key, uploadId, { signal });
      this.#context.transaction(() => {
        const now = state.journal.ofInode(attempt.inode).find(({ id }) => id === attempt.id);
        if (now === undefined) return;
        if (detailOf(now).isOver) state.journal.remove(now.id);
        else state.journal.put({ ...now, uploadId: undefined });
      });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      log.warn("Cannot abort a multipart upload", {
        inode: attempt.inode,
        key: attempt.key,
        uploadId,
        error,
      });
      return false;
    }
  }

  /** Forgets given-up requests that are too old to arrive. */
  forgetOld(): void {
    const { state } = this.#context;
    const before = this.#context.nowMs() - rememberMs;
    const old = state.journal
      .all()
      .filter((attempt) => attempt.state === "superseded" && attempt.createdMs < before);
    if (old.length === 0) return;
    this.#context.transaction(() => {
      for (const { id } of old) state.journal.remove(id);
    });
  }
}

/** Ends, in a transaction, an attempt that sent nothing that changes a key; one with an upload stays until that is gone. */
export function endUnsent(journal: Journal, attempt: Attempt): void {
  if (attempt.uploadId === undefined && detailOf(attempt).isCreating !== true) {
    journal.remove(attempt.id);
    return;
  }
  const detail = formatDetail({ ...detailOf(attempt), isOver: true });
  journal.put({ ...attempt, state: "superseded", detail });
}
