import type { Socket } from "node:net";
import { ControlError } from "./error.ts";
import { type Line, maxLineBytes, protocolVersion } from "./messages.ts";

/**
 * Reads and writes lines of JSON at a socket, the peer's `hello` first. `onLine` gets what follows it;
 * `onEnd` is called once, with the reason when the peer broke the protocol.
 */
export class LineConnection {
  readonly #socket: Socket;
  readonly #onLine: (line: Line) => void;
  readonly #onEnd: (reason: ControlError | undefined) => void;
  #rest = "";
  #greeted = false;
  #ended = false;

  constructor(
    socket: Socket,
    handlers: {
      readonly onLine: (line: Line) => void;
      readonly onEnd: (reason: ControlError | undefined) => void;
    },
  ) {
    this.#socket = socket;
    this.#onLine = handlers.onLine;
    this.#onEnd = handlers.onEnd;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#received(text));
    socket.on("error", (cause) =>
      this.end(new ControlError("supervisor", "The control connection failed", { cause })),
    );
    socket.on("close", () => this.end(undefined));
    this.send({ hello: "s3files", ...protocolVersion });
  }

  #received(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (this.#ended) return;
      this.#line(line);
    }
    if (this.#rest.length > maxLineBytes) {
      this.end(new ControlError("invalid", "The peer sent a line of over 1 MiB"));
    }
  }

  #line(text: string): void {
    const line = parse(text);
    if (line === undefined) {
      // Not what it sent: that may hold credentials.
      this.end(
        new ControlError("invalid", `The peer sent ${text.length} characters of no message`),
      );
    } else if (this.#greeted) {
      this.#onLine(line);
    } else if (!("hello" in line) || line.hello !== "s3files") {
      this.end(new ControlError("invalid", "The peer does not speak the control protocol"));
    } else if (
      line.newest < protocolVersion.oldest ||
      line.oldest > protocolVersion.newest ||
      !Number.isInteger(line.newest + line.oldest)
    ) {
      const { newest, oldest } = line;
      this.end(
        new ControlError(
          "invalid",
          `The peer speaks control protocol ${oldest} to ${newest}, this release ${protocolVersion.oldest} to ${protocolVersion.newest}`,
        ),
      );
    } else {
      this.#greeted = true;
    }
  }

  /** Sends one line; to a peer that is gone it does nothing. */
  send(line: Line): void {
    if (!this.#ended && this.#socket.writable) this.#socket.write(`${JSON.stringify(line)}\n`);
  }

  /** Closes the connection after what was sent. */
  end(reason?: ControlError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.end();
    this.#socket.destroySoon();
    this.#onEnd(reason);
  }
}

function parse(text: string): Line | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Line)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
