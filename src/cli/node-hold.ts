import { randomUUID } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { ControlError } from "../control/error.ts";
import type { Pending, ServerMethods } from "../control/messages.ts";
import type { VolumeSpec } from "../control/volume-spec.ts";
import type { ExportFence } from "../handover/export-fence.ts";
import { type Claim, NodeClaim } from "../handover/node-claim.ts";
import { describeNodeRecord } from "../handover/node-record.ts";
import { bucketErrorKind } from "../s3/check-bucket.ts";
import { type ObjectStore, ObjectStoreError } from "../s3/object-store.ts";

/** How often the record says anew what is pending. */
const updateEveryMs = 30_000;

/** What the server of a volume does with this node's record in the bucket; nothing where the node keeps none. */
export class NodeHold {
  readonly #spec: VolumeSpec;
  readonly #claim: NodeClaim | undefined;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #pending: () => Pending;
  #hasLeft = false;
  #updating: Promise<void> = Promise.resolve();
  /** Whether the bucket has said once to whom the volume belongs. */
  #hasAsked = false;
  #cancelUpdate: (() => void) | undefined;
  /** Ends an update that is on its way. */
  #stop = new AbortController();

  constructor(
    spec: VolumeSpec,
    dependencies: {
      readonly store: ObjectStore;
      readonly clock: Clock;
      readonly log: Log;
      readonly pending: () => Pending;
    },
  ) {
    this.#spec = spec;
    this.#clock = dependencies.clock;
    this.#log = dependencies.log;
    this.#pending = dependencies.pending;
    const { prefix, nodeName: node, singleNode: isSingleNode = false, readOnly } = spec;
    // A read-only volume leaves nothing behind, and its keys may not write.
    this.#claim =
      node === undefined || readOnly
        ? undefined
        : new NodeClaim({ prefix, node, isSingleNode }, { ...dependencies, newClaim: randomUUID });
  }

  /** What the exporter asks; undefined: nobody can take the volume from this node. */
  get fence(): ExportFence | undefined {
    const claim = this.#claim;
    if (this.#spec.singleNode !== true || claim === undefined) return undefined;
    return {
      mayExport: async (signal) => {
        // A server that came in the place of one that died is asked by nobody to take the volume.
        if (!this.#hasAsked) {
          const { kind } = await claim.claim(signal);
          this.#hasAsked = true;
          if (kind === "claimed") this.#updateLater();
        }
        return await claim.mayExport(signal);
      },
    };
  }

  /** Makes sure that the record stands. @throws {ControlError} elsewhere; and as S3 answers. */
  async take(signal: AbortSignal): Promise<ServerMethods["ready"]["result"]> {
    const claim = this.#claim;
    if (claim === undefined) return {};
    const { volumeId, singleNode = false } = this.#spec;
    let answer: Claim;
    try {
      answer = await named(volumeId, () => claim.claim(signal));
      this.#hasAsked = true;
    } catch (error) {
      // Keys that may only read are enough for a volume that nobody has to give up.
      if (singleNode || !(error instanceof ControlError) || error.code !== "denied") throw error;
      this.#log.warn("This node's record of the volume cannot be written", { error });
      return {};
    }
    const { kind, others } = answer;
    if (kind === "elsewhere") {
      const nowMs = Number(this.#clock.nowNs() / 1_000_000n);
      const who = others.map((one) => describeNodeRecord(one, nowMs)).join("; ");
      throw new ControlError(
        "elsewhere",
        `Volume ${volumeId} belongs to one node at a time and is on ${who}; it is waited for, unless that node will not come back: then s3files release`,
      );
    }
    this.#hasLeft = false;
    this.#updateLater();
    return { sharedWith: others.map(({ node }) => node) };
  }

  /** Goes on with what an earlier server of this node has begun: the record says what is pending. */
  resume(): void {
    if (this.#claim !== undefined) this.#updateLater();
  }

  /** Withdraws the record once nothing is pending. @throws {ControlError} as S3 answers. */
  async leave(signal: AbortSignal): Promise<{ readonly left: boolean }> {
    const { pendingBytes, oldestPendingMs } = this.#pending();
    if (pendingBytes > 0 || oldestPendingMs > 0) return { left: false };
    this.#hasLeft = true;
    this.close();
    // An update on its way would bring the record back on a store that ignores conditions.
    await this.#updating;
    await named(this.#spec.volumeId, async () => await this.#claim?.release(signal));
    return { left: true };
  }

  /** Ends the updates; the record stays. */
  close(): void {
    this.#cancelUpdate?.();
    this.#cancelUpdate = undefined;
    this.#stop.abort(new Error("The updates of this node's record end"));
  }

  #updateLater(): void {
    this.#cancelUpdate?.();
    this.#stop = new AbortController();
    this.#cancelUpdate = this.#clock.schedule(updateEveryMs, () => {
      this.#updating = this.#update();
      void this.#updating.then(() => {
        if (!this.#hasLeft && this.#cancelUpdate !== undefined) this.#updateLater();
      });
    });
  }

  async #update(): Promise<void> {
    try {
      const limit = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(updateEveryMs)]);
      await this.#claim?.update(this.#pending(), limit);
    } catch (error) {
      // It is for other nodes' messages only; the next attempt is half a minute away.
      this.#log.info("Cannot update this node's record", { error });
    }
  }
}

async function named<T>(volumeId: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!(cause instanceof ObjectStoreError)) throw cause;
    const kind = bucketErrorKind(cause);
    const code = kind === "invalid" ? "supervisor" : kind;
    throw new ControlError(code, `Volume ${volumeId}, its nodes' records: ${cause.message}`, {
      cause,
    });
  }
}
