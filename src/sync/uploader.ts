import type { RemoteObject } from "../cache/inodes.ts";
import type { Attempt } from "../cache/journal.ts";
import {
  type Condition,
  type ObjectHeaders,
  ObjectStoreError,
  type PreconditionFailed,
  type PutBody,
  type Stored,
  type UploadedPart,
} from "../s3/object-store.ts";
import { FsError } from "../vfs/error.ts";
import { detailOf } from "./attempt-detail.ts";
import { isUnavailable, isUnsent } from "./fs-error.ts";
import { creating } from "./lost-uploads.ts";
import { Semaphore } from "./semaphore.ts";
import type { SyncContext } from "./sync-context.ts";
import { type PlannedPart, planParts, type SourceRun } from "./upload-plan.ts";

const mebi = 1024 * 1024;
/** Read from the base object into a PUT rather than copied by S3 in three requests. */
const maxReadForPutBytes = mebi;
/** The largest object that S3 copies in one request. */
const maxCopyBytes = 5 * 1024 * mebi;
/** Zeros for holes, shared by all bodies. */
const zeros = Buffer.alloc(mebi);
/** Parts of one file on their way at the same time. */
const partsPerFile = 8;

/** The base object of an upload is not the version any more that unchanged bytes are to come from. */
export class BaseGone extends Error {
  constructor(base: RemoteObject) {
    super(`The base object ${base.key} is not ${base.etag} any more`);
    this.name = "BaseGone";
  }
}

/** A file's content at the moment of its freeze. */
export interface FrozenContent {
  readonly attempt: Attempt;
  /** The object that unchanged bytes come from, below `baseSizeBytes`. */
  readonly base: RemoteObject | undefined;
  readonly baseSizeBytes: number;
  /** The whole body of what is no regular file. */
  readonly literal: Uint8Array | undefined;
}

/** Sends frozen files to S3. */
export class Uploader {
  readonly #context: SyncContext;
  readonly #memory: Semaphore;
  readonly #partBytes: number;
  readonly #minPartBytes: number;

  constructor(context: SyncContext) {
    this.#context = context;
    const { uploadMemoryBytes, partSizeBytes, minPartBytes } = context.options;
    this.#memory = new Semaphore(uploadMemoryBytes ?? 96 * mebi);
    this.#partBytes = partSizeBytes ?? 8 * mebi;
    this.#minPartBytes = minPartBytes ?? 5 * mebi;
  }

  /**
   * Whether a file goes up as one PUT or in parts: parts when it is large, or when S3 has most of its bytes and
   * can copy them (under another name, or with other headers). `copied` where S3 has all of them, and is known to copy
   * an object onto what is expected there, and onto nothing else.
   */
  kindFor(
    sizeBytes: number,
    absentBytes: number,
    copied?: { readonly isOntoObject: boolean },
  ): "put" | "multipart" | "copy" {
    if (copied !== undefined && sizeBytes <= maxCopyBytes) {
      const { copyIfAbsent, copyIfMatch, copySourceIfMatch } = this.#context.abilities();
      const condition = copied.isOntoObject ? copyIfMatch : copyIfAbsent;
      if (condition === "honoured" && copySourceIfMatch === "honoured") return "copy";
    }
    const isCopied = absentBytes > maxReadForPutBytes && this.#copiesParts;
    return sizeBytes > this.#partBytes || isCopied ? "multipart" : "put";
  }

  /**
   * Sends the content. The attempt is recorded as sent, and that record is on the disk, before the request that
   * changes the key. @throws {BaseGone}; {ObjectStoreError} as it came.
   */
  async upload(content: FrozenContent): Promise<Stored | PreconditionFailed> {
    const { attempt } = content;
    const condition: Condition = attempt.expected ?? "absent";
    const { headers } = detailOf(attempt);
    if (attempt.kind === "copy") return this.#copy(content, headers, condition);
    return attempt.kind === "put"
      ? this.#put(content, headers, condition)
      : this.#multipart(content, headers, condition);
  }

