import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { StateStore } from "./state/state-store.ts";

/**
 * When what was committed is on the disk: before the reply where it was asked for, else a little later. After
 * one failure nothing that changes anything is acknowledged again: the kernel reports an I/O error once.
 */
export class Durability {
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #delayMs: number;
  #cancelTimer: (() => void) | undefined;
  #failed = false;

  constructor(
    options: { readonly delayMs: number },
    deps: { readonly store: StateStore; readonly clock: Clock; readonly log: Log },
  ) {
    this.#delayMs = options.delayMs;
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  /** A sync has failed: changes are refused from here on. */
  get hasFailed(): boolean {
    return this.#failed;
  }

  /** Resolves when all that is committed now, or up to a position, is on the disk; false when it cannot be known to be. */
  async sync(upTo?: number): Promise<boolean> {
    if (this.#failed) return false;
    try {
      await this.#store.sync(upTo);
      return true;
    } catch (error) {
      if (!this.#failed) {
        this.#log.error("Cannot sync the state of the volume: changes are refused from here on", {
          error,
        });
      }
      this.#failed = true;
      return false;
    }
  }

  /** Something was committed that nobody waits for: it is synced at the latest after the delay. */
  changed(): void {
    this.#cancelTimer ??= this.#clock.schedule(this.#delayMs, () => {
      this.#cancelTimer = undefined;
      void this.sync();
    });
  }

  /** Ends the timer and syncs what it stood for. */
  async stop(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    await this.sync();
  }
}
