import type { Clock } from "../../src/base/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Lets the promises that can go on now go on, and the I/O that has ended be seen. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A clock that stands still until a test moves it. Starts at 2026-01-01T00:00:00Z unless told otherwise. */
export class FakeClock implements Clock {
  #elapsedMs = 0;
  #order = 0;
  #startNs: bigint;
  readonly #timers = new Set<Timer>();

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#startNs = BigInt(startMs) * 1_000_000n;
  }

  nowNs(): bigint {
    return this.#startNs + BigInt(Math.round(this.#elapsedMs * 1000)) * 1000n;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  schedule(delayMs: number, run: () => void): () => void {
    const timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), order: ++this.#order, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that have not run. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Sets the wall clock only, as an administrator does; timers and `monotonicMs` go on as before. */
  setWallClock(epochMs: number): void {
    this.#startNs =
      BigInt(epochMs) * 1_000_000n - BigInt(Math.round(this.#elapsedMs * 1000)) * 1000n;
  }

  /** Moves the time on and runs what falls due, in order, each with what follows from it. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    await turn();
    for (;;) {
      const [next] = [...this.#timers]
        .filter(({ dueMs }) => dueMs <= untilMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order);
      if (next === undefined) break;
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      this.#timers.delete(next);
      next.run();
      await turn();
    }
    this.#elapsedMs = untilMs;
    await turn();
  }
}