  /** A refusal does not say whether source or destination is another: the exporter looks at both. */
  async #copy(
    { attempt, base }: FrozenContent,
    headers: ObjectHeaders,
    condition: Condition,
  ): Promise<Stored | PreconditionFailed> {
    const { store, signal } = this.#context;
    if (base === undefined) throw new Error(`Attempt ${attempt.id} copies nothing`);
    await this.#markSent(attempt);
    const source = { key: base.key, ifMatch: base.etag };
    const answer = await store.copy(source, attempt.key, headers, condition, { signal });
    return answer.kind === "notFound" ? { kind: "preconditionFailed" } : answer;
  }

  /** Whether S3 was shown to copy just the range that it is asked for; else unchanged bytes are read and sent. */
  get #copiesParts(): boolean {
    return this.#context.abilities().uploadPartCopy === "honoured";
  }

  /** Records that the request which changes the key is about to be sent. */
  async #markSent(attempt: Attempt): Promise<void> {
    const { state } = this.#context;
    this.#context.transaction(() => state.journal.put({ ...attempt, state: "sent" }));
    await state.db.sync();
  }

  async #put(
    content: FrozenContent,
    headers: ObjectHeaders,
    condition: Condition,
  ): Promise<Stored | PreconditionFailed> {
    const { store, signal } = this.#context;
    const { attempt } = content;
    return this.#memory.run(attempt.sizeBytes, async () => {
      const body = await this.#body(content, 0, attempt.sizeBytes);
      await this.#markSent(attempt);
      return store.put(attempt.key, body, headers, condition, { signal });
    });
  }

  async #multipart(
    content: FrozenContent,
    headers: ObjectHeaders,
    condition: Condition,
  ): Promise<Stored | PreconditionFailed> {
    const { store, state, signal } = this.#context;
    const { attempt } = content;
    this.#context.transaction(() => creating(state, attempt));
    await state.db.sync();
    let uploadId: string;
    try {
      uploadId = await store.createMultipart(attempt.key, headers, { signal });
    } catch (error) {
      // Refused, or never sent: there is no upload.
      if (isUnsent(error) || (!isUnavailable(error) && !signal.aborted)) {
        this.#context.transaction(() => state.journal.put(attempt));
      }
      throw error;
    }
    const begun: Attempt = { ...attempt, uploadId };
    this.#context.transaction(() => state.journal.put(begun));
    const plan = planParts(attempt.sizeBytes, this.#runs(content), {
      minPartBytes: this.#minPartBytes,
      partBytes: this.#partBytes,
      maxPartBytes: 5 * 1024 * mebi,
      maxParts: 10_000,
    });
    const parts: UploadedPart[] = [];
    const failures: unknown[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      for (let index = next++; index < plan.length && failures.length === 0; index = next++) {
        try {
          parts[index] = await this.#part(content, uploadId, index + 1, plan[index] as PlannedPart);
        } catch (error) {
          failures.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(partsPerFile, plan.length) }, work));
    if (failures.length > 0) throw failures[0];
    await this.#markSent(begun);
    return store.completeMultipart(attempt.key, uploadId, parts, condition, { signal });
  }

  #runs({ attempt, base, baseSizeBytes }: FrozenContent): SourceRun[] {
    const runs: SourceRun[] = [];
    const add = (start: number, end: number, isBase: boolean): void => {
      if (start < end) runs.push({ start, end, isBase });
    };
    const limit = base === undefined || !this.#copiesParts ? 0 : baseSizeBytes;
    const { extents } = this.#context.state;
    for (const segment of extents.segments(attempt.inode, 0, attempt.sizeBytes, "frozen")) {
      const isUnchanged = segment.kind === "absent" || segment.kind === "clean";
      const cut = isUnchanged
        ? Math.min(Math.max(limit, segment.start), segment.end)
        : segment.start;
      add(segment.start, cut, true);
      add(cut, segment.end, false);
    }
    return runs;
  }

  async #part(
    content: FrozenContent,
    uploadId: string,
    partNumber: number,
    part: PlannedPart,
  ): Promise<UploadedPart> {
    const { store, signal } = this.#context;
    const { attempt, base } = content;
    const lengthBytes = part.end - part.start;
    if (part.isCopy && base !== undefined) {
      const source = { key: base.key, ifMatch: base.etag, offsetBytes: part.start, lengthBytes };
      const copied = await this.#again(() =>
        store.uploadPartCopy(attempt.key, uploadId, partNumber, source, { signal }),
      );
      if (copied.kind !== "copied") throw new BaseGone(base);
      return copied;
    }
    return this.#memory.run(lengthBytes, async () => {
      const body = await this.#body(content, part.start, part.end);
      return this.#again(() =>
        store.uploadPart(attempt.key, uploadId, partNumber, body, { signal }),
      );
    });
  }

  /** Parts change nothing that anybody sees: one that failed is sent once more. */
  async #again<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof ObjectStoreError) || error.code !== "unavailable") throw error;
      this.#context.signal.throwIfAborted();
      return send();
    }
  }

  /** The bytes `[start, end)` of the frozen moment. */
  async #body(content: FrozenContent, start: number, end: number): Promise<PutBody> {
    const { literal, attempt, base } = content;
    const { state, store, signal } = this.#context;
    if (literal !== undefined) return { sizeBytes: literal.length, chunks: [literal] };
    const limit = base === undefined ? 0 : content.baseSizeBytes;
    const chunks: Uint8Array[] = [];
    const addZeros = (count: number): void => {
      for (let left = count; left > 0; left -= zeros.length) {
        chunks.push(left < zeros.length ? zeros.subarray(0, left) : zeros);
      }
    };
    for (const segment of state.extents.segments(attempt.inode, start, end, "frozen")) {
      const length = segment.end - segment.start;
      if (segment.kind === "hole") {
        addZeros(length);
      } else if (segment.kind === "absent") {
        const readable = Math.min(length, Math.max(0, limit - segment.start));
        if (readable > 0 && base !== undefined) {
          const range = {
            offsetBytes: segment.start,
            lengthBytes: readable,
            ifMatch: base.etag,
          };
          const answer = await store.get(base.key, range, { signal });
          if (answer.kind !== "read") throw new BaseGone(base);
          if (answer.data.length !== readable) {
            throw new FsError(
              "IO",
              `Object ${base.key} gave ${answer.data.length} bytes, not ${readable}`,
            );
          }
          chunks.push(answer.data);
        }
        addZeros(length - readable);
      } else {
        const buffer = Buffer.allocUnsafe(length);
        await state.files.read(attempt.inode, segment.generation, segment.start, buffer);
        chunks.push(buffer);
      }
    }
    return { sizeBytes: end - start, chunks };
  }
}
