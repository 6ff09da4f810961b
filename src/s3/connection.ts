import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { bodyCrc32, bodySha256 } from "./body-digest.ts";
import { type Credentials, CredentialsError, type CredentialsProvider } from "./credentials.ts";
import { type BucketEndpoint, type EndpointOptions, resolveEndpoint } from "./endpoint.ts";
import { type ObjectKey, ObjectStoreError, type PutBody } from "./object-store.ts";
import { type Failure, failureOf, toError } from "./outcome.ts";
import { amzDate, emptyPayloadHash, Signer, unsignedPayload } from "./signature.ts";
import { type HttpAnswer, type HttpRequest, Transport, TransportError } from "./transport.ts";
import { canonicalQuery, encodePath } from "./uri.ts";

/** How to reach the bucket, and how long to wait for it; every time has a default. */
export interface ConnectionOptions extends EndpointOptions {
  /** PEM certificates to trust instead of the public ones. */
  readonly caBundle?: string;
  /** Most connections at once; further requests wait for one. Default 32. */
  readonly maxConnections?: number;
  readonly connectTimeoutMs?: number;
  /** From the end of a request to the answer's headers; requests that make S3 copy or assemble get 10 minutes. */
  readonly headersTimeoutMs?: number;
  /** Longest pause within the body of an answer. */
  readonly bodyTimeoutMs?: number;
  /** Attempts of a read; default 4. */
  readonly maxAttempts?: number;
  /** No further attempt of a read begins after this; default 30 s. */
  readonly retryForMs?: number;
  /** `crc32`, the default, sends a checksum with every body and asks for those of objects; `off` does neither. */
  readonly checksums?: "crc32" | "off";
}

/** What a connection is given from outside. */
export interface ConnectionDependencies {
  readonly credentials: CredentialsProvider;
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1); for the jitter. */
  readonly random?: () => number;
}

/** One request to the bucket. */
export interface Call {
  readonly method: HttpRequest["method"];
  /** Absent: the bucket itself. */
  readonly key?: ObjectKey;
  readonly query?: Readonly<Record<string, string>>;
  /** Lower-case names; values as strings of bytes (latin1). */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: PutBody;
  /** A success must carry an XML document. */
  readonly isDocument?: boolean;
  /** S3 works on it before it answers: copies and completions. */
  readonly isSlow?: boolean;
  /** Largest body of a success; default 16 MiB. */
  readonly maxBodyBytes?: number;
  /** Says what is wrong with a success, such as a checksum that does not fit: it then counts as `unavailable`. */
  readonly damage?: (answer: HttpAnswer) => Promise<string | undefined>;
  readonly signal?: AbortSignal;
}

/** What came back: a success, or S3's refusal. */
export type CallOutcome =
  | { readonly kind: "success"; readonly answer: HttpAnswer }
  | { readonly kind: "failure"; readonly failure: Failure; readonly error: ObjectStoreError };

const slowHeadersTimeoutMs = 600_000;
/** An upload slower than this counts as stuck: time that a body adds to the wait for headers. */
const minUploadBytesPerMs = 128;
const firstBackoffMs = 100;
const maxBackoffMs = 5000;
/** Clocks this far apart make S3 refuse requests (15 minutes), less a margin. */
const skewLimitMs = 10 * 60_000;

