import type { ChildProcess } from "node:child_process";
import type { Clock } from "../base/clock.ts";
import { ControlClient } from "../control/client.ts";
import { ControlError } from "../control/error.ts";
import type { ServerMethods } from "../control/messages.ts";

/** How a server ended; both unknown for one that an earlier supervisor had started. */
export interface ServerEnd {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

/** A server opens its control socket first of all; what takes longer than this hangs. */
const answerBudgetMs = 60_000;
const retryMs = 20;
const lastWordsMs = 500;

/** A server's process that this supervisor has started, and its control connection. */
export interface StartedProcess<T> {
  readonly client: ControlClient<ServerMethods>;
  /** What it was asked first. */
  readonly answer: T;
  readonly ended: Promise<ServerEnd>;
}

/**
 * Connects to a server that has just been started, and asks it something.
 * @throws {ControlError} supervisor when it ends first; when it does not answer in time, after `giveUp`.
 */
export async function connectToStarted<T>(
  started: { readonly child: ChildProcess; readonly socket: string },
  ask: (client: ControlClient<ServerMethods>, limit: AbortSignal) => Promise<T>,
  dependencies: {
    readonly clock: Clock;
    readonly giveUp: () => Promise<unknown>;
    /** Why the server says it ended, once it is read from its pipe. */
    readonly lastWords?: (() => string | undefined) | undefined;
  },
): Promise<StartedProcess<T>> {
  const { child, socket } = started;
  const { clock, giveUp, lastWords } = dependencies;
  const sinceMs = clock.monotonicMs();
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
      client = await ControlClient.connect<ServerMethods>(socket, limit);
      return { client, answer: await ask(client, limit), ended };
    } catch (error) {
      client?.close();
      if (limit.aborted || clock.monotonicMs() - sinceMs > answerBudgetMs) break;
      if (!(error instanceof ControlError)) throw error;
      await Promise.race([ended, new Promise<void>((wake) => clock.schedule(retryMs, wake))]);
    }
  }
  if (end === undefined) {
    await giveUp();
    throw new ControlError("supervisor", "The volume server does not answer; see its log");
  }
  // What it wrote is in its pipe by now, and has to be read from there.
  const readBy = clock.monotonicMs() + lastWordsMs;
  while (lastWords !== undefined && lastWords() === undefined && clock.monotonicMs() < readBy) {
    await new Promise<void>((wake) => clock.schedule(retryMs, wake));
  }
  const words = errors.trim() || lastWords?.() || "it said nothing";
  throw new ControlError(
    "supervisor",
    `The volume server cannot be started: ${words} (${end.signal ?? `exit code ${end.code}`})`,
  );
}
