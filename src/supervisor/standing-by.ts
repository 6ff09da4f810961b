import { ControlError } from "../control/error.ts";

/** One hand-over to a successor, as its predecessor sees it: from `standBy` to `handedOver`, or to the successor's death. */
export class StandingBy {
  #over: PromiseWithResolvers<void> | undefined;

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
    const over = Promise.withResolvers<void>();
    this.#over = over;
    const abort = () => over.reject(signal.reason as Error);
    signal.addEventListener("abort", abort);
    try {
      await over.promise;
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
      this.#over = undefined;
    }
  }

  /** @throws {ControlError} invalid when no successor has asked for it. */
  require(): void {
    if (this.#over === undefined) {
      throw new ControlError("invalid", "This supervisor does not stand by");
    }
  }

  /** The hand-over is complete. */
  finish(): void {
    this.#over?.resolve();
  }
}
