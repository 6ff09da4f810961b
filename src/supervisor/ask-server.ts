import type { Clock } from "../base/clock.ts";
import { ControlError } from "../control/error.ts";
import type { RunningServer } from "./running-server.ts";

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Asks a volume's server, and its successor when it dies before it answers; null when none is to run.
 * @throws {ControlError} what the server answers; timeout after `budgetMs`; the signal's reason.
 */
export async function askServer<T>(
  question: {
    /** Names the volume in the error. */
    readonly what: string;
    readonly budgetMs: number;
    readonly signal: AbortSignal;
    /** Idempotent. */
    readonly run: (server: RunningServer, limit: AbortSignal) => Promise<T>;
  },
  dependencies: {
    readonly clock: Clock;
    /** The server; undefined while there is none and one is to come; null when none is to run. */
    readonly current: () => RunningServer | undefined | null;
    /** Has `wake` called when that may have changed; the result takes it back. */
    readonly nextChange: (wake: () => void) => () => void;
  },
): Promise<T | null> {
  const { what, budgetMs, signal, run } = question;
  const { clock, current, nextChange } = dependencies;
  const late = new AbortController();
  const cancel = clock.schedule(budgetMs, () =>
    late.abort(new ControlError("timeout", `${what}: its server does not answer`)),
  );
  const limit = AbortSignal.any([signal, late.signal]);
  try {
    for (;;) {
      limit.throwIfAborted();
      const server = current();
      if (server === null) return null;
      if (server === undefined) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const forget = nextChange(resolve);
        await Promise.race([promise, aborted(limit)]);
        forget();
        continue;
      }
      try {
        return await run(server, limit);
      } catch (error) {
        if (limit.aborted || !server.client.isClosed) throw error;
        await Promise.race([server.ended, aborted(limit)]);
      }
    }
  } finally {
    cancel();
  }
}
