import { connect } from "node:net";
import { ControlError, type ControlErrorCode, controlErrorCodes } from "./error.ts";
import { LineConnection } from "./lines.ts";
import type { Line, Methods } from "./messages.ts";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One connection to a control socket; any number of requests at a time. */
export class ControlClient<M extends Methods<M>> {
  readonly #path: string;
  readonly #lines: LineConnection;
  readonly #waiting = new Map<number, Waiting>();
  readonly #closed = Promise.withResolvers<void>();
  #nextId = 1;
  #reason: ControlError | undefined;

  private constructor(path: string, socket: ReturnType<typeof connect>) {
    this.#path = path;
    this.#lines = new LineConnection(socket, {
      onLine: (line) => this.#answer(line),
      onEnd: (reason) => this.#end(reason),
    });
  }

  /**
   * Connects to the socket at `path`.
   * @throws {ControlError} supervisor when nobody listens there; the signal's reason when it aborts.
   */
  static async connect<M extends Methods<M>>(
    path: string,
    signal?: AbortSignal,
  ): Promise<ControlClient<M>> {
    signal?.throwIfAborted();
    const socket = connect(path);
    const settled = Promise.withResolvers<void>();
    const abort = () => settled.reject(signal?.reason as Error);
    signal?.addEventListener("abort", abort);
    socket.once("connect", settled.resolve);
    socket.once("error", settled.reject);
    try {
      await settled.promise;
    } catch (cause) {
      socket.destroy();
      if (signal?.aborted) throw cause;
      throw new ControlError("supervisor", `Nothing answers at ${path}: ${errnoOf(cause)}`, {
        cause,
      });
    } finally {
      signal?.removeEventListener("abort", abort);
      socket.removeListener("error", settled.reject);
    }
    return new ControlClient<M>(path, socket);
  }

  #answer(line: Line): void {
    if (!("id" in line)) return;
    const waiting = this.#waiting.get(line.id);
    this.#waiting.delete(line.id);
    if ("result" in line) waiting?.resolve(line.result);
    else if ("error" in line) waiting?.reject(toError(line.error));
  }

  #end(reason: ControlError | undefined): void {
    this.#reason =
      reason ?? new ControlError("supervisor", `The connection to ${this.#path} was closed`);
    for (const { reject } of this.#waiting.values()) reject(this.#reason);
    this.#waiting.clear();
    this.#closed.resolve();
  }

  /** Resolves when the connection is closed, by either side; the kernel closes that of a killed process. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Whether the connection is closed, so that every call fails. */
  get isClosed(): boolean {
    return this.#reason !== undefined;
  }

  /**
   * Sends a request and resolves with its answer.
   * @throws {ControlError} what the peer answered, or supervisor when the connection ends first; the signal's
   * reason when it aborts, after telling the peer.
   */
  async call<K extends keyof M & string>(
    method: K,
    params: M[K]["params"],
    signal?: AbortSignal,
  ): Promise<M[K]["result"]> {
    signal?.throwIfAborted();
    if (this.#reason !== undefined) throw this.#reason;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    const abort = () => {
      this.#waiting.delete(id);
      this.#lines.send({ cancel: id });
      reject(signal?.reason as Error);
    };
    signal?.addEventListener("abort", abort);
    try {
      this.#lines.send({ id, method, params });
      return await promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  close(): void {
    this.#lines.end();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function toError(error: { readonly code: string; readonly message: string }): ControlError {
  // A newer peer may have codes of its own.
  const known = (controlErrorCodes as readonly string[]).includes(error.code);
  return new ControlError(known ? (error.code as ControlErrorCode) : "supervisor", error.message);
}

function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
