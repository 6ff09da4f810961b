import { createHash } from "node:crypto";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { Gap, Gaps } from "../../src/dev-s3/gaps.ts";
import {
  type Condition,
  type ETag,
  type ListedObject,
  type ListedUpload,
  type ListPage,
  type NotFound,
  type ObjectHeaders,
  type ObjectInfo,
  type ObjectKey,
  type ObjectStore,
  ObjectStoreError,
  objectKey,
  type PreconditionFailed,
  type PutBody,
  type RequestOptions,
  type Stored,
  type UploadedPart,
} from "../../src/s3/object-store.ts";
import { MemoryUploads } from "./memory-uploads.ts";

/** How a bucket in memory behaves. */
export interface MemoryObjectStoreOptions {
  /** Appears in error messages; default `memory`. */
  readonly bucket?: string;
  /** Gives each write a version id, as a versioned bucket does. */
  readonly versioned?: boolean;
  /** Smallest part but the last, 5 MiB as in S3 unless a test needs many small parts. */
  readonly minPartBytes?: number;
  readonly clock?: Clock;
  /** What of S3's semantics is missing. */
  readonly gaps?: Gaps;
}

/** One request that reached the store. */
export interface StoreRequest {
  readonly operation: keyof ObjectStore;
  /** The key, or the prefix of a listing. */
  readonly key: string;
}

interface StoredObject {
  readonly data: Buffer;
  readonly info: ObjectInfo;
  readonly tags: string | undefined;
}

const preconditionFailed: PreconditionFailed = { kind: "preconditionFailed" };
const notFound: NotFound = { kind: "notFound" };

