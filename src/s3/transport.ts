import type { Dispatcher } from "undici";
import Pool from "undici/lib/dispatcher/pool.js";
import { lookupHost } from "./lookup-host.ts";
import type { PutBody } from "./object-store.ts";

/** An HTTP request that is signed already. */
export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Path and query, encoded. */
  readonly path: string;
  /** Values as strings of bytes (latin1). */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: PutBody;
  /** Time from the end of the request to the answer's headers. */
  readonly headersTimeoutMs: number;
  /** Longest pause within the answer's body. */
  readonly bodyTimeoutMs: number;
  /** Largest body of a successful answer. */
  readonly maxBodyBytes: number;
  readonly signal?: AbortSignal;
}

/** An HTTP answer with its whole body. */
export interface HttpAnswer {
  readonly status: number;
  /** Lower-case names; values as strings of bytes (latin1), several joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** Belongs to the receiver. */
  readonly body: Buffer;
}

/** No complete answer came. `code` is that of the socket or of undici, or `BodyTooLarge`. */
export class TransportError extends Error {
  readonly code: string;
  /** It was never handed to a connection (refused, no such host, no TLS): no byte of it has left. */
  readonly isUnsent: boolean;
  constructor(
    code: string,
    message: string,
    options: { readonly cause?: unknown; readonly isUnsent?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "TransportError";
    this.code = code;
    this.isUnsent = options.isUnsent ?? false;
  }
}

/** How the connections to one host are made. */
export interface TransportOptions {
  readonly origin: string;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  /** PEM certificates to trust instead of the public ones. */
  readonly caBundle?: string;
}

const maxErrorBodyBytes = 1024 * 1024;
/** Above this, joining the chunks of a body costs more than it saves in system calls. */
const maxJoinedBytes = 256 * 1024;

/** Receives a body of known length into one buffer, and one of unknown length in pieces. */
class BodySink {
  readonly #limitBytes: number;
  readonly #whole: Buffer | undefined;
  readonly #pieces: Buffer[] = [];
  #length = 0;

  /** @throws {TransportError} BodyTooLarge. */
  constructor(lengthBytes: number | undefined, limitBytes: number) {
    this.#limitBytes = limitBytes;
    if (lengthBytes === undefined) return;
    this.#check(lengthBytes);
    // Not from Node's shared pool: the receiver keeps it, and a small piece would pin the whole pool.
    this.#whole = Buffer.allocUnsafeSlow(lengthBytes);
  }

  /** @throws {TransportError} BodyTooLarge. */
  add(piece: Buffer): void {
    this.#check(this.#length + piece.length);
    if (this.#whole === undefined) this.#pieces.push(piece);
    else piece.copy(this.#whole, this.#length);
    this.#length += piece.length;
  }

  /** @throws {TransportError} Truncated. */
  finish(): Buffer {
    const whole = this.#whole ?? Buffer.concat(this.#pieces, this.#length);
    if (whole.length === this.#length) return whole;
    throw new TransportError("Truncated", `${this.#length} of ${whole.length} bytes came`);
  }

  #check(lengthBytes: number): void {
    if (lengthBytes <= this.#limitBytes) return;
    throw new TransportError(
      "BodyTooLarge",
      `The answer has ${lengthBytes} bytes or more, not at most ${this.#limitBytes}`,
    );
  }
}

function toTransportError(error: unknown, isUnsent = false): TransportError {
  if (error instanceof TransportError) return error;
  if (!(error instanceof Error)) return new TransportError("Unknown", String(error), { isUnsent });
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return new TransportError(code, error.message || code, { cause: error, isUnsent });
}

function joinedHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(",") : value;
  }
  return joined;
}

function sentBody(body: PutBody | undefined): Dispatcher.DispatchOptions["body"] {
  const [first] = body?.chunks ?? [];
  if (body === undefined || first === undefined || body.sizeBytes === 0) return null;
  if (body.chunks.length === 1) return first;
  if (body.sizeBytes <= maxJoinedBytes) return Buffer.concat(body.chunks, body.sizeBytes);
  // undici takes any iterable; its types name only streams.
  return body.chunks as unknown as Buffer;
}

/** Keep-alive connections to one host. Each request is sent at most once. */
export class Transport {
  readonly #pool: InstanceType<typeof Pool>;

  constructor(options: TransportOptions) {
    this.#pool = new Pool(options.origin, {
      connections: options.maxConnections,
      pipelining: 1,
      keepAliveTimeout: 4000,
      maxHeaderSize: 64 * 1024,
      connect: {
        timeout: options.connectTimeoutMs,
        lookup: lookupHost,
        ...(options.caBundle === undefined ? {} : { ca: options.caBundle }),
      },
    });
  }

  /** Rejects with {@link TransportError}, or with the signal's reason when it aborts. */
  exchange(request: HttpRequest): Promise<HttpAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    const { signal } = request;
    if (signal?.aborted) {
      reject(signal.reason);
      return promise;
    }
    let controller: Dispatcher.DispatchController | undefined;
    let answer: { status: number; headers: Record<string, string>; sink: BodySink } | undefined;
    const fail = (reason: unknown): void => {
      reject(reason);
      signal?.removeEventListener("abort", abort);
      controller?.abort(reason instanceof Error ? reason : new Error("Aborted", { cause: reason }));
    };
    const abort = (): void => fail(signal?.reason);
    const guarded = (run: () => void): void => {
      try {
        run();
      } catch (error) {
        fail(toTransportError(error));
      }
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#pool.dispatch(
      {
        method: request.method,
        path: request.path,
        headers: request.headers as Record<string, string>,
        body: sentBody(request.body) ?? null,
        headersTimeout: request.headersTimeoutMs,
        bodyTimeout: request.bodyTimeoutMs,
        // Else undici closes the connection after every HEAD.
        reset: false,
      },
      {
        onRequestStart(started) {
          controller = started;
          // Aborted while it waited for a connection: nothing has been sent.
          if (signal?.aborted) abort();
        },
        onResponseStart(_controller, status, headers) {
          if (status < 200) return;
          guarded(() => {
            const hasBody = request.method !== "HEAD" && status !== 204 && status !== 304;
            const length = hasBody ? headers["content-length"] : "0";
            const limit = status < 300 ? request.maxBodyBytes : maxErrorBodyBytes;
            answer = {
              status,
              headers: joinedHeaders(headers),
              sink: new BodySink(typeof length === "string" ? Number(length) : undefined, limit),
            };
          });
        },
        onResponseData(_controller, piece) {
          guarded(() => answer?.sink.add(piece));
        },
        onResponseEnd() {
          guarded(() => {
            if (answer === undefined) throw new TransportError("NoAnswer", "No answer came");
            const { status, headers, sink } = answer;
            resolve({ status, headers, body: sink.finish() });
            signal?.removeEventListener("abort", abort);
          });
        },
        onResponseError(_controller, error) {
          // undici starts a request in the step that begins to write it, on a connection that stands.
          fail(toTransportError(error, controller === undefined));
        },
      },
    );
    return promise;
  }

  /** Ends all connections; requests under way reject. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
