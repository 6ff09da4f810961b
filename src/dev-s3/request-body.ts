import type { Authenticated } from "./authenticate.ts";
import { decodeAwsChunked, isStreamingMode } from "./aws-chunked.ts";
import {
  type Checksum,
  type ChecksumAlgorithm,
  checksumHeader,
  checksumOfHeaders,
  type Digest,
  hash,
  newDigest,
  parseAlgorithm,
} from "./checksum.ts";
import { S3Error } from "./error.ts";

/** What was found out about a body while it was read. */
export interface BodyDigest {
  readonly sizeBytes: number;
  readonly md5: Buffer;
  /** The checksum that the client gave and that held, or the one asked for by `compute`. */
  readonly checksum: Checksum | undefined;
}

/** How large a document, such as the list of a DeleteObjects, may be. */
const maxDocumentBytes = 4 * 1024 * 1024;

function parseMd5(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined;
  const md5 = Buffer.from(text, "base64");
  if (md5.length !== 16 || md5.toString("base64") !== text) throw new S3Error("InvalidDigest");
  return md5;
}

function declaredLength(headers: ReadonlyMap<string, string>, streaming: boolean): number {
  const name = streaming ? "x-amz-decoded-content-length" : "content-length";
  const text = headers.get(name);
  // A request without a body, such as a bodiless POST, may leave the length out.
  if (text === undefined && !streaming && !headers.has("transfer-encoding")) return 0;
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw new S3Error("MissingContentLength");
  return Number(text);
}

/**
 * The decoded body of a request. It is verified while it is read: payload hash or chunk signatures,
 * Content-MD5, length and checksum. So nothing may be done with the bytes before `read` has returned.
 */
export class RequestBody {
  /** Bytes of the decoded body, as declared. */
  readonly lengthBytes: number;
  readonly #source: () => AsyncIterable<Uint8Array>;
  readonly #headers: ReadonlyMap<string, string>;
  readonly #auth: Authenticated;
  readonly #ignoresChecksum: boolean;

  /** @throws {S3Error} MissingContentLength. */
  constructor(
    source: () => AsyncIterable<Uint8Array>,
    headers: ReadonlyMap<string, string>,
    auth: Authenticated,
    options: { readonly ignoresChecksum?: boolean } = {},
  ) {
    this.#ignoresChecksum = options.ignoresChecksum ?? false;
    this.#source = source;
    this.#headers = headers;
    this.#auth = auth;
    this.lengthBytes = declaredLength(headers, isStreamingMode(auth.payloadHash));
  }

  /** Whether the client sent a digest of the body of its own: Content-MD5 or a checksum. */
  get hasDigest(): boolean {
    return (
      this.#headers.has("content-md5") ||
      this.#headers.has("x-amz-trailer") ||
      checksumOfHeaders(this.#headers) !== undefined
    );
  }

  /**
   * Reads the body once, handing each piece to `write`; a piece is a view, valid during the call.
   * @throws {S3Error} BadDigest, InvalidDigest, IncompleteBody, XAmzContentSHA256Mismatch, SignatureDoesNotMatch.
   */
  async read(
    write: (piece: Uint8Array) => Promise<void> | void,
    compute?: ChecksumAlgorithm,
  ): Promise<BodyDigest> {
    const expectedMd5 = parseMd5(this.#headers.get("content-md5"));
    const algorithm = this.#algorithm() ?? compute;
    const checksum = algorithm === undefined ? undefined : newDigest(algorithm);
    const md5 = hash("md5");
    const sha256 = /^[0-9a-f]{64}$/.test(this.#auth.payloadHash) ? hash("sha256") : undefined;
    const trailers = new Map<string, string>();
    const digests = [md5, checksum, sha256].filter((digest) => digest !== undefined);
    const sizeBytes = await this.#pump(write, digests, trailers);
    if (sha256 !== undefined && sha256.digest().toString("hex") !== this.#auth.payloadHash) {
      throw new S3Error("XAmzContentSHA256Mismatch");
    }
    const actualMd5 = md5.digest();
    if (expectedMd5 !== undefined && !expectedMd5.equals(actualMd5)) throw new S3Error("BadDigest");
    const value = checksum?.digest().toString("base64");
    if (algorithm === undefined || value === undefined) {
      return { sizeBytes, md5: actualMd5, checksum: undefined };
    }
    const header = checksumHeader(algorithm);
    const claimed = this.#headers.get(header) ?? trailers.get(header);
    if (claimed === undefined && this.#headers.has("x-amz-trailer")) {
      throw new S3Error("InvalidRequest", { message: `The trailer ${header} is missing` });
    }
    if (claimed !== undefined && claimed !== value && !this.#ignoresChecksum) {
      throw new S3Error("BadDigest", {
        message: `The ${algorithm} you specified did not match the calculated checksum`,
      });
    }
    return { sizeBytes, md5: actualMd5, checksum: { algorithm, type: "FULL_OBJECT", value } };
  }

  /** The whole body of a request whose body is a document. @throws {S3Error} as `read`; MalformedXML when too large. */
  async readAll(): Promise<Buffer> {
    if (this.lengthBytes > maxDocumentBytes) throw new S3Error("MalformedXML");
    const pieces: Buffer[] = [];
    await this.read((piece) => {
      pieces.push(Buffer.from(piece));
    });
    return Buffer.concat(pieces);
  }

  /** The algorithm that the request's headers name: of a checksum header, a trailer, or the SDK's hint. */
  #algorithm(): ChecksumAlgorithm | undefined {
    const given = checksumOfHeaders(this.#headers)?.algorithm;
    const trailer = this.#headers.get("x-amz-trailer")?.trim().toLowerCase();
    if (trailer !== undefined) {
      if (!trailer.startsWith("x-amz-checksum-") || given !== undefined) {
        throw new S3Error("InvalidRequest", {
          message: "The value specified in the x-amz-trailer header is not supported",
        });
      }
      return parseAlgorithm(trailer.slice("x-amz-checksum-".length));
    }
    const hint = this.#headers.get("x-amz-sdk-checksum-algorithm");
    return given ?? (hint === undefined ? undefined : parseAlgorithm(hint));
  }

  async #pump(
    write: (piece: Uint8Array) => Promise<void> | void,
    digests: readonly Digest[],
    trailers: Map<string, string>,
  ): Promise<number> {
    const { payloadHash } = this.#auth;
    const decoded = isStreamingMode(payloadHash)
      ? decodeAwsChunked(this.#source(), { mode: payloadHash, auth: this.#auth }, trailers)
      : this.#source();
    let sizeBytes = 0;
    for await (const piece of decoded) {
      sizeBytes += piece.length;
      if (sizeBytes > this.lengthBytes) break;
      for (const digest of digests) digest.update(piece);
      await write(piece);
    }
    if (sizeBytes !== this.lengthBytes) throw new S3Error("IncompleteBody");
    return sizeBytes;
  }
}
