import { closeSync, constants, existsSync, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Log } from "../base/log.ts";

/** A longer line of a server is cut. */
const maxLineLength = 64 * 1024;
const maxWords = 50;
const maxWordsLength = 1_000;

/**
 * Passes on what a volume's server writes to its pipe: lines that are JSON objects as they are, to `passOn`,
 * anything else (Node's own last words) as an error in the log. What was written while no supervisor ran
 * is still in the pipe, as far as it holds (64 KiB).
 */
export class ServerOutput {
  readonly #socket: Socket;
  readonly #log: Log;
  readonly #passOn: (line: string) => void;
  #rest = "";
  #words: string[] = [];

  /** The pipe at `path` exists: a holder has made it. */
  constructor(
    path: string,
    dependencies: { readonly log: Log; readonly passOn: (line: string) => void },
  ) {
    this.#log = dependencies.log;
    this.#passOn = dependencies.passOn;
    // Reading and writing: the end of one server is not the end of the pipe.
    const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      this.#socket = new Socket({ fd: descriptor, readable: true, writable: false });
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    this.#socket.setEncoding("utf8");
    this.#socket.on("data", (text: string) => this.#received(text));
    this.#socket.on("error", (error) =>
      this.#log.error("Cannot read a server's output", { error }),
    );
    this.#socket.resume();
  }

  #received(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, maxLineLength);
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line.trim() === "") return;
    if (isObject(line)) this.#passOn(`${line}\n`);
    else {
      this.#words = [...this.#words, line.slice(0, maxWordsLength)].slice(-maxWords);
      this.#log.error("Server output", { output: line.slice(0, maxLineLength) });
    }
  }

  /** Forgets what servers have said so far. */
  forgetWords(): void {
    this.#words = [];
  }

  /** Why a server says it ended, in one line: what it printed that was no log line; undefined when it said nothing. */
  lastWords(): string | undefined {
    const own = this.#words.find((line) => line.startsWith("s3files serve: "));
    // A stack begins with what went wrong.
    const line = own ?? this.#words.find((one) => /Error\b/.test(one)) ?? this.#words.at(-1);
    return line?.replace("s3files serve: ", "");
  }

  close(): void {
    this.#socket.destroy();
    if (this.#rest !== "") this.#line(this.#rest);
    this.#rest = "";
  }
}

/** Whether a server's pipe exists, so that a {@link ServerOutput} can be made. */
export function hasOutput(path: string): boolean {
  return existsSync(path);
}

function isObject(line: string): boolean {
  if (!line.startsWith("{")) return false;
  try {
    JSON.parse(line);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
