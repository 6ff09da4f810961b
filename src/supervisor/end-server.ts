import type { Clock } from "../base/clock.ts";
import { ControlClient } from "../control/client.ts";
import { ControlError } from "../control/error.ts";
import type { ServerMethods } from "../control/messages.ts";
import type { Launcher } from "./launcher.ts";
import type { VolumePaths } from "./volume-paths.ts";

/** How long a server may take to finish its compounds and close its database. */
export const serverGraceMs = 30_000;
const askBudgetMs = 5_000;
const pollMs = 50;

/**
 * Ends a volume's server and resolves when it is gone. One of another pod, which no signal reaches, is asked to end.
 * @throws {ControlError} supervisor when it does not.
 */
export async function endServer(
  paths: VolumePaths,
  graceMs: number,
  dependencies: { readonly launcher: Pick<Launcher, "endServer">; readonly clock: Clock },
): Promise<void> {
  const { launcher, clock } = dependencies;
  if ((await launcher.endServer(paths, graceMs)) === "ended") return;
  const untilMs = clock.monotonicMs() + graceMs;
  using client = await ControlClient.connect<ServerMethods>(
    paths.serverSocket,
    AbortSignal.timeout(askBudgetMs),
  );
  await client.call("end", {}, AbortSignal.timeout(askBudgetMs));
  while ((await launcher.endServer(paths, 0)) === "elsewhere") {
    if (clock.monotonicMs() >= untilMs) {
      throw new ControlError("supervisor", `The server at ${paths.serverSocket} does not end`);
    }
    await new Promise<void>((wake) => clock.schedule(pollMs, wake));
  }
}
