import { contradictsChecksum } from "./body-digest.ts";
import {
  type Call,
  Connection,
  type ConnectionDependencies,
  type ConnectionOptions,
} from "./connection.ts";
import { parseListPage } from "./listing.ts";
import { MultipartCalls } from "./multipart-calls.ts";
import { parseEtag, parseObjectInfo, toHttpHeaders } from "./object-headers.ts";
import type {
  Condition,
  ETag,
  ListPage,
  NotFound,
  ObjectHeaders,
  ObjectInfo,
  ObjectKey,
  ObjectStore,
  PreconditionFailed,
  PutBody,
  RequestOptions,
  Stored,
  UploadedPart,
} from "./object-store.ts";
import { isMissingKey, isPreconditionFailure } from "./outcome.ts";
import { childText, parseXml } from "./parse-xml.ts";
import { RareCalls } from "./rare-calls.ts";
import {
  checksumHeaders,
  conditionHeaders,
  failedCopy,
  signalOf,
  storedFrom,
} from "./request-parts.ts";
import { parseTags } from "./tagging.ts";
import type { HttpAnswer } from "./transport.ts";

/** One bucket of an S3-compatible store over HTTP. */
export class S3ObjectStore implements ObjectStore {
  readonly #connection: Connection;
  readonly #multipart: MultipartCalls;
  readonly #rare: RareCalls;

  /** Connects when it is first used. @throws {RangeError} when the endpoint is no http or https URL. */
  constructor(options: ConnectionOptions, dependencies: ConnectionDependencies) {
    this.#connection = new Connection(options, dependencies);
    this.#multipart = new MultipartCalls(this.#connection);
    this.#rare = new RareCalls(this.#connection, dependencies.clock);
  }

