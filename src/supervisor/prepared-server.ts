import { rmSync } from "node:fs";
import type { Log } from "../base/log.ts";
import type { ServerProgram } from "./launcher.ts";
import { RunningServer, type ServerDependencies } from "./running-server.ts";
import { connectToStarted } from "./started-process.ts";
import type { VolumePaths } from "./volume-paths.ts";

/** How long one waits for its volume: as long as its predecessor may take to end, and some more. */
const beginBudgetMs = 45_000;

/**
 * A server that has loaded everything and does not serve: what is left of a pause is its predecessor's end and the
 * opening of the state. It ends by itself when its supervisor does.
 */
export class PreparedServer {
  readonly #begin: () => Promise<RunningServer>;
  readonly #abandon: () => void;

  private constructor(begin: () => Promise<RunningServer>, abandon: () => void) {
    this.#begin = begin;
    this.#abandon = abandon;
  }

  /** Starts one. Caller: the listener exists. @throws {ControlError} supervisor when it ends; nothing of it is left then. */
  static async start(
    paths: VolumePaths,
    program: ServerProgram,
    dependencies: ServerDependencies,
  ): Promise<PreparedServer> {
    const { launcher, clock, log } = dependencies;
    const sinceMs = clock.monotonicMs();
    const socket = paths.preparedSocket;
    // One that a supervisor left which died: it is not to be asked.
    rmSync(socket, { force: true });
    const child = launcher.startServer(paths, program, { prepared: true });
    const kill = () => {
      child.kill("SIGKILL");
      rmSync(socket, { force: true });
    };
    const { client, ended } = await connectToStarted({ child, socket }, async () => undefined, {
      clock,
      giveUp: async () => kill(),
    });
    const begin = async () => {
      const limit = AbortSignal.timeout(beginBudgetMs);
      const status = await client.call("begin", {}, limit);
      log.info("Volume server started", { pid: status.pid, prepared: true });
      return RunningServer.watch({ client, status, sinceMs, ended }, paths, dependencies);
    };
    return new PreparedServer(begin, () => {
      client.close();
      kill();
    });
  }

  /** It serves the volume as soon as its lock is free. @throws {ControlError} when it does not come to that. */
  begin(): Promise<RunningServer> {
    return this.#begin();
  }

  /** Ends it. */
  abandon(): void {
    this.#abandon();
  }
}

/**
 * Prepares a server, has the other supervisor's one ended by `release`, and begins; `release` resolves with false when
 * that supervisor, and its server may go on, or the volume is gone. Undefined: it is released or gone, and no prepared server serves.
 */
export async function replaceServer(
  prepare: () => Promise<PreparedServer>,
  release: () => Promise<boolean>,
  log: Log,
): Promise<RunningServer | undefined> {
  const prepared = await prepare().catch((error: unknown) => {
    log.warn("No server can be prepared: the volume's pause is longer", { error });
    return undefined;
  });
  const begun = prepared?.begin();
  begun?.catch(() => undefined); // looked at below
  try {
    if ((await release()) && begun !== undefined) return await begun;
  } catch (error) {
    log.warn("The prepared server does not begin: another one is started", { error });
  }
  prepared?.abandon();
  return undefined;
}