/**
 * Signed requests to one bucket over keep-alive connections. Reads are tried again while they are `unavailable`;
 * everything else is sent once, but for a request that S3 refused unread because our clock is wrong.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #dependencies: ConnectionDependencies;
  readonly #endpoint: BucketEndpoint;
  readonly #transport: Transport;
  readonly #signer = new Signer();
  readonly #random: () => number;
  /** The store's clock less ours. */
  #skewMs = 0;

  /** @throws {RangeError} when the endpoint is no http or https URL. */
  constructor(options: ConnectionOptions, dependencies: ConnectionDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#random = dependencies.random ?? Math.random;
    this.#endpoint = resolveEndpoint(options);
    this.#transport = new Transport({
      origin: this.#endpoint.origin,
      maxConnections: options.maxConnections ?? 32,
      connectTimeoutMs: options.connectTimeoutMs ?? 5000,
      ...(options.caBundle === undefined ? {} : { caBundle: options.caBundle }),
    });
  }

  /** Whether checksums are sent and asked for. */
  get checksums(): boolean {
    return this.#options.checksums !== "off";
  }

  /** The CRC32 of a body; undefined when the store is to see none. */
  checksumOf(body: PutBody): string | undefined {
    return this.checksums ? bodyCrc32(body) : undefined;
  }

  /** Bucket and key as a copy source names them: encoded, with a slash in front. */
  copySource(key: ObjectKey): string {
    return `/${this.#options.bucket}/${encodePath(key)}`;
  }

  /**
   * Sends a request. Rejects with the signal's reason when it aborts.
   * @throws {ObjectStoreError} unavailable: after the last attempt of a read, at once for anything else.
   */
  async send(call: Call): Promise<CallOutcome> {
    const { clock, log } = this.#dependencies;
    const isRead = call.method === "GET" || call.method === "HEAD";
    const startedMs = clock.monotonicMs();
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(call);
      if (outcome.kind === "success" || outcome.error.code !== "unavailable") return outcome;
      const spentMs = clock.monotonicMs() - startedMs;
      const isLast =
        attempt >= (this.#options.maxAttempts ?? 4) ||
        spentMs >= (this.#options.retryForMs ?? 30_000);
      if (!isRead || isLast) throw outcome.error;
      const delayMs = this.#random() * Math.min(maxBackoffMs, firstBackoffMs * 4 ** (attempt - 1));
      log.debug("S3 read is tried again", { attempt, delayMs, error: outcome.error.message });
      await this.#wait(delayMs, call.signal);
    }
  }

  /** The error for an answer that is a success by its status but not by its content. */
  malformed(call: Call, message: string): ObjectStoreError {
    const failure = { status: 500, s3Code: "MalformedAnswer", message };
    return toError(failure, this.#name(call), this.#options.region);
  }

  /** Ends all connections; requests under way reject. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  async #attempt(call: Call): Promise<CallOutcome> {
    let answer = await this.#exchange(call);
    if (!(answer instanceof ObjectStoreError) && this.#learnSkew(answer)) {
      // Refused before it was looked at, so even a mutation may be sent again.
      answer = await this.#exchange(call);
    }
    if (answer instanceof ObjectStoreError) return withoutAnswer(answer);
    const failure = failureOf(answer, call.isDocument ?? false);
    if (failure !== undefined) {
      const error = toError(failure, this.#name(call), this.#options.region);
      return { kind: "failure", failure, error };
    }
    const damage = await call.damage?.(answer);
    if (damage === undefined) return { kind: "success", answer };
    return withoutAnswer(
      new ObjectStoreError("unavailable", `${this.#name(call)}: ${damage}`, {
        s3Code: "DamagedAnswer",
        status: answer.status,
      }),
    );
  }

  /** The answer, or why none came. */
  async #exchange(call: Call): Promise<HttpAnswer | ObjectStoreError> {
    try {
      return await this.#transport.exchange(await this.#signed(call));
    } catch (cause) {
      if (call.signal?.aborted) throw cause;
      if (!(cause instanceof TransportError || cause instanceof CredentialsError)) throw cause;
      const s3Code = cause instanceof TransportError ? cause.code : "NoCredentials";
      const code = s3Code === "BodyTooLarge" ? "invalid" : "unavailable";
      const message = `${this.#name(call)}: ${s3Code}: ${cause.message}`;
      const isUnsent = cause instanceof TransportError ? cause.isUnsent : true;
      return new ObjectStoreError(code, message, { s3Code, cause, isUnsent });
    }
  }

  async #signed(call: Call): Promise<HttpRequest> {
    const { region } = this.#options;
    const credentials: Credentials = await this.#dependencies.credentials();
    const { basePath, host, isTls } = this.#endpoint;
    const { method, key, body, query: pairs = {}, signal } = call;
    const path = `${basePath}/${key === undefined ? "" : encodePath(key)}`;
    const query = canonicalQuery(pairs);
    const timeMs = Number(this.#dependencies.clock.nowNs() / 1_000_000n) + this.#skewMs;
    const payloadHash =
      body === undefined ? emptyPayloadHash : isTls ? unsignedPayload : bodySha256(body);
    const headers: Record<string, string> = {
      host,
      "x-amz-date": amzDate(timeMs),
      "x-amz-content-sha256": payloadHash,
      ...call.headers,
    };
    if (credentials.sessionToken !== undefined) {
      headers["x-amz-security-token"] = credentials.sessionToken;
    }
    const input = { method, path, query, headers, payloadHash };
    headers["authorization"] = this.#signer.authorization(input, credentials, {
      ...{ region, service: "s3", timeMs },
    });
    if (body !== undefined) headers["content-length"] = String(body.sizeBytes);
    const uploadMs = (body?.sizeBytes ?? 0) / minUploadBytesPerMs;
    return {
      ...{ method, headers },
      path: query === "" ? path : `${path}?${query}`,
      headersTimeoutMs: Math.ceil(
        uploadMs +
          (call.isSlow ? slowHeadersTimeoutMs : (this.#options.headersTimeoutMs ?? 20_000)),
      ),
      bodyTimeoutMs: call.isSlow ? slowHeadersTimeoutMs : (this.#options.bodyTimeoutMs ?? 20_000),
      maxBodyBytes: call.maxBodyBytes ?? 16 * 1024 * 1024,
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    };
  }

  /**
   * Whether a refusal is due to our clock, and we now know by how much. The answer to a HEAD carries no code: there
   * the date alone tells.
   */
  #learnSkew(answer: HttpAnswer): boolean {
    if (answer.status !== 403) return false;
    const theirsMs = Date.parse(answer.headers["date"] ?? "");
    const oursMs = Number(this.#dependencies.clock.nowNs() / 1_000_000n) + this.#skewMs;
    if (Number.isNaN(theirsMs) || Math.abs(theirsMs - oursMs) < skewLimitMs) return false;
    const s3Code = failureOf(answer, false)?.s3Code;
    if (s3Code !== "RequestTimeTooSkewed" && s3Code !== "HTTP 403") return false;
    this.#skewMs += theirsMs - oursMs;
    this.#dependencies.log.warn("The clock differs from the store's; requests carry its time", {
      endpoint: this.#endpoint.name,
      skewMs: this.#skewMs,
    });
    return true;
  }

  #name(call: Call): string {
    const { bucket } = this.#options;
    const target = call.key === undefined ? "" : ` key ${JSON.stringify(call.key)} in`;
    return `${call.method}${target} bucket ${bucket} at ${this.#endpoint.name}`;
  }

  #wait(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const cancel = this.#dependencies.clock.schedule(delayMs, () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      });
      const abort = (): void => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
    });
  }
}

function withoutAnswer(error: ObjectStoreError): CallOutcome {
  const failure = { status: error.status ?? 0, s3Code: error.s3Code, message: error.message };
  return { kind: "failure", failure, error };
}
