import {
  type Condition,
  type ETag,
  type ObjectHeaders,
  type ObjectKey,
  type ObjectStore,
  ObjectStoreError,
  type PreconditionFailed,
  type PutBody,
  type RequestOptions,
  type Stored,
  type UploadedPart,
} from "../s3/object-store.ts";
import type { AbilityOutcome, StoreAbilities } from "./abilities.ts";

const preconditionFailed: PreconditionFailed = { kind: "preconditionFailed" };

/**
 * A store that is asked first where it was not shown to honour a condition: each mutation comes with the outcome
 * that `ObjectStore` promises, but for the race that the table of abilities states. What was shown is looked up at
 * each request.
 */
export class CautiousObjectStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #abilities: () => StoreAbilities;

  constructor(inner: ObjectStore, abilities: () => StoreAbilities) {
    this.#inner = inner;
    this.#abilities = abilities;
  }

  head(key: ObjectKey, options?: RequestOptions) {
    return this.#inner.head(key, options);
  }

  tags(key: ObjectKey, options?: RequestOptions) {
    return this.#inner.tags(key, options);
  }

  get(key: ObjectKey, range: Parameters<ObjectStore["get"]>[1], options?: RequestOptions) {
    return this.#inner.get(key, range, options);
  }

  list(query: Parameters<ObjectStore["list"]>[0], options?: RequestOptions) {
    return this.#inner.list(query, options);
  }

  async put(
    key: ObjectKey,
    body: PutBody,
    headers: ObjectHeaders,
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed> {
    const { putIfAbsent, putIfMatch } = this.#abilities();
    const outcome = condition === "absent" ? putIfAbsent : putIfMatch;
    if (!(await this.#holds(key, condition, outcome, options))) return preconditionFailed;
    return this.#inner.put(key, body, headers, toSend(condition, outcome), options);
  }

  async copy(
    source: { readonly key: ObjectKey; readonly ifMatch: ETag },
    key: ObjectKey,
    headers: ObjectHeaders,
    condition: Condition,
    options?: RequestOptions,
  ) {
    const { copyIfAbsent, copyIfMatch } = this.#abilities();
    const outcome = condition === "absent" ? copyIfAbsent : copyIfMatch;
    if (!(await this.#holds(key, condition, outcome, options))) return preconditionFailed;
    return this.#inner.copy(source, key, headers, toSend(condition, outcome), options);
  }

  async delete(key: ObjectKey, ifMatch: ETag | "any", options?: RequestOptions) {
    const { deleteIfMatch } = this.#abilities();
    if (ifMatch !== "any" && deleteIfMatch !== "honoured") {
      const found = await unsent(() => this.#inner.head(key, options));
      if (found.kind === "notFound") return { kind: "deleted" } as const;
      if (found.etag !== ifMatch) return preconditionFailed;
    }
    return this.#inner.delete(key, deleteIfMatch === "refused" ? "any" : ifMatch, options);
  }

  createMultipart(key: ObjectKey, headers: ObjectHeaders, options?: RequestOptions) {
    return this.#inner.createMultipart(key, headers, options);
  }

  uploadPart(
    key: ObjectKey,
    uploadId: string,
    partNumber: number,
    body: PutBody,
    options?: RequestOptions,
  ) {
    return this.#inner.uploadPart(key, uploadId, partNumber, body, options);
  }

  async uploadPartCopy(
    key: ObjectKey,
    uploadId: string,
    partNumber: number,
    source: Parameters<ObjectStore["uploadPartCopy"]>[3],
    options?: RequestOptions,
  ) {
    const copied = await this.#inner.uploadPartCopy(key, uploadId, partNumber, source, options);
    if (copied.kind !== "copied") return copied;
    if (this.#abilities().uploadPartCopyIfMatch === "honoured") return copied;
    const found = await this.#inner.head(source.key, options);
    if (found.kind === "notFound") return found;
    return found.etag === source.ifMatch ? copied : preconditionFailed;
  }

  async completeMultipart(
    key: ObjectKey,
    uploadId: string,
    parts: readonly UploadedPart[],
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed> {
    const { completeIfAbsent, completeIfMatch } = this.#abilities();
    const outcome = condition === "absent" ? completeIfAbsent : completeIfMatch;
    if (!(await this.#holds(key, condition, outcome, options))) return preconditionFailed;
    return this.#inner.completeMultipart(key, uploadId, parts, toSend(condition, outcome), options);
  }

  abortMultipart(key: ObjectKey, uploadId: string, options?: RequestOptions) {
    return this.#inner.abortMultipart(key, uploadId, options);
  }

  listUploads(prefix: string, options?: RequestOptions) {
    return this.#inner.listUploads(prefix, options);
  }

  hasParts(key: ObjectKey, uploadId: string, options?: RequestOptions) {
    return this.#inner.hasParts(key, uploadId, options);
  }

  restore(key: ObjectKey, days: number, options?: RequestOptions) {
    return this.#inner.restore(key, days, options);
  }

  /** Whether a write may be sent: true without a question where the store itself will see to the condition. */
  async #holds(
    key: ObjectKey,
    condition: Condition,
    outcome: AbilityOutcome,
    options: RequestOptions | undefined,
  ): Promise<boolean> {
    if (condition === "any" || outcome === "honoured") return true;
    const found = await unsent(() => this.#inner.head(key, options));
    return condition === "absent" ? found.kind === "notFound" : isVersion(found, condition);
  }
}

function isVersion(found: { readonly kind: string; readonly etag?: ETag }, etag: ETag): boolean {
  return found.kind === "found" && found.etag === etag;
}

/** A condition that the store refuses to hear of is left out: it was checked before. */
function toSend(condition: Condition, outcome: AbilityOutcome): Condition {
  return outcome === "refused" ? "any" : condition;
}

/** A failed question before a mutation: the mutation itself has not left. */
async function unsent<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error;
    const { code, message, s3Code, status } = error;
    throw new ObjectStoreError(code, message, {
      ...{ s3Code, isUnsent: true, cause: error },
      ...(status === undefined ? {} : { status }),
    });
  }
}
