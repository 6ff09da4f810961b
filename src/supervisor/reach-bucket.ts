import type { Clock } from "../base/clock.ts";
import { ControlError } from "../control/error.ts";
import type { ServerMethods } from "../control/messages.ts";
import type { VolumeSpec } from "../control/volume-spec.ts";
import type { RunningServer } from "./running-server.ts";

/** How long a start waits for the bucket; the caller's own limit is usually shorter. */
const readyBudgetMs = 60_000;

/**
 * Asks a volume's server whether it has reached its bucket.
 * @throws {ControlError} as the server answers; unavailable when it does not in time; supervisor when there is none.
 */
export async function reachBucket(
  server: RunningServer | undefined,
  spec: VolumeSpec,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<ServerMethods["ready"]["result"]> {
  const limit = new AbortController();
  const cancel = clock.schedule(readyBudgetMs, () =>
    limit.abort(
      new ControlError(
        "unavailable",
        `Volume ${spec.volumeId}: bucket '${spec.bucket}' did not answer in time`,
      ),
    ),
  );
  try {
    if (server === undefined) {
      throw new ControlError("supervisor", "The volume server died as soon as it was started");
    }
    return await server.client.call("ready", {}, AbortSignal.any([signal, limit.signal]));
  } finally {
    cancel();
  }
}
