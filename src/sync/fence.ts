import type { ExportFence } from "../handover/export-fence.ts";
import type { SyncContext } from "./sync-context.ts";

/** How long an answer holds while exports go on, and at the begin of a batch, in milliseconds. */
const maxAge = { withinBatchMs: 10_000, atBeginMs: 1_000 } as const;

/** Another node has been given the volume: nothing goes onto its paths any more, and what is pending stays here. */
export class Superseded extends Error {
  constructor(volumeId: string) {
    super(
      `Another node has been given volume ${volumeId}: what is pending stays on this one and is not exported`,
    );
    this.name = "Superseded";
  }
}

/** Asks whether this node still has the volume: before each batch of exports, and at least every 10 s within one. */
export class Fence {
  readonly #context: SyncContext;
  readonly #fence: ExportFence | undefined;
  #running = 0;
  /** When the last question that was answered with yes had been sent. */
  #grantedMs: number | undefined;
  #asking: Promise<void> | undefined;

  constructor(context: SyncContext, fence: ExportFence | undefined) {
    this.#context = context;
    this.#fence = fence;
  }

  /** Does `work` if this node has the volume. @throws {Superseded}; {ObjectStoreError} while nobody knows. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const ageMs = this.#running === 0 ? maxAge.atBeginMs : maxAge.withinBatchMs;
    this.#running += 1;
    try {
      await this.#pass(ageMs);
      return await work();
    } finally {
      this.#running -= 1;
    }
  }

  async #pass(ageMs: number): Promise<void> {
    const fence = this.#fence;
    if (fence === undefined) return;
    const nowMs = this.#context.clock.monotonicMs();
    if (this.#grantedMs !== undefined && nowMs - this.#grantedMs < ageMs) return;
    this.#asking ??= this.#ask(fence, nowMs).finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
  }

  async #ask(fence: ExportFence, sentMs: number): Promise<void> {
    this.#grantedMs = undefined;
    if (!(await fence.mayExport(this.#context.signal))) {
      throw new Superseded(this.#context.options.volumeId);
    }
    this.#grantedMs = sentMs;
  }
}
