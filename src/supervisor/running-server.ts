import { rmSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { ControlClient } from "../control/client.ts";
import { ControlError } from "../control/error.ts";
import type { ServerMethods, ServerStatus } from "../control/messages.ts";
import type { Launcher, ServerProgram } from "./launcher.ts";
import type { VolumePaths } from "./volume-paths.ts";

/** How a server ended; both unknown for one that an earlier supervisor had started. */
export interface ServerEnd {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

/** A server opens its control socket first of all; what takes longer than this hangs. */
const answerBudgetMs = 60_000;
const retryMs = 20;
const lastWordsMs = 500;
const heartbeatMs = 10_000;
/** A server whose event loop stands still this long is hung. */
const silenceMs = 45_000;
const endBudgetMs = 30_000;
/** The kernel closes a dying process's connections before its end is seen here. */
const dyingMs = 5_000;

interface Dependencies {
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
    dependencies: Dependencies,
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
    dependencies: Dependencies,
  ): Promise<RunningServer> {
    const { launcher, clock, log } = dependencies;
    const sinceMs = clock.monotonicMs();
    rmSync(paths.serverSocket, { force: true });
    const child = launcher.startServer(paths, program);
    child.unref();
    let errors = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      errors = (errors + text).slice(0, 2_000);
    });
    let end: ServerEnd | undefined;
    const ended = new Promise<ServerEnd>((resolve) => {
      child.once("error", (error) => {
        errors += error.message;
        resolve({ code: undefined, signal: undefined });
      });
      // Not `exit`: by now the launcher's last words have arrived. Its pipe ends at exec, the server has another.
      child.once("close", (code, signal) =>
        resolve({ code: code ?? undefined, signal: signal ?? undefined }),
      );
    }).then((value) => {
      end = value;
      return value;
    });
    const limit = AbortSignal.timeout(answerBudgetMs);
    while (end === undefined) {
      let client: ControlClient<ServerMethods> | undefined;
      try {
        client = await ControlClient.connect<ServerMethods>(paths.serverSocket, limit);
        const status = await client.call("status", {}, limit);
        log.info("Volume server started", { pid: status.pid });
        return new RunningServer(client, status, { sinceMs, ended }).#watched(paths, dependencies);
      } catch (error) {
        client?.close();
        if (limit.aborted || clock.monotonicMs() - sinceMs > answerBudgetMs) break;
        if (!(error instanceof ControlError)) throw error;
        await Promise.race([ended, new Promise<void>((wake) => clock.schedule(retryMs, wake))]);
      }
    }
    if (end === undefined) {
      await launcher.endServer(paths, 0);
      throw new ControlError("supervisor", "The volume server does not answer; see its log");
    }
    // What it wrote is in its pipe by now, and has to be read from there.
    const readBy = clock.monotonicMs() + lastWordsMs;
    while (dependencies.lastWords?.() === undefined && clock.monotonicMs() < readBy) {
      await new Promise<void>((wake) => clock.schedule(retryMs, wake));
    }
    const words = errors.trim() || dependencies.lastWords?.() || "it said nothing";
    throw new ControlError(
      "supervisor",
      `The volume server cannot be started: ${words} (${end.signal ?? `exit code ${end.code}`})`,
    );
  }

  /** Has the server killed when it stops answering. */
  #watched(paths: VolumePaths, { launcher, clock, log }: Dependencies): this {
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
