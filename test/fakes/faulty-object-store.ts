import { type Clock, systemClock } from "../../src/base/clock.ts";
import {
  type Condition,
  type ETag,
  type ObjectHeaders,
  type ObjectKey,
  type ObjectStore,
  ObjectStoreError,
  type PutBody,
  type RequestOptions,
  type UploadedPart,
} from "../../src/s3/object-store.ts";

/**
 * What goes wrong:
 * `fail` nothing is executed and `error` is thrown, by default `unavailable` · `lose` the request is executed, then
 * `unavailable` is thrown: the answer was lost · `late` `unavailable` is thrown, and the request is executed when
 * `delayMs` have passed · `refuse` nothing is executed, as if the condition had not held (a 409 of another write) · `delay` waits on the clock before executing · `before`, `after`
 * call `run` before or after executing, to hold a request or to act as another client at that moment.
 */
export type StoreFaultAction =
  | { readonly kind: "fail"; readonly error?: ObjectStoreError }
  | { readonly kind: "lose" }
  | { readonly kind: "delay"; readonly delayMs: number }
  | { readonly kind: "late"; readonly delayMs: number }
  | { readonly kind: "refuse" }
  | { readonly kind: "before"; readonly run: () => unknown }
  | { readonly kind: "after"; readonly run: () => unknown };

/** Which requests a fault hits: all that match, unless `nth`, `times` or `chance` say less. */
export interface StoreFaultRule {
  readonly operation?: keyof ObjectStore | readonly (keyof ObjectStore)[];
  /** Tested against the key, or the prefix of a listing. */
  readonly key?: RegExp;
  /** Only the nth matching request, counted from 1. */
  readonly nth?: number;
  /** At most so many hits. */
  readonly times?: number;
  /** Probability of a hit, 0 to 1. */
  readonly chance?: number;
  readonly action: StoreFaultAction;
}

/** A rule in force. */
export interface StoreFault extends Disposable {
  /** Requests hit so far. */
  readonly hits: number;
  remove(): void;
}

interface Entry {
  readonly rule: StoreFaultRule;
  matched: number;
  hits: number;
}

/** An `unavailable` as a broken connection gives it. */
export function unavailable(message = "Connection reset"): ObjectStoreError {
  return new ObjectStoreError("unavailable", message, { s3Code: "ECONNRESET" });
}

/** An `unavailable` of a request that no connection was made for. */
export function unreachable(message = "Connection refused"): ObjectStoreError {
  return new ObjectStoreError("unavailable", message, { s3Code: "ECONNREFUSED", isUnsent: true });
}

