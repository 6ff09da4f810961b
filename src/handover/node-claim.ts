import type { Clock } from "../base/clock.ts";
import type { ETag, ObjectKey, ObjectStore } from "../s3/object-store.ts";
import { ObjectStoreError, objectKey } from "../s3/object-store.ts";
import type { ExportFence } from "./export-fence.ts";
import {
  type NodeRecord,
  nodeOfKey,
  nodeRecordKey,
  nodeRecordsPrefix,
  parseNodeRecord,
} from "./node-record.ts";

/** What is on this node and not in S3. */
export interface PendingChanges {
  readonly pendingBytes: number;
  readonly oldestPendingMs: number;
}

/** `claimed`: this node's record stands, with those of `others`. `elsewhere`: theirs stand, and ours does not. */
export interface Claim {
  readonly kind: "claimed" | "elsewhere";
  readonly others: readonly NodeRecord[];
}

interface Standing {
  readonly record: NodeRecord;
  readonly etag: ETag;
}

const maxRecordBytes = 64 * 1024;

/**
 * This node's record of a volume (design 2.13): claimed when the volume is staged, kept up to date while it is served,
 * removed when it is unstaged and clean. For a volume of a single node it is the fence: a claim fails while another
 * node's record stands. All methods @throws {ObjectStoreError} and reject when the signal aborts.
 */
export class NodeClaim implements ExportFence {
  readonly #prefix: string;
  readonly #node: string;
  readonly #isSingleNode: boolean;
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #newClaim: () => string;
  readonly #key: ObjectKey;
  #own: Standing | undefined;
  /** The record was there, and is not any more: only a claim brings the volume back. */
  #isLost = false;

  constructor(
    options: {
      readonly prefix: string;
      readonly node: string;
      /** Whether only one node may have the volume. */
      readonly isSingleNode: boolean;
    },
    dependencies: {
      readonly store: ObjectStore;
      readonly clock: Clock;
      /** A text that no other claim has. */
      readonly newClaim: () => string;
    },
  ) {
    this.#prefix = options.prefix;
    this.#node = options.node;
    this.#isSingleNode = options.isSingleNode;
    this.#store = dependencies.store;
    this.#clock = dependencies.clock;
    this.#newClaim = dependencies.newClaim;
    this.#key = objectKey(nodeRecordKey(options.prefix, options.node));
  }

