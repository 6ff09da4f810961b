import { createHash } from "node:crypto";
import { type Authenticated, sameText } from "./authenticate.ts";
import { ByteReader } from "./byte-reader.ts";
import { S3Error } from "./error.ts";
import { scopeText, sha256Hex, sign } from "./sigv4.ts";

/** The streaming values of `x-amz-content-sha256`, and what each asks of the body. */
export const streamingModes = {
  "STREAMING-UNSIGNED-PAYLOAD-TRAILER": { signed: false, trailer: true },
  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": { signed: true, trailer: false },
  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": { signed: true, trailer: true },
} as const;
/** A payload hash that stands for a body in chunks. */
/** One of {@link streamingModes}: a payload hash that stands for a body in chunks. */
export type StreamingMode = keyof typeof streamingModes;

/** Whether a payload hash names a streaming mode. */
export function isStreamingMode(payloadHash: string): payloadHash is StreamingMode {
  return Object.hasOwn(streamingModes, payloadHash);
}

const emptyHash = sha256Hex("");
const maxLineBytes = 16 * 1024;
/** S3 wants chunks to have at least 8 KiB, signed or not, the last one aside. */
const minChunkBytes = 8 * 1024;
const maxTrailers = 16;

/** Verifies the chain of chunk signatures, each over the one before it. */
class SignatureChain {
  readonly #auth: Authenticated;
  #previous: string;

  constructor(auth: Authenticated) {
    this.#auth = auth;
    this.#previous = auth.signature;
  }

  check(algorithm: string, hashes: readonly string[], claimed: string): void {
    const { key, amzDate, scope } = this.#auth;
    const text = [algorithm, amzDate, scopeText(scope), this.#previous, ...hashes].join("\n");
    const expected = sign(key, text);
    if (!sameText(expected, claimed)) {
      throw new S3Error("SignatureDoesNotMatch", {
        message: "A chunk signature does not match its data",
      });
    }
    this.#previous = expected;
  }
}

/** `size[;chunk-signature=…]` */
function parseChunkHeader(line: string, signed: boolean): { size: number; signature: string } {
  const match = /^([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line);
  if (match === null || (match[2] === undefined) === signed) {
    throw new S3Error("InvalidRequest", { message: "A chunk header is malformed" });
  }
  return { size: Number.parseInt(match[1] ?? "", 16), signature: match[2] ?? "" };
}

async function readTrailers(reader: ByteReader): Promise<[name: string, value: string][]> {
  const trailers: [string, string][] = [];
  while (!(await reader.atEnd())) {
    const line = await reader.line(maxLineBytes);
    if (line === "") break;
    const colon = line.indexOf(":");
    if (colon === -1 || trailers.length === maxTrailers) {
      throw new S3Error("InvalidRequest", { message: "A trailer is malformed" });
    }
    trailers.push([line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]);
  }
  return trailers;
}

/**
 * Decodes an `aws-chunked` body and verifies chunk and trailer signatures where the mode has them
 * (Amazon S3 API reference, "Signature calculations … transferring payload in multiple chunks").
 * Yields views; `trailers` is filled when the stream has ended.
 * @throws {S3Error} IncompleteBody, InvalidRequest, InvalidChunkSizeError, SignatureDoesNotMatch; from the stream, as it is read.
 */
export async function* decodeAwsChunked(
  source: AsyncIterable<Uint8Array>,
  options: { readonly mode: StreamingMode; readonly auth: Authenticated },
  trailers: Map<string, string>,
): AsyncGenerator<Uint8Array> {
  const { signed, trailer } = streamingModes[options.mode];
  const reader = new ByteReader(source);
  const chain = new SignatureChain(options.auth);
  let shortBytes: number | undefined;
  for (let chunk = 1; ; chunk++) {
    const { size, signature } = parseChunkHeader(await reader.line(maxLineBytes), signed);
    if (shortBytes !== undefined && size > 0) {
      throw new S3Error("InvalidChunkSizeError", {
        elements: { Chunk: chunk, BadChunkSize: shortBytes },
      });
    }
    shortBytes = size < minChunkBytes ? size : undefined;
    const hash = signed ? createHash("sha256") : undefined;
    for (let left = size; left > 0; ) {
      const piece = await reader.some(left);
      hash?.update(piece);
      left -= piece.length;
      yield piece;
    }
    if (hash !== undefined) {
      chain.check("AWS4-HMAC-SHA256-PAYLOAD", [emptyHash, hash.digest("hex")], signature);
    }
    if (size === 0) break;
    if ((await reader.line(maxLineBytes)) !== "") {
      throw new S3Error("InvalidRequest", { message: "A chunk is not followed by CR LF" });
    }
  }
  const read = await readTrailers(reader);
  if (signed && trailer) {
    const claimed = read.find(([name]) => name === "x-amz-trailer-signature")?.[1] ?? "";
    const canonical = read
      .filter(([name]) => name !== "x-amz-trailer-signature")
      .map(([name, value]) => `${name}:${value}\n`)
      .join("");
    chain.check("AWS4-HMAC-SHA256-TRAILER", [sha256Hex(canonical)], claimed);
  }
  for (const [name, value] of read) trailers.set(name, value);
}
