/** A server that lived this long was no crash loop. */
const healthyMs = 30_000;
const firstDelayMs = 100;
const longestDelayMs = 5_000;

/**
 * How long to wait before a dead server is started again: not at all the first time, then ever longer while
 * servers keep dying young.
 */
export class RestartDelays {
  #failures = 0;

  /** The delay after a server that lived `livedMs`. */
  next(livedMs: number): number {
    if (livedMs >= healthyMs) this.#failures = 0;
    const delayMs =
      this.#failures === 0
        ? 0
        : Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(this.#failures - 1, 10));
    this.#failures += 1;
    return delayMs;
  }
}
