/** A server that lived this long was no crash loop. */
const healthyMs = 5_000;
/** So many are started at once, whatever killed those before: each wait is one of the mount. */
const eager = 3;
const firstDelayMs = 100;
const longestDelayMs = 5_000;

/** How long to wait before a dead server is started again: not at all, then ever longer while servers keep dying young. */
export class RestartDelays {
  #failures = 0;

  /** The delay after a server that lived `livedMs`. */
  next(livedMs: number): number {
    if (livedMs >= healthyMs) this.#failures = 0;
    const late = this.#failures - eager;
    this.#failures += 1;
    return late < 0 ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(late, 10));
  }
}