/** Any object store with faults injected in front of it; without rules it only passes on. */
export class FaultyObjectStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #entries = new Set<Entry>();

  constructor(
    inner: ObjectStore,
    options: { readonly clock?: Clock; readonly random?: () => number } = {},
  ) {
    this.#inner = inner;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
  }

  /** Puts a rule in force until it is removed or disposed. Rules act in the order added. */
  add(rule: StoreFaultRule): StoreFault {
    const entry: Entry = { rule, matched: 0, hits: 0 };
    this.#entries.add(entry);
    const remove = (): void => {
      this.#entries.delete(entry);
    };
    return {
      get hits() {
        return entry.hits;
      },
      remove,
      [Symbol.dispose]: remove,
    };
  }

  /** Removes all rules. */
  clear(): void {
    this.#entries.clear();
  }

  head(key: ObjectKey, options?: RequestOptions) {
    return this.#run("head", key, options, (given) => this.#inner.head(key, given));
  }

  get(
    key: ObjectKey,
    range: { readonly offsetBytes: number; readonly lengthBytes: number; readonly ifMatch: ETag },
    options?: RequestOptions,
  ) {
    return this.#run("get", key, options, (given) => this.#inner.get(key, range, given));
  }

  list(query: Parameters<ObjectStore["list"]>[0], options?: RequestOptions) {
    return this.#run("list", query.prefix, options, (given) => this.#inner.list(query, given));
  }

  put(
    key: ObjectKey,
    body: PutBody,
    headers: ObjectHeaders,
    condition: Condition,
    options?: RequestOptions,
  ) {
    return this.#run("put", key, options, (given) =>
      this.#inner.put(key, body, headers, condition, given),
    );
  }

  copy(
    source: { readonly key: ObjectKey; readonly ifMatch: ETag },
    key: ObjectKey,
    headers: ObjectHeaders,
    condition: Condition,
    options?: RequestOptions,
  ) {
    return this.#run("copy", key, options, (given) =>
      this.#inner.copy(source, key, headers, condition, given),
    );
  }

  delete(key: ObjectKey, ifMatch: ETag | "any", options?: RequestOptions) {
    return this.#run("delete", key, options, (given) => this.#inner.delete(key, ifMatch, given));
  }

  createMultipart(key: ObjectKey, headers: ObjectHeaders, options?: RequestOptions) {
    return this.#run("createMultipart", key, options, (given) =>
      this.#inner.createMultipart(key, headers, given),
    );
  }

  uploadPart(
    key: ObjectKey,
    uploadId: string,
    partNumber: number,
    body: PutBody,
    options?: RequestOptions,
  ) {
    return this.#run("uploadPart", key, options, (given) =>
      this.#inner.uploadPart(key, uploadId, partNumber, body, given),
    );
  }

  uploadPartCopy(
    key: ObjectKey,
    uploadId: string,
    partNumber: number,
    source: Parameters<ObjectStore["uploadPartCopy"]>[3],
    options?: RequestOptions,
  ) {
    return this.#run("uploadPartCopy", key, options, (given) =>
      this.#inner.uploadPartCopy(key, uploadId, partNumber, source, given),
    );
  }

  completeMultipart(
    key: ObjectKey,
    uploadId: string,
    parts: readonly UploadedPart[],
    condition: Condition,
    options?: RequestOptions,
  ) {
    return this.#run("completeMultipart", key, options, (given) =>
      this.#inner.completeMultipart(key, uploadId, parts, condition, given),
    );
  }

  tags(key: ObjectKey, options?: RequestOptions) {
    return this.#run("tags", key, options, (given) => this.#inner.tags(key, given));
  }

  abortMultipart(key: ObjectKey, uploadId: string, options?: RequestOptions) {
    return this.#run("abortMultipart", key, options, (given) =>
      this.#inner.abortMultipart(key, uploadId, given),
    );
  }

  listUploads(prefix: string, options?: RequestOptions) {
    return this.#run("listUploads", prefix, options, (given) =>
      this.#inner.listUploads(prefix, given),
    );
  }

  hasParts(key: ObjectKey, uploadId: string, options?: RequestOptions) {
    return this.#run("hasParts", key, options, (given) =>
      this.#inner.hasParts(key, uploadId, given),
    );
  }

  restore(key: ObjectKey, days: number, options?: RequestOptions) {
    return this.#run("restore", key, options, (given) => this.#inner.restore(key, days, given));
  }

  async #run<Answer>(
    operation: keyof ObjectStore,
    key: string,
    options: RequestOptions | undefined,
    execute: (options: RequestOptions | undefined) => Promise<Answer>,
  ): Promise<Answer> {
    const actions = this.#match(operation, key);
    let isLost = false;
    for (const action of actions) {
      if (action.kind === "fail") throw action.error ?? unavailable(`${operation} ${key}: reset`);
      if (action.kind === "refuse") return { kind: "preconditionFailed" } as Answer;
      if (action.kind === "late") {
        // Nobody hears what becomes of it, or can call it back.
        this.#clock.schedule(action.delayMs, () => void execute({}).catch(() => undefined));
        throw unavailable(`${operation} ${key}: timed out`);
      }
      if (action.kind === "delay") await this.#wait(action.delayMs, options?.signal);
      if (action.kind === "before") await action.run();
      if (action.kind === "lose") isLost = true;
    }
    const answer = await execute(options);
    for (const action of actions) {
      if (action.kind === "after") await action.run();
    }
    if (isLost) throw unavailable(`${operation} ${key}: the answer was lost`);
    return answer;
  }

  #match(operation: keyof ObjectStore, key: string): StoreFaultAction[] {
    const actions: StoreFaultAction[] = [];
    for (const entry of this.#entries) {
      const { rule } = entry;
      const operations = rule.operation === undefined ? [operation] : [rule.operation].flat();
      if (!operations.includes(operation)) continue;
      if (rule.key !== undefined && key.search(rule.key) === -1) continue;
      entry.matched++;
      if (rule.nth !== undefined && entry.matched !== rule.nth) continue;
      if (rule.times !== undefined && entry.hits >= rule.times) continue;
      if (rule.chance !== undefined && this.#random() >= rule.chance) continue;
      entry.hits++;
      actions.push(rule.action);
    }
    return actions;
  }

  #wait(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const abort = (): void => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.#clock.schedule(delayMs, () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      });
      signal?.addEventListener("abort", abort, { once: true });
    });
  }
}