  /** Ends all connections; requests under way reject. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  async head(
    key: ObjectKey,
    options?: RequestOptions,
  ): Promise<({ kind: "found" } & ObjectInfo) | NotFound> {
    const call: Call = { method: "HEAD", key, ...signalOf(options) };
    for (let asked = 1; ; asked++) {
      const outcome = await this.#connection.send(call);
      if (outcome.kind === "success") {
        const found = parseObjectInfo(outcome.answer.headers);
        if (found !== undefined) return { kind: "found", ...found };
        throw this.#connection.malformed(call, "No ETag, length or date");
      }
      if (outcome.failure.status !== 404) throw outcome.error;
      if (await this.#isMissing(key, options)) return { kind: "notFound" };
      if (asked === 3) throw this.#connection.malformed(call, "GET finds what HEAD does not");
    }
  }

  async get(
    key: ObjectKey,
    range: {
      readonly offsetBytes: number;
      readonly lengthBytes: number;
      readonly ifMatch: ETag;
      readonly objectSizeBytes?: number;
    },
    options?: RequestOptions,
  ): Promise<{ kind: "read"; data: Uint8Array } | PreconditionFailed | NotFound> {
    const { offsetBytes, lengthBytes, ifMatch, objectSizeBytes } = range;
    if (lengthBytes < 1) throw new RangeError(`A read of ${lengthBytes} bytes of ${key}`);
    // Without a range S3 sends the checksum of the object along.
    const isWhole =
      offsetBytes === 0 && objectSizeBytes !== undefined && objectSizeBytes <= lengthBytes;
    const isChecked = isWhole && this.#connection.checksums;
    const call: Call = {
      method: "GET",
      key,
      headers: {
        "if-match": ifMatch,
        ...(isWhole ? {} : { range: `bytes=${offsetBytes}-${offsetBytes + lengthBytes - 1}` }),
        ...(isChecked ? { "x-amz-checksum-mode": "ENABLED" } : {}),
      },
      maxBodyBytes: lengthBytes,
      damage: async ({ body, headers, status }) =>
        isChecked && status === 200 && (await contradictsChecksum(body, headers))
          ? "The bytes contradict the object's checksum"
          : undefined,
      ...signalOf(options),
    };
    const outcome = await this.#connection.send(call);
    if (outcome.kind === "success") {
      const { answer } = outcome;
      const etag = answer.headers["etag"];
      // Some stores ignore If-Match here.
      if (etag !== undefined && parseEtag(etag) !== ifMatch) return { kind: "preconditionFailed" };
      if (!isAnswerTo(range, answer)) {
        throw this.#connection.malformed(call, "The answer is not for the range asked");
      }
      return { kind: "read", data: answer.body };
    }
    const { failure, error } = outcome;
    // RFC 9110 §15.5.17: the range begins at or behind the end; If-Match held, as it is evaluated first.
    if (failure.status === 416) return { kind: "read", data: new Uint8Array(0) };
    if (isMissingKey(failure)) return { kind: "notFound" };
    if (isPreconditionFailure(failure, false)) return { kind: "preconditionFailed" };
    throw error;
  }

  async tags(key: ObjectKey, options?: RequestOptions): Promise<string | undefined> {
    const call: Call = {
      ...{ method: "GET", key, query: { tagging: "" }, isDocument: true },
      ...signalOf(options),
    };
    const outcome = await this.#connection.send(call);
    if (outcome.kind === "failure") {
      if (isMissingKey(outcome.failure)) return undefined;
      throw outcome.error;
    }
    const tags = parseTags(outcome.answer.body.toString("utf8"));
    if (tags === undefined) throw this.#connection.malformed(call, "The answer holds no tags");
    return tags === "" ? undefined : tags;
  }

  async list(
    query: {
      readonly prefix: string;
      readonly delimiter?: "/";
      readonly startAfter?: string;
      readonly token?: string;
      readonly maxKeys?: number;
    },
    options?: RequestOptions,
  ): Promise<ListPage> {
    const { prefix, delimiter, startAfter, token, maxKeys } = query;
    const call: Call = {
      method: "GET",
      query: {
        "list-type": "2",
        "encoding-type": "url",
        prefix,
        ...(delimiter === undefined ? {} : { delimiter }),
        ...(startAfter === undefined || token !== undefined ? {} : { "start-after": startAfter }),
        ...(token === undefined ? {} : { "continuation-token": token }),
        ...(maxKeys === undefined ? {} : { "max-keys": String(maxKeys) }),
      },
      isDocument: true,
      ...signalOf(options),
    };
    const outcome = await this.#connection.send(call);
    if (outcome.kind === "failure") throw outcome.error;
    const root = parseXml(outcome.answer.body.toString("utf8"));
    const page = root === undefined ? undefined : parseListPage(root);
    if (page === undefined) throw this.#connection.malformed(call, "The answer is no listing");
    return page;
  }

  async put(
    key: ObjectKey,
    body: PutBody,
    headers: ObjectHeaders,
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed> {
    const call: Call = {
      method: "PUT",
      key,
      body,
      headers: {
        ...toHttpHeaders(headers),
        ...conditionHeaders(condition),
        ...checksumHeaders(this.#connection.checksumOf(body)),
      },
      ...signalOf(options),
    };
    const outcome = await this.#connection.send(call);
    if (outcome.kind === "success") {
      const stored = storedFrom(outcome.answer, undefined);
      if (stored !== undefined) return stored;
      throw this.#connection.malformed(call, "No ETag");
    }
    if (isPreconditionFailure(outcome.failure, expectsObject(condition))) {
      return { kind: "preconditionFailed" };
    }
    throw outcome.error;
  }

  async copy(
    source: { readonly key: ObjectKey; readonly ifMatch: ETag },
    key: ObjectKey,
    headers: ObjectHeaders,
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed | NotFound> {
    const call: Call = {
      method: "PUT",
      key,
      headers: {
        ...toHttpHeaders(headers),
        ...conditionHeaders(condition),
        "x-amz-copy-source": this.#connection.copySource(source.key),
        "x-amz-copy-source-if-match": source.ifMatch,
        "x-amz-metadata-directive": "REPLACE",
        ...(headers.tags === undefined ? {} : { "x-amz-tagging-directive": "REPLACE" }),
      },
      isDocument: true,
      isSlow: true,
      ...signalOf(options),
    };
    const outcome = await this.#connection.send(call);
    if (outcome.kind === "success") {
      const { answer } = outcome;
      const root = parseXml(answer.body.toString("utf8"));
      const stored = storedFrom(answer, root && childText(root, "ETag"));
      if (stored !== undefined) return stored;
      throw this.#connection.malformed(call, "No ETag");
    }
    const failed = failedCopy(outcome.failure);
    // NoSuchKey may mean the source, or the destination whose ETag was expected.
    if (failed?.kind === "notFound" && expectsObject(condition)) {
      const found = await this.head(source.key, options);
      return found.kind === "found" ? { kind: "preconditionFailed" } : failed;
    }
    if (failed !== undefined) return failed;
    throw outcome.error;
  }

  async delete(
    key: ObjectKey,
    ifMatch: ETag | "any",
    options?: RequestOptions,
  ): Promise<{ kind: "deleted" } | PreconditionFailed> {
    const outcome = await this.#connection.send({
      method: "DELETE",
      key,
      headers: conditionHeaders(ifMatch),
      ...signalOf(options),
    });
    if (outcome.kind === "success" || isMissingKey(outcome.failure)) return { kind: "deleted" };
    if (isPreconditionFailure(outcome.failure, false)) return { kind: "preconditionFailed" };
    throw outcome.error;
  }

  createMultipart(
    key: ObjectKey,
    headers: ObjectHeaders,
    options?: RequestOptions,
  ): Promise<string> {
    return this.#multipart.create(key, headers, options);
  }

  uploadPart(
    key: ObjectKey,
    uploadId: string,
    partNumber: number,
    body: PutBody,
    options?: RequestOptions,
  ): Promise<UploadedPart> {
    return this.#multipart.upload({ key, uploadId, partNumber }, body, options);
  }

  uploadPartCopy(
    key: ObjectKey,
    uploadId: string,
    partNumber: number,
    source: {
      readonly key: ObjectKey;
      readonly ifMatch: ETag;
      readonly offsetBytes: number;
      readonly lengthBytes: number;
    },
    options?: RequestOptions,
  ): Promise<({ kind: "copied" } & UploadedPart) | PreconditionFailed | NotFound> {
    return this.#multipart.copy({ key, uploadId, partNumber }, source, options);
  }

  completeMultipart(
    key: ObjectKey,
    uploadId: string,
    parts: readonly UploadedPart[],
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed> {
    return this.#multipart.complete({ key, uploadId }, parts, condition, options);
  }

  abortMultipart(key: ObjectKey, uploadId: string, options?: RequestOptions): Promise<void> {
    return this.#multipart.abort({ key, uploadId }, options);
  }

  listUploads(prefix: string, options?: RequestOptions) {
    return this.#multipart.list(prefix, options);
  }

  hasParts(key: ObjectKey, uploadId: string, options?: RequestOptions) {
    return this.#multipart.hasParts({ key, uploadId }, options);
  }

  restore(key: ObjectKey, days: number, options?: RequestOptions) {
    return this.#rare.restore(key, days, options);
  }

  /** See {@link RareCalls.putDamaged}. */
  putDamaged(key: ObjectKey, options?: RequestOptions) {
    return this.#rare.putDamaged(key, options);
  }

