import {
  type Condition,
  type ETag,
  type ObjectHeaders,
  type ObjectKey,
  type ObjectStore,
  ObjectStoreError,
  objectKey,
  type PutBody,
  type RequestOptions,
} from "../s3/object-store.ts";
import type { AbilityOutcome } from "./abilities.ts";

/** An ETag that no object has. */
export const otherEtag = '"00000000000000000000000000000000"' as ETag;

const plain: ObjectHeaders = { metadata: {} };
/** Canaries of others that are older than this were left behind. */
const abandonedMs = 24 * 3_600_000;

function bodyOf(text: string): PutBody {
  const chunk = Buffer.from(text);
  return { sizeBytes: chunk.length, chunks: [chunk] };
}

/** Where the canaries of a volume are: below what is ours in the bucket. */
export function canaryPrefix(volumePrefix: string): string {
  return `${volumePrefix}.s3files/probe/`;
}

/** Small objects of no value below a prefix of their own, and what can be asked of them. All methods @throws {ObjectStoreError}. */
export class Canaries {
  readonly store: ObjectStore;
  /** Ends in a slash. */
  readonly prefix: string;
  readonly options: RequestOptions;

  constructor(store: ObjectStore, prefix: string, options: RequestOptions) {
    this.store = store;
    this.prefix = prefix;
    this.options = options;
  }

  key(name: string): ObjectKey {
    return objectKey(this.prefix + name);
  }

  put(name: string, text: string, condition: Condition = "any") {
    return this.store.put(this.key(name), bodyOf(text), plain, condition, this.options);
  }

  /** The canary's ETag; undefined when it is not there. */
  async etag(name: string): Promise<ETag | undefined> {
    const found = await this.store.head(this.key(name), this.options);
    return found.kind === "found" ? found.etag : undefined;
  }

  /** The bytes as text; undefined when there is no object, or GET and HEAD differ about it. */
  async text(name: string): Promise<string | undefined> {
    const key = this.key(name);
    const found = await this.store.head(key, this.options);
    if (found.kind === "notFound") return undefined;
    const range = { offsetBytes: 0, lengthBytes: 1024, ifMatch: found.etag };
    const read = await this.store.get(key, range, this.options);
    return read.kind === "read" ? Buffer.from(read.data).toString() : undefined;
  }

  /** Names below the prefix in the order of a listing by pages. */
  async list(
    below: string,
    query: { readonly maxKeys?: number; readonly startAfter?: string } = {},
  ): Promise<string[]> {
    const names: string[] = [];
    const { startAfter, ...rest } = query;
    let token: string | undefined;
    // A listing without an end is wrong too.
    for (let page = 0; page < 100; page++) {
      const answer = await this.store.list(
        {
          ...{ prefix: this.prefix + below, ...rest },
          ...(startAfter === undefined ? {} : { startAfter: this.prefix + startAfter }),
          ...(token === undefined ? {} : { token }),
        },
        this.options,
      );
      names.push(...answer.objects.map(({ key }) => key.slice(this.prefix.length)));
      token = answer.nextToken;
      if (token === undefined) break;
    }
    return names;
  }

  /** Makes an object as a multipart upload; one that is refused is aborted. */
  async upload(
    name: string,
    fill: (uploadId: string) => Promise<{ readonly kind: string }>,
    condition: Condition,
  ): Promise<{ readonly kind: string }> {
    const key = this.key(name);
    const uploadId = await this.store.createMultipart(key, plain, this.options);
    let answer: { readonly kind: string } | undefined;
    try {
      const part = await fill(uploadId);
      if (part.kind !== "copied") {
        answer = part;
        return answer;
      }
      const parts = [part as unknown as Parameters<ObjectStore["completeMultipart"]>[2][number]];
      answer = await this.store.completeMultipart(key, uploadId, parts, condition, this.options);
      return answer;
    } finally {
      if (answer?.kind !== "stored") await this.store.abortMultipart(key, uploadId, this.options);
    }
  }

  /** A part of these bytes, for {@link upload}. */
  async part(name: string, uploadId: string, text: string) {
    const key = this.key(name);
    const body = bodyOf(text);
    const part = await this.store.uploadPart(key, uploadId, 1, body, this.options);
    return { kind: "copied", ...part };
  }

  /** Removes all canaries and uploads below the prefix; with `other`, what others left below that one long ago. */
  async clear(other?: { readonly prefix: string; readonly nowMs: number }): Promise<void> {
    const { store, options } = this;
    const prefix = other?.prefix ?? this.prefix;
    const isToGo = (key: string, sinceMs: number): boolean =>
      key.startsWith(this.prefix) || (other !== undefined && other.nowMs - sinceMs > abandonedMs);
    let token: string | undefined;
    do {
      const page = await store.list({ prefix, ...(token === undefined ? {} : { token }) }, options);
      for (const { key, lastModifiedMs } of page.objects) {
        if (isToGo(key, lastModifiedMs)) await store.delete(key, "any", options);
      }
      token = page.nextToken;
    } while (token !== undefined);
    for (const { key, uploadId, initiatedMs } of await this.#uploads(prefix)) {
      if (isToGo(key, initiatedMs)) await store.abortMultipart(key, uploadId, options);
    }
  }

  /** Removes canaries by name, which a listing may spell in another way. */
  async remove(names: readonly string[]): Promise<void> {
    for (const name of names) {
      try {
        await this.store.delete(this.key(name), "any", this.options);
      } catch (error) {
        if (!isRefusal(error)) throw error; // such a key cannot be there
      }
    }
  }

  /** The uploads that can be seen: many keys may not list them, and an empty upload costs nothing. */
  async #uploads(prefix: string) {
    try {
      return await this.store.listUploads(prefix, this.options);
    } catch (error) {
      if (isRefusal(error) || (error instanceof ObjectStoreError && error.code === "denied")) {
        return [];
      }
      throw error;
    }
  }
}

/** Whether a store said that it does not do this, and nothing else was in the way. */
export function isRefusal(error: unknown): boolean {
  return (
    error instanceof ObjectStoreError && (error.code === "unsupported" || error.code === "invalid")
  );
}

/**
 * What a request with a condition that does not hold shows: it must be refused and leave things as they are. `works`
 * then does the same with a condition that holds.
 */
export async function judgeCondition(
  broken: () => Promise<{ readonly kind: string }>,
  isUntouched: () => Promise<boolean>,
  works: () => Promise<boolean>,
): Promise<AbilityOutcome> {
  try {
    const { kind } = await broken();
    if (kind !== "preconditionFailed" || !(await isUntouched())) return "ignored";
    return (await works()) ? "honoured" : "refused";
  } catch (error) {
    if (isRefusal(error)) return "refused";
    throw error;
  }
}
