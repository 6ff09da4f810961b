/**
 * Time as a dependency, so that tests and the simulator can set it.
 * Wall-clock values are nanoseconds since the Unix epoch; timers are milliseconds.
 */
export interface Clock {
  /** Wall-clock time in nanoseconds since the Unix epoch. */
  nowNs(): bigint;
  /** Monotonic time in milliseconds; only differences mean something. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`; the returned function cancels it. A timer never keeps the process alive. */
  schedule(delayMs: number, run: () => void): () => void;
}

/** The machine's clock. */
export const systemClock: Clock = {
  nowNs: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n,
  monotonicMs: () => performance.now(),
  schedule(delayMs, run) {
    // Node takes a longer one (24.8 days) for 1 ms.
    const timer = setTimeout(run, Math.min(delayMs, 2 ** 31 - 1));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
