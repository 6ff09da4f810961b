import { ControlError } from "../control/error.ts";

/** One hand-over to a successor, as its predecessor sees it: from `standBy` to `handedOver`, or to the successor's death. */
export class StandingBy {
  #over: PromiseWithResolvers<boolean> | undefined;

  /** True from {@link begin} until the successor has it all, or is gone. */
  get isActive(): boolean {
    return this.#over !== undefined;
  }

  /**
   * Resolves with true at {@link finish}, with false when `signal` aborts before.
   * @throws {ControlError} supervisor when another successor is at it.
   */
  async begin(signal: AbortSignal): Promise<boolean> {
    if (this.#over !== undefined) {
      throw new ControlError("supervisor", "Another supervisor is taking over");
    }
    const over = Promise.withResolvers<boolean>();
    this.#over = over;
    // At once: what the dead successor asked for is still under way, and must not count from here on.
    const abort = () => this.#end(over, false);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    try {
      return await over.promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #end(over: PromiseWithResolvers<boolean>, isHandedOver: boolean): void {
    if (this.#over === over) this.#over = undefined;
    over.resolve(isHandedOver);
  }

  /** @throws {ControlError} invalid when no successor has asked for it; the signal's reason when the one that asks is gone. */
  require(signal: AbortSignal): void {
    signal.throwIfAborted();
    if (this.#over === undefined) {
      throw new ControlError("invalid", "This supervisor does not stand by");
    }
  }

  /** The hand-over is complete. */
  finish(): void {
    if (this.#over !== undefined) this.#end(this.#over, true);
  }
}