  /** See {@link RareCalls.clockSkewMs}. */
  clockSkewMs(options?: RequestOptions) {
    return this.#rare.clockSkewMs(options);
  }

  /**
   * Whether a key that a HEAD did not find is missing. A HEAD's 404 has no document, so that it may just as well mean
   * a missing bucket, which must never look like every file having been deleted.
   */
  async #isMissing(key: ObjectKey, options: RequestOptions | undefined): Promise<boolean> {
    const outcome = await this.#connection.send({
      method: "GET",
      key,
      headers: { range: "bytes=0-0" },
      ...signalOf(options),
    });
    if (outcome.kind === "success" || outcome.failure.status === 416) return false;
    if (isMissingKey(outcome.failure)) return true;
    throw outcome.error;
  }
}

function expectsObject(condition: Condition): boolean {
  return condition !== "absent" && condition !== "any";
}

/** Whether the body is what was asked for, cut at the object's end. */
function isAnswerTo(
  range: { readonly offsetBytes: number; readonly lengthBytes: number },
  { status, headers, body }: HttpAnswer,
): boolean {
  // 200 is the whole object, which fits into what was asked when that begins at 0.
  if (status === 200) return range.offsetBytes === 0;
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers["content-range"] ?? "");
  if (status !== 206 || match === null) return false;
  const [first, last, size] = match.slice(1).map(Number);
  if (first !== range.offsetBytes || last === undefined) return false;
  if (last - first + 1 !== body.length) return false;
  // Shorter than asked is right only at the object's end.
  return body.length === range.lengthBytes || last + 1 === size;
}
