import type { Readable, Writable } from "node:stream";

/** Exit code (128 + signal where one ended it) and everything written to stdout and stderr until then. */
export interface CommandResult {
  readonly code: number;
  readonly output: string;
}

/** A command that runs in a guest. */
export interface GuestCommand {
  /** Settles when the command's first process ends; rejects when the guest goes before that. */
  readonly done: Promise<CommandResult>;
  /** Ends the command's whole process group with SIGKILL. */
  kill(): void;
}

interface Running {
  readonly lines: string[];
  readonly onLine: (line: string) => void;
  readonly resolve: (result: CommandResult) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The host's end of the line to guest-agent.pl, whose header states the protocol.
 * Lines of a daemon that outlives its command still reach `onLine`, not the result.
 */
export class GuestChannel {
  readonly #to: Writable;
  readonly #running = new Map<string, Running>();
  readonly #listeners = new Map<string, (line: string) => void>();
  readonly #ready = Promise.withResolvers<void>();
  #rest = "";
  #next = 1;
  #gone: Error | undefined;

  constructor(from: Readable, to: Writable) {
    this.#to = to;
    // A guest that is killed resets the line; `close` is what tells the waiting.
    to.on("error", (error) => this.close(error));
    from.on("error", (error) => this.close(error));
    from.setEncoding("utf8");
    from.on("data", (text: string) => this.#receive(text));
    this.#ready.promise.catch(() => undefined);
  }

  /** Resolves when the agent runs; rejects when the guest ends before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Starts the bash script at `path`, which the guest must be able to read. */
  start(path: string, onLine: (line: string) => void): GuestCommand {
    const id = `c${this.#next++}`;
    const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
    if (this.#gone === undefined) {
      this.#running.set(id, { lines: [], onLine, resolve, reject });
      this.#listeners.set(id, onLine);
      this.#to.write(`run ${id} ${path}\n`);
    } else {
      reject(this.#gone);
    }
    // The caller may await `done` only after something else failed.
    promise.catch(() => undefined);
    return { done: promise, kill: () => void this.#to.write(`kill ${id}\n`) };
  }

  /** Asks the agent to power off, without waiting for it. */
  off(): void {
    if (this.#gone === undefined) this.#to.write("off\n");
  }

  /** Rejects everything that still waits, with `reason`. */
  close(reason: Error): void {
    if (this.#gone !== undefined) return;
    this.#gone = reason;
    this.#ready.reject(reason);
    for (const { lines, reject } of this.#running.values()) {
      const tail = lines.slice(-20).join("\n");
      reject(new Error(`${reason.message}; last output:\n${tail}`, { cause: reason }));
    }
    this.#running.clear();
  }

  #receive(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    if (line === "ready") {
      this.#ready.resolve();
      return;
    }
    const [, id = "", kind, rest = ""] = /^(c\d+)(=?) ?(.*)$/s.exec(line) ?? [];
    const running = this.#running.get(id);
    if (kind !== "=") {
      running?.lines.push(rest);
      this.#listeners.get(id)?.(rest);
      return;
    }
    this.#running.delete(id);
    running?.resolve({ code: Number(rest), output: running.lines.join("\n") });
  }
}
