import type { Clock } from "../base/clock.ts";

/** How slow the server is; changed while it runs, from the next request or piece on. */
export interface Shaping {
  /** Wait before each answer. */
  latencyMs: number;
  /** Of each connection, each way; undefined: as fast as it goes. */
  bandwidthBytesPerSecond: number | undefined;
}

/** Resolves after `delayMs`, or at once when `signal` is or becomes aborted. */
export function wait(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (delayMs <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.schedule(delayMs, done);
    signal.addEventListener("abort", done);
  });
}

/** Pieces in which a shaped body is sent and received. */
const pieceBytes = 64 * 1024;

/**
 * Hands a stream on at most at `bytesPerSecond`; undefined hands it on as it is. An HTTP/1.1 connection carries
 * one body at a time, so this is the bandwidth of the connection.
 */
export async function* pace(
  source: AsyncIterable<Uint8Array>,
  bytesPerSecond: number | undefined,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (bytesPerSecond === undefined) {
    yield* source;
    return;
  }
  const startMs = clock.monotonicMs();
  let sentBytes = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += pieceBytes) {
      const piece = chunk.subarray(at, at + pieceBytes);
      sentBytes += piece.length;
      const dueMs = startMs + (sentBytes / bytesPerSecond) * 1000;
      await wait(clock, dueMs - clock.monotonicMs(), signal);
      yield piece;
    }
  }
}
