import { rmSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { ControlClient } from "../control/client.ts";
import type { ServerMethods, ServerStatus } from "../control/messages.ts";
import type { Launcher, ServerProgram } from "./launcher.ts";
import { connectToStarted, type ServerEnd } from "./started-process.ts";
import type { VolumePaths } from "./volume-paths.ts";

const heartbeatMs = 10_000;
/** A server whose event loop stands still this long is hung. */
const silenceMs = 45_000;
const endBudgetMs = 30_000;
/** The kernel closes a dying process's connections before its end is seen here. */
const dyingMs = 5_000;

/** What starts, finds and watches servers. */
export interface ServerDependencies {
  readonly launcher: Pick<Launcher, "startServer" | "endServer">;
  readonly clock: Clock;
  readonly log: Log;
  /** Why the server says it ended, once it is read from its pipe. */
  readonly lastWords?: () => string | undefined;
}

/** A volume server that answers on its control socket. */
export class RunningServer {
  readonly client: ControlClient<ServerMethods>;
  readonly pid: number;
  readonly specDigest: string;
  /** Monotonic time at which it was started or found. */
  readonly sinceMs: number;
  /** Resolves when the process, or for an adopted one its control connection, is gone. */
  readonly ended: Promise<ServerEnd>;

  private constructor(
    client: ControlClient<ServerMethods>,
    status: ServerStatus,
    run: { readonly sinceMs: number; readonly ended: Promise<ServerEnd> },
  ) {
    this.client = client;
    this.pid = status.pid;
    this.specDigest = status.specDigest;
    this.sinceMs = run.sinceMs;
    this.ended = run.ended;
  }

  /** The server that an earlier supervisor has left running; undefined when none answers within some seconds. */
  static async adopt(
    paths: VolumePaths,
    dependencies: ServerDependencies,
  ): Promise<RunningServer | undefined> {
    let client: ControlClient<ServerMethods> | undefined;
    try {
      const signal = AbortSignal.timeout(10_000);
      client = await ControlClient.connect<ServerMethods>(paths.serverSocket, signal);
      const status = await client.call("status", {}, signal);
      const ended = client.closed.then(() => ({ code: undefined, signal: undefined }));
      const sinceMs = dependencies.clock.monotonicMs();
      return new RunningServer(client, status, { sinceMs, ended }).#watched(paths, dependencies);
    } catch (error) {
      client?.close();
      dependencies.log.info("No server to take over", { error });
      return undefined;
    }
  }

  /**
   * Starts a server and resolves when it answers. Caller: the listener exists, an earlier server is gone.
   * @throws {ControlError} supervisor when it ends first or does not answer; nothing of it is left then.
   */
  static async start(
    paths: VolumePaths,
    program: ServerProgram,
    dependencies: ServerDependencies,
  ): Promise<RunningServer> {
    const { launcher, clock, log, lastWords } = dependencies;
    const sinceMs = clock.monotonicMs();
    const socket = paths.serverSocket;
    rmSync(socket, { force: true });
    const {
      client,
      answer: status,
      ended,
    } = await connectToStarted(
      { child: launcher.startServer(paths, program), socket },
      (to, limit) => to.call("status", {}, limit),
      { clock, lastWords, giveUp: () => launcher.endServer(paths, 0) },
    );
    log.info("Volume server started", { pid: status.pid });
    return RunningServer.watch({ client, status, sinceMs, ended }, paths, dependencies);
  }

  /** One that this supervisor has started, from now on watched. */
  static watch(
    server: {
      readonly client: ControlClient<ServerMethods>;
      readonly status: ServerStatus;
      readonly sinceMs: number;
      readonly ended: Promise<ServerEnd>;
    },
    paths: VolumePaths,
    dependencies: ServerDependencies,
  ): RunningServer {
    return new RunningServer(server.client, server.status, server).#watched(paths, dependencies);
  }

  /** Has the server killed when it stops answering. */
  #watched(paths: VolumePaths, { launcher, clock, log }: ServerDependencies): this {
    let over = false;
    void this.ended.then(() => {
      over = true;
      this.client.close();
    });
    const beat = async (): Promise<void> => {
      const silence = new AbortController();
      const cancel = clock.schedule(silenceMs, () => silence.abort());
      try {
        await this.client.call("status", {}, silence.signal);
      } catch (error) {
        if (silence.signal.aborted && !over) {
          log.error("Volume server hangs and is killed", { pid: this.pid });
          await launcher.endServer(paths, 0);
          return;
        }
        if (this.client.isClosed) {
          // Dead, as a rule: what holds the lock in a moment is then its successor, and none of ours to end.
          await Promise.race([
            this.ended,
            new Promise<void>((wake) => clock.schedule(dyingMs, wake)),
          ]);
          // It is ending, or has lost its control socket: either way it has its time to end.
          if (!over) await launcher.endServer(paths, endBudgetMs);
          return;
        }
        if (!over) log.warn("Volume server does not tell its status", { pid: this.pid, error });
      } finally {
        cancel();
      }
      if (!over) clock.schedule(heartbeatMs, () => void guarded());
    };
    const guarded = () =>
      beat().catch((error: unknown) => log.error("Heartbeat failed", { pid: this.pid, error }));
    clock.schedule(heartbeatMs, () => void guarded());
    return this;
  }
}
