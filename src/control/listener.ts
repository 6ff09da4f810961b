import { randomBytes } from "node:crypto";
import { chmodSync, renameSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { Log } from "../base/log.ts";
import { ControlClient } from "./client.ts";
import { ControlError } from "./error.ts";
import { LineConnection } from "./lines.ts";
import type { Line, Methods } from "./messages.ts";

/** The answers to the requests of a set, by name. `signal` aborts when nobody waits any more. */
export type Handlers<M extends Methods<M>> = {
  readonly [K in keyof M]: (
    params: M[K]["params"],
    signal: AbortSignal,
  ) => Promise<M[K]["result"]> | M[K]["result"];
};

/**
 * A control socket: a unix socket with mode 0600 at `path`. Whoever finds the path gets an answer: the socket
 * takes its name only once it listens, in place of what an earlier process left there.
 */
export class ControlListener<M extends Methods<M>> {
  #path: string;
  readonly #handlers: Handlers<M>;
  readonly #log: Log;
  readonly #server: Server;
  readonly #connections = new Set<LineConnection>();

  private constructor(
    options: { readonly path: string },
    dependencies: { readonly handlers: Handlers<M>; readonly log: Log },
  ) {
    this.#path = options.path;
    this.#handlers = dependencies.handlers;
    this.#log = dependencies.log;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Starts to listen. @throws {ControlError} supervisor when another process answers at `path`, unless it is to be replaced. */
  static async open<M extends Methods<M>>(
    options: { readonly path: string; readonly replace?: boolean },
    dependencies: { readonly handlers: Handlers<M>; readonly log: Log },
  ): Promise<ControlListener<M>> {
    const { path } = options;
    if (options.replace !== true && (await isAnswered(path))) {
      throw new ControlError("supervisor", `Another process listens at ${path}`);
    }
    const listener = new ControlListener(options, dependencies);
    // A name of its own: a listener that closes unlinks the name it was made with, which may be a successor's by then.
    const beside = `${path}.${randomBytes(4).toString("hex")}`;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    listener.#server.once("error", reject);
    listener.#server.listen(beside, resolve);
    await promise;
    listener.#server.removeListener("error", reject);
    listener.#server.on("error", (error) => listener.#log.error("Control socket", { path, error }));
    chmodSync(beside, 0o600);
    renameSync(beside, path);
    return listener;
  }

  #accept(socket: Socket): void {
    const running = new Map<number, AbortController>();
    const lines = new LineConnection(socket, {
      onLine: (line) => {
        if ("cancel" in line) running.get(line.cancel)?.abort(cancelled());
        else if ("method" in line) void this.#request(line, lines, running);
      },
      onEnd: (reason) => {
        this.#connections.delete(lines);
        for (const controller of running.values()) controller.abort(cancelled());
        if (reason !== undefined) this.#log.warn("Control connection", { error: reason });
      },
    });
    this.#connections.add(lines);
  }

  async #request(
    line: Extract<Line, { readonly method: string }>,
    lines: LineConnection,
    running: Map<number, AbortController>,
  ): Promise<void> {
    const { id, method, params } = line;
    const controller = new AbortController();
    running.set(id, controller);
    try {
      if (!Object.hasOwn(this.#handlers, method)) {
        throw new ControlError("invalid", `No control request ${method}`);
      }
      const handler = this.#handlers[method as keyof M];
      const result = await handler(params, controller.signal);
      lines.send({ id, result: result ?? null });
    } catch (error) {
      lines.send({ id, error: this.#failure(error, method, controller.signal) });
    } finally {
      running.delete(id);
    }
  }

  #failure(error: unknown, method: string, signal: AbortSignal): { code: string; message: string } {
    if (error instanceof ControlError) return { code: error.code, message: error.message };
    if (!signal.aborted) this.#log.error("Control request failed", { method, error });
    return {
      code: "supervisor",
      message: error instanceof Error ? error.message : String(error),
    };
  }

  /** Takes no more connections, and ends those there are after their last answer. The path stays: it may be a successor's. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const lines of [...this.#connections]) lines.end();
    await closed;
  }

  /** Answers at another path from now on, in place of whatever is there. */
  moveTo(path: string): void {
    renameSync(this.#path, path);
    this.#path = path;
  }

  get path(): string {
    return this.#path;
  }
}

const cancelled = () => new ControlError("timeout", "The request was cancelled");

async function isAnswered(path: string): Promise<boolean> {
  try {
    (await ControlClient.connect<Record<never, never>>(path)).close();
    return true;
  } catch (error) {
    if (error instanceof ControlError) return false;
    throw error;
  }
}