  /** Makes sure that this node's record stands, unless another node's forbids it. Idempotent, over restarts too. */
  async claim(signal?: AbortSignal): Promise<Claim> {
    const before = await this.#records(signal);
    const mine = before.find(({ record }) => record.node === this.#node);
    const others = before.filter((one) => one !== mine).map(({ record }) => record);
    if (this.#isSingleNode && others.length > 0) return { kind: "elsewhere", others };
    if (mine !== undefined) {
      // An earlier server's, or that of a boot before: the volume has not left this node.
      this.#own = mine;
      this.#isLost = false;
      return { kind: "claimed", others };
    }
    const epoch = 1 + Math.max(0, ...others.map((one) => one.epoch));
    const now = this.#now();
    const record: NodeRecord = {
      ...{ format: 1, node: this.#node, epoch, claim: this.#newClaim() },
      ...{ since: now, updated: now, pendingBytes: 0, oldestPendingMs: 0 },
    };
    // Refused: an earlier attempt's answer was lost, or another server of this node was faster.
    if (!(await this.#write(record, "absent", signal))) return await this.claim(signal);
    // Two nodes may have seen nobody: each now sees the other, and at least one of them gives way.
    const rivals = (await this.#records(signal)).filter(({ record: r }) => r.node !== this.#node);
    if (!this.#isSingleNode || rivals.length === 0) {
      return { kind: "claimed", others: rivals.map((one) => one.record) };
    }
    await this.release(signal);
    return { kind: "elsewhere", others: rivals.map((one) => one.record) };
  }

  async mayExport(signal?: AbortSignal): Promise<boolean> {
    if (!this.#isSingleNode) return true;
    const own = await this.#known(signal);
    if (own === undefined) return false;
    return (await this.#refresh(own, signal)) !== undefined;
  }

  /** Our record; a server that was restarted takes its predecessor's for its own. Undefined when there is none. */
  async #known(signal: AbortSignal | undefined): Promise<Standing | undefined> {
    if (this.#own !== undefined || this.#isLost) return this.#own;
    const found = await this.#store.head(this.#key, optionsOf(signal));
    if (found.kind === "found") this.#own = await this.#read(this.#key, found.etag, signal);
    return this.#own;
  }

  /** Our record as it stands now; undefined, also for later, when it is no longer there. */
  async #refresh(own: Standing, signal: AbortSignal | undefined): Promise<Standing | undefined> {
    const found = await this.#store.head(this.#key, optionsOf(signal));
    if (found.kind === "found" && found.etag === own.etag) return own;
    const now =
      found.kind === "found" ? await this.#read(this.#key, found.etag, signal) : undefined;
    this.#own = now?.record.claim === own.record.claim ? now : undefined;
    this.#isLost = this.#own === undefined;
    return this.#own;
  }

  /** Says what is pending now. Does nothing when this node has no record. */
  async update(pending: PendingChanges, signal?: AbortSignal): Promise<void> {
    const own = await this.#known(signal);
    if (own === undefined) return;
    const { pendingBytes, oldestPendingMs } = pending;
    const { record } = own;
    if (record.pendingBytes === pendingBytes && record.oldestPendingMs === oldestPendingMs) return;
    const updated = { ...record, updated: this.#now(), pendingBytes, oldestPendingMs };
    if (!(await this.#write(updated, own.etag, signal))) await this.#refresh(own, signal);
  }

  /** Removes this node's record, if it still is this node's. Idempotent; where the bucket is gone, so is the record. */
  async release(signal?: AbortSignal): Promise<void> {
    const own = await this.#known(signal);
    if (own === undefined) return;
    try {
      await this.#remove(own, signal);
    } catch (error) {
      if (!(error instanceof ObjectStoreError && error.code === "noSuchBucket")) throw error;
      this.#isLost = true; // with the bucket
    }
    this.#own = undefined;
  }

  async #remove(own: Standing, signal: AbortSignal | undefined): Promise<void> {
    const outcome = await this.#store.delete(this.#key, own.etag, optionsOf(signal));
    if (outcome.kind === "preconditionFailed") {
      // An update whose answer was lost makes it another object, and ours all the same.
      const now = await this.#refresh(own, signal);
      if (now !== undefined) await this.#store.delete(this.#key, now.etag, optionsOf(signal));
    }
  }

  #now(): string {
    return new Date(Number(this.#clock.nowNs() / 1_000_000n)).toISOString();
  }

  async #write(
    record: NodeRecord,
    condition: "absent" | ETag,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const body = Buffer.from(`${JSON.stringify(record)}\n`);
    const stored = await this.#store.put(
      this.#key,
      { sizeBytes: body.length, chunks: [body] },
      { contentType: "application/json", metadata: {} },
      condition,
      optionsOf(signal),
    );
    if (stored.kind !== "stored") return false;
    this.#own = { record, etag: stored.etag };
    this.#isLost = false;
    return true;
  }

  async #records(signal: AbortSignal | undefined): Promise<readonly Standing[]> {
    const prefix = nodeRecordsPrefix(this.#prefix);
    const { objects } = await this.#store.list({ prefix }, optionsOf(signal));
    const found = await Promise.all(objects.map(({ key, etag }) => this.#read(key, etag, signal)));
    return found.filter((one) => one !== undefined);
  }

  async #read(
    key: ObjectKey,
    etag: ETag,
    signal: AbortSignal | undefined,
  ): Promise<Standing | undefined> {
    const node = nodeOfKey(this.#prefix, key);
    if (node === undefined) return undefined;
    const range = { offsetBytes: 0, lengthBytes: maxRecordBytes, ifMatch: etag };
    const read = await this.#store.get(key, range, optionsOf(signal));
    switch (read.kind) {
      case "notFound":
        return undefined;
      case "preconditionFailed": {
        // Its node has just said what is pending.
        const head = await this.#store.head(key, optionsOf(signal));
        return head.kind === "found" ? await this.#read(key, head.etag, signal) : undefined;
      }
      case "read":
        return { record: parseNodeRecord(node, Buffer.from(read.data).toString("utf8")), etag };
    }
  }
}

function optionsOf(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
