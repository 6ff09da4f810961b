import { type ClientRequest, type IncomingMessage, request } from "node:http";
import {
  canonicalRequest,
  type Scope,
  scopeText,
  sha256Hex,
  sign,
  signingKey,
  stringToSign,
  uriEncode,
} from "../../src/dev-s3/sigv4.ts";
import type { S3Server } from "./s3-api-case.ts";

/** An answer, read whole. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A request to sign and send by hand; the path is decoded, without a query. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: readonly (readonly [name: string, value: string])[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Default: the SHA-256 of the body. */
  readonly payloadHash?: string;
  /** Default: now. */
  readonly date?: Date;
}

/** A signed request: what to send, and what chunk signatures start from. */
export interface SignedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signature: string;
  readonly amzDate: string;
  readonly scope: Scope;
  readonly key: Buffer;
}

function encodePath(path: string): string {
  return path.split("/").map(uriEncode).join("/");
}

function amzDateOf(date: Date): string {
  return date.toISOString().replace(/[-:]|\.\d+/g, "");
}

/** Signs a request in its headers. */
export function signRequest(server: S3Server, raw: RawRequest): SignedRequest {
  const amzDate = amzDateOf(raw.date ?? new Date());
  const scope = { date: amzDate.slice(0, 8), region: server.region };
  const payloadHash = raw.payloadHash ?? sha256Hex(raw.body ?? "");
  const headers: Record<string, string> = {
    host: new URL(server.endpoint).host,
    ...raw.headers,
    "x-amz-date": amzDate,
    "x-amz-content-sha256": payloadHash,
  };
  const signedHeaders = Object.keys(headers).sort();
  const canonical = canonicalRequest({
    method: raw.method,
    path: raw.path,
    queryPairs: raw.query ?? [],
    signedHeaders,
    header: (name) => headers[name] ?? "",
    payloadHash,
  });
  const key = signingKey(server.secretAccessKey, scope);
  const signature = sign(key, stringToSign(amzDate, scope, canonical));
  headers["authorization"] =
    `AWS4-HMAC-SHA256 Credential=${server.accessKeyId}/${scopeText(scope)}, SignedHeaders=${signedHeaders.join(";")}, Signature=${signature}`;
  const query = (raw.query ?? []).map((pair) => pair.map(uriEncode).join("=")).join("&");
  const url = server.endpoint + encodePath(raw.path) + (query === "" ? "" : `?${query}`);
  return { method: raw.method, url, headers, signature, amzDate, scope, key };
}

/** The URL of a presigned request, as `host` sees it. */
export function presign(
  server: S3Server,
  raw: Pick<RawRequest, "method" | "path" | "date"> & { readonly expiresSeconds: number },
): string {
  const amzDate = amzDateOf(raw.date ?? new Date());
  const scope = { date: amzDate.slice(0, 8), region: server.region };
  const queryPairs: [string, string][] = [
    ["X-Amz-Algorithm", "AWS4-HMAC-SHA256"],
    ["X-Amz-Credential", `${server.accessKeyId}/${scopeText(scope)}`],
    ["X-Amz-Date", amzDate],
    ["X-Amz-Expires", String(raw.expiresSeconds)],
    ["X-Amz-SignedHeaders", "host"],
  ];
  const canonical = canonicalRequest({
    method: raw.method,
    path: raw.path,
    queryPairs,
    signedHeaders: ["host"],
    header: () => new URL(server.endpoint).host,
    payloadHash: "UNSIGNED-PAYLOAD",
  });
  const key = signingKey(server.secretAccessKey, scope);
  const signature = sign(key, stringToSign(amzDate, scope, canonical));
  const query = [...queryPairs, ["X-Amz-Signature", signature]]
    .map((pair) => pair.map(uriEncode).join("="))
    .join("&");
  return `${server.endpoint}${encodePath(raw.path)}?${query}`;
}

/** A request under way and its answer. */
export function open(signed: Pick<SignedRequest, "method" | "url" | "headers">): {
  readonly outgoing: ClientRequest;
  readonly answer: Promise<RawAnswer>;
} {
  const { method, url, headers } = signed;
  const outgoing = request(url, { method, headers, agent: false });
  const answer = new Promise<RawAnswer>((resolve, reject) => {
    outgoing.once("error", reject);
    outgoing.once("response", (incoming) => {
      const pieces: Buffer[] = [];
      incoming.on("data", (piece: Buffer) => pieces.push(piece));
      incoming.once("error", reject);
      incoming.once("end", () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(pieces).toString("utf8"),
        }),
      );
    });
  });
  return { outgoing, answer };
}

/** Sends a request and reads its answer. */
export function sendRaw(
  signed: Pick<SignedRequest, "method" | "url" | "headers">,
  body?: Uint8Array | string,
): Promise<RawAnswer> {
  const { outgoing, answer } = open(signed);
  outgoing.end(body);
  return answer;
}

/** Signs, sends and reads the answer. */
export function signAndSend(server: S3Server, raw: RawRequest): Promise<RawAnswer> {
  return sendRaw(signRequest(server, raw), raw.body);
}

/** Frames chunks as `aws-chunked` with their signatures, which follow from the request's. */
export function signChunks(
  signed: SignedRequest,
  chunks: readonly Uint8Array[],
  trailers: readonly (readonly [name: string, value: string])[] = [],
): Buffer {
  let previous = signed.signature;
  const next = (algorithm: string, hashes: readonly string[]): string => {
    const lines = [algorithm, signed.amzDate, scopeText(signed.scope), previous, ...hashes];
    previous = sign(signed.key, lines.join("\n"));
    return previous;
  };
  const pieces: (Uint8Array | string)[] = [];
  for (const chunk of [...chunks, new Uint8Array(0)]) {
    const signature = next("AWS4-HMAC-SHA256-PAYLOAD", [sha256Hex(""), sha256Hex(chunk)]);
    pieces.push(`${chunk.length.toString(16)};chunk-signature=${signature}\r\n`, chunk);
    if (chunk.length > 0) pieces.push("\r\n");
  }
  if (trailers.length > 0) {
    const lines = trailers.map(([name, value]) => `${name}:${value}\n`).join("");
    const signature = next("AWS4-HMAC-SHA256-TRAILER", [sha256Hex(lines)]);
    pieces.push(lines.replaceAll("\n", "\r\n"), `x-amz-trailer-signature:${signature}\r\n`);
  }
  pieces.push("\r\n");
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece as Uint8Array)));
}

/** Frames chunks as unsigned `aws-chunked` with trailers. */
export function frameChunks(
  chunks: readonly Uint8Array[],
  trailers: readonly (readonly [name: string, value: string])[],
): Buffer {
  const pieces = chunks.flatMap((chunk) => [
    Buffer.from(`${chunk.length.toString(16)}\r\n`),
    Buffer.from(chunk),
    Buffer.from("\r\n"),
  ]);
  const end = `0\r\n${trailers.map(([name, value]) => `${name}:${value}\r\n`).join("")}\r\n`;
  return Buffer.concat([...pieces, Buffer.from(end)]);
}