/** Orders strings as their UTF-8 bytes are ordered. */
export function compareUtf8(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    // Code units above the surrogates are smaller code points than any surrogate pair.
    const rank = (unit: number) =>
      unit >= 0xe000 ? unit - 0x2000 : unit >= 0xd800 ? unit + 0x2000 : unit;
    return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** The bytes of a body in one copy. @throws {RangeError} when its length is not what it says. */
export function bodyBytes(body: PutBody): Buffer {
  const data = Buffer.concat(body.chunks);
  if (data.length !== body.sizeBytes) {
    throw new RangeError(`The chunks hold ${data.length} bytes, not ${body.sizeBytes}`);
  }
  return data;
}

function md5(data: Uint8Array): Buffer {
  return createHash("md5").update(data).digest();
}

/**
 * One bucket in memory with S3's semantics: strong consistency, ETags, conditions, multipart uploads, pages.
 * Beside `ObjectStore` it has what a test needs to look inside and to act as another client: those
 * methods are synchronous and are not counted in `requests`.
 *
 * Over 400 lines: one method for each request of `ObjectStore`, and one for each thing that another client does.
 */
export class MemoryObjectStore implements ObjectStore {
  /** Every request so far, oldest first; a test may empty it. */
  readonly requests: StoreRequest[] = [];
  readonly #objects = new Map<string, StoredObject>();
  readonly #bucket: string;
  readonly #versioned: boolean;
  readonly #clock: Clock;
  readonly #uploads: MemoryUploads;
  readonly #gaps: Gaps;
  #sortedKeys: readonly string[] | undefined;
  #versions = 0;

  constructor(options: MemoryObjectStoreOptions = {}) {
    this.#bucket = options.bucket ?? "memory";
    this.#versioned = options.versioned ?? false;
    this.#clock = options.clock ?? systemClock;
    this.#gaps = options.gaps ?? new Set();
    this.#uploads = new MemoryUploads(
      this.#bucket,
      options.minPartBytes ?? 5 * 1024 * 1024,
      this.#clock,
    );
  }

  /** Puts an object; headers not given are the defaults. Any string is taken as a key, as S3 itself would. */
  putObject(
    key: string,
    data: string | Uint8Array,
    headers: Partial<ObjectHeaders> = {},
  ): ObjectInfo {
    return this.#commit(key, Buffer.from(data), { metadata: {}, ...headers });
  }

  /** Whether there was something to delete, as another client. */
  deleteObject(key: string): boolean {
    this.#sortedKeys = undefined;
    return this.#objects.delete(key);
  }

  /** Makes an object unreadable until `restoreObject`. */
  archiveObject(key: string): void {
    this.#replaceInfo(key, { storageClass: "GLACIER", archived: true });
  }

  restoreObject(key: string): void {
    this.#replaceInfo(key, { archived: false });
  }

  info(key: string): ObjectInfo | undefined {
    return this.#objects.get(key)?.info;
  }

  /** The object's tags as a query string. */
  tagsOf(key: string): string | undefined {
    return this.#objects.get(key)?.tags;
  }

  /** Gives the object other tags, as another client: neither its ETag nor its time changes. */
  tagObject(key: string, tags: string | undefined): void {
    const object = this.#objects.get(key);
    if (object === undefined) throw new Error(`No object ${key}`);
    const { tagCount: _, ...info } = object.info;
    const count = tags === undefined ? {} : { tagCount: tags.split("&").length };
    this.#objects.set(key, { ...object, tags, info: { ...info, ...count } });
  }

  /** A copy of the object's bytes. */
  bytes(key: string): Buffer | undefined {
    const object = this.#objects.get(key);
    return object === undefined ? undefined : Buffer.from(object.data);
  }

  text(key: string): string | undefined {
    return this.#objects.get(key)?.data.toString();
  }

  /** All keys in S3's order. */
  keys(): readonly string[] {
    this.#sortedKeys ??= [...this.#objects.keys()].sort(compareUtf8);
    return this.#sortedKeys;
  }

  /** Uploads that are neither completed nor aborted. */
  unfinishedUploads(): readonly ListedUpload[] {
    return this.#uploads.unfinished();
  }

  async head(
    key: ObjectKey,
    options?: RequestOptions,
  ): Promise<({ kind: "found" } & ObjectInfo) | NotFound> {
    await this.#begin("head", key, options);
    const object = this.#objects.get(key);
    return object === undefined ? notFound : { kind: "found", ...object.info };
  }

  async tags(key: ObjectKey, options?: RequestOptions): Promise<string | undefined> {
    await this.#begin("tags", key, options);
    return this.#objects.get(key)?.tags;
  }

  async get(
    key: ObjectKey,
    range: { readonly offsetBytes: number; readonly lengthBytes: number; readonly ifMatch: ETag },
    options?: RequestOptions,
  ): Promise<{ kind: "read"; data: Uint8Array } | PreconditionFailed | NotFound> {
    await this.#begin("get", key, options);
    const source = this.#source(key, range.ifMatch);
    if ("kind" in source) return source;
    const { offsetBytes, lengthBytes } = range;
    return {
      kind: "read",
      data: Uint8Array.from(source.data.subarray(offsetBytes, offsetBytes + lengthBytes)),
    };
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
    await this.#begin("list", query.prefix, options);
    const after = query.token ?? query.startAfter ?? "";
    const most = Math.min(query.maxKeys ?? 1000, 1000);
    const objects: ListedObject[] = [];
    const prefixes: string[] = [];
    let skipped = 0;
    let last = "";
    for (const [name, isPrefix] of this.#entries(query.prefix, query.delimiter, after)) {
      if (objects.length + prefixes.length + skipped === most) {
        return { objects, prefixes, nextToken: last, skipped };
      }
      last = name;
      const info = this.#objects.get(name)?.info;
      if (!name.isWellFormed()) skipped++;
      else if (isPrefix) prefixes.push(name);
      else if (info !== undefined) {
        const { etag, sizeBytes, lastModifiedMs, storageClass } = info;
        objects.push({
          ...{ key: objectKey(name), etag, sizeBytes, lastModifiedMs },
          ...(storageClass === undefined ? {} : { storageClass }),
        });
      }
    }
    return { objects, prefixes, skipped };
  }

  async put(
    key: ObjectKey,
    body: PutBody,
    headers: ObjectHeaders,
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed> {
    const data = bodyBytes(body);
    await this.#begin("put", key, options);
    return this.#holds(key, condition, "put")
      ? stored(this.#commit(key, data, headers))
      : preconditionFailed;
  }

  async copy(
    source: { readonly key: ObjectKey; readonly ifMatch: ETag },
    key: ObjectKey,
    headers: ObjectHeaders,
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed | NotFound> {
    await this.#begin("copy", key, options);
    const from = this.#source(source.key, source.ifMatch, "copy-source-if-match");
    if ("kind" in from) return from;
    return this.#holds(key, condition, "copy")
      ? stored(this.#commit(key, from.data, withTags(headers, from.tags)))
      : preconditionFailed;
  }

  async delete(
    key: ObjectKey,
    ifMatch: ETag | "any",
    options?: RequestOptions,
  ): Promise<{ kind: "deleted" } | PreconditionFailed> {
    await this.#begin("delete", key, options);
    if (this.#objects.has(key) && !this.#holds(key, ifMatch, "delete")) return preconditionFailed;
    this.deleteObject(key);
    return { kind: "deleted" };
  }

  async createMultipart(
    key: ObjectKey,
    headers: ObjectHeaders,
    options?: RequestOptions,
  ): Promise<string> {
    await this.#begin("createMultipart", key, options);
    return this.#uploads.create(key, this.#checked(key, headers));
  }

  async uploadPart(
    key: ObjectKey,
    uploadId: string,
    partNumber: number,
    body: PutBody,
    options?: RequestOptions,
  ): Promise<UploadedPart> {
    const data = bodyBytes(body);
    await this.#begin("uploadPart", key, options);
    return this.#uploads.addPart(key, uploadId, partNumber, data);
  }

  async uploadPartCopy(
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
    await this.#begin("uploadPartCopy", key, options);
    if (this.#gaps.has("upload-part-copy")) {
      throw this.#error("unsupported", key, "NotImplemented", 501);
    }
    const from = this.#source(source.key, source.ifMatch, "upload-part-copy-if-match");
    if ("kind" in from) return from;
    const end = source.offsetBytes + source.lengthBytes;
    if (source.lengthBytes < 1 || end > from.data.length) {
      throw this.#error("invalid", key, "InvalidArgument", 400);
    }
    const data = from.data.subarray(source.offsetBytes, end);
    return { kind: "copied", ...this.#uploads.addPart(key, uploadId, partNumber, data) };
  }

  async completeMultipart(
    key: ObjectKey,
    uploadId: string,
    parts: readonly UploadedPart[],
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed> {
    await this.#begin("completeMultipart", key, options);
    const { data, headers, etag } = this.#uploads.assemble(key, uploadId, parts);
    if (!this.#holds(key, condition, "complete")) return preconditionFailed;
    this.#uploads.remove(key, uploadId);
    return stored(this.#commit(key, data, headers, etag));
  }

  async abortMultipart(key: ObjectKey, uploadId: string, options?: RequestOptions): Promise<void> {
    await this.#begin("abortMultipart", key, options);
    this.#uploads.remove(key, uploadId);
  }

  async listUploads(prefix: string, options?: RequestOptions): Promise<readonly ListedUpload[]> {
    await this.#begin("listUploads", prefix, options);
    return this.#uploads.unfinished().filter(({ key }) => key.startsWith(prefix));
  }

  async hasParts(key: ObjectKey, uploadId: string, options?: RequestOptions): Promise<boolean> {
    await this.#begin("hasParts", key, options);
    return this.#uploads.hasParts(key, uploadId);
  }

  async restore(
    key: ObjectKey,
    _days: number,
    options?: RequestOptions,
  ): Promise<{ readonly kind: "asked" | "ready" } | NotFound> {
    await this.#begin("restore", key, options);
    const object = this.#objects.get(key);
    if (object === undefined) return notFound;
    return { kind: object.info.archived === true ? "asked" : "ready" };
  }

  /** An error as this bucket throws it. */
  failure(code: ObjectStoreError["code"], s3Code: string, status: number): ObjectStoreError {
    return new ObjectStoreError(code, `Bucket ${this.#bucket}: ${s3Code}`, { s3Code, status });
  }

  /** Counts the request and yields once, so that no caller relies on an answer in the same turn. */
  async #begin(operation: keyof ObjectStore, key: string, options?: RequestOptions): Promise<void> {
    options?.signal?.throwIfAborted();
    this.requests.push({ operation, key });
    await Promise.resolve();
    options?.signal?.throwIfAborted();
  }

  #error(code: ObjectStoreError["code"], key: string, s3Code: string, status: number) {
    const message = `Bucket ${this.#bucket}, key ${JSON.stringify(key)}: ${s3Code}`;
    return new ObjectStoreError(code, message, { s3Code, status });
  }

  /** The object to read from. @throws {ObjectStoreError} archived. */
  #source(key: ObjectKey, ifMatch: ETag, gap?: Gap): StoredObject | PreconditionFailed | NotFound {
    const object = this.#objects.get(key);
    if (object === undefined) return notFound;
    const isIgnored = gap !== undefined && this.#gaps.has(gap);
    if (object.info.etag !== ifMatch && !isIgnored) return preconditionFailed;
    if (object.info.archived) throw this.#error("archived", key, "InvalidObjectState", 403);
    return object;
  }

  /** @throws {ObjectStoreError} unsupported for a condition that this bucket refuses. */
  #holds(
    key: ObjectKey,
    condition: Condition,
    operation: "put" | "complete" | "copy" | "delete",
  ): boolean {
    if (condition === "any") return true;
    const header = condition === "absent" ? "if-none-match" : "if-match";
    const gap = operation === "delete" ? "delete-if-match" : (`${operation}-${header}` as const);
    if (this.#gaps.has(`${gap}:refused`)) {
      throw this.#error("unsupported", key, "NotImplemented", 501);
    }
    if (this.#gaps.has(gap)) return true;
    const current = this.#objects.get(key)?.info.etag;
    return condition === "absent" ? current === undefined : current === condition;
  }

  /** Names in lower case, undefined for nothing. @throws {ObjectStoreError} invalid when over S3's 2 KB. */
  #checked(key: string, headers: ObjectHeaders): ObjectHeaders {
    const entries = Object.entries(headers.metadata).map(
      ([name, value]) => [name.toLowerCase(), value] as const,
    );
    const size = entries.reduce((sum, pair) => sum + Buffer.byteLength(pair.join("")), 0);
    // S3 user guide, "Working with object metadata": user metadata is limited to 2 KB.
    if (size > 2048) throw this.#error("invalid", key, "MetadataTooLarge", 400);
    return { ...headers, metadata: Object.fromEntries(entries) };
  }

  #commit(key: string, data: Buffer, headers: ObjectHeaders, etag?: string): ObjectInfo {
    const { tags, tagCount: _, ...kept } = this.#checked(key, headers);
    const info: ObjectInfo = {
      ...{ contentType: "binary/octet-stream" },
      ...kept,
      ...(tags === undefined ? {} : { tagCount: tags.split("&").length }),
      etag: (etag ?? `"${md5(data).toString("hex")}"`) as ETag,
      sizeBytes: data.length,
      lastModifiedMs: Number(this.#clock.nowNs() / 1_000_000_000n) * 1000,
      ...(this.#versioned ? { versionId: `v${++this.#versions}` } : {}),
    };
    if (!this.#objects.has(key)) this.#sortedKeys = undefined;
    this.#objects.set(key, { data, info, tags });
    return info;
  }

  #replaceInfo(key: string, change: Partial<ObjectInfo>): void {
    const object = this.#objects.get(key);
    if (object === undefined) throw new Error(`No object ${key}`);
    this.#objects.set(key, { ...object, info: { ...object.info, ...change } });
  }

  /** Keys and common prefixes after `after`, in order. */
  *#entries(
    prefix: string,
    delimiter: string | undefined,
    after: string,
  ): Generator<readonly [name: string, isPrefix: boolean]> {
    const keys = this.keys();
    let low = 0;
    for (let high = keys.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (compareUtf8(keys[middle] ?? "", prefix) < 0) low = middle + 1;
      else high = middle;
    }
    let rolledUp: string | undefined;
    for (const key of keys.slice(low)) {
      if (!key.startsWith(prefix)) return;
      if (rolledUp !== undefined && key.startsWith(rolledUp)) continue;
      const cut = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
      const name = cut === -1 ? key : key.slice(0, cut + 1);
      if (cut !== -1) rolledUp = name;
      if (compareUtf8(name, after) > 0) yield [name, cut !== -1];
    }
  }
}

/** A copy has the source's tags unless it is given others. */
function withTags(headers: ObjectHeaders, tags: string | undefined): ObjectHeaders {
  return headers.tags !== undefined || tags === undefined ? headers : { ...headers, tags };
}

function stored({ etag, versionId }: ObjectInfo): Stored {
  return { kind: "stored", etag, ...(versionId === undefined ? {} : { versionId }) };
}
