import type { Brand } from "../base/brand.ts";

/** A full object key: valid UTF-8, 1 to 1,024 bytes. */
export type ObjectKey = Brand<string, "ObjectKey">;
/** An entity tag as S3 sends it, quotes included. Opaque: never an MD5 to compare with. */
export type ETag = Brand<string, "ETag">;

/** @throws {RangeError} when `text` is no object key: empty, over 1,024 bytes, or not well-formed Unicode. */
export function objectKey(text: string): ObjectKey {
  if (text === "" || Buffer.byteLength(text) > 1024 || !text.isWellFormed()) {
    throw new RangeError(`Not an object key: ${JSON.stringify(text.slice(0, 80))}`);
  }
  return text as ObjectKey;
}

/** Identifies one remote version: any difference in any field is a change of the object. */
export interface ObjectVersion {
  readonly etag: ETag;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch; the resolution is the store's (whole seconds on some). */
  readonly lastModifiedMs: number;
  /** Absent where the bucket is not versioned and in listings. */
  readonly versionId?: string;
}

/** The headers of an object that an edit must carry forward. */
export interface ObjectHeaders {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly contentDisposition?: string;
  readonly contentLanguage?: string;
  readonly cacheControl?: string;
  readonly expires?: string;
  readonly storageClass?: string;
  readonly websiteRedirect?: string;
  /** `aws:kms` or `aws:kms:dsse`; absent: keys of S3's own, which every object has at least. */
  readonly encryption?: string;
  /** The key's ARN or id; absent: the account's key for S3. */
  readonly kmsKeyId?: string;
  /** `"true"` where the bucket's key stands between the object and KMS. */
  readonly bucketKey?: string;
  /** How many tags the object had, as HEAD says; not sent. What they are, {@link ObjectStore.tags} says. */
  readonly tagCount?: number;
  /** The object could not be read when HEAD said this; not sent. */
  readonly archived?: boolean;
  /** Tags to write, as `x-amz-tagging` spells them: a query string. Never in the answer to a HEAD. */
  readonly tags?: string;
  /** User metadata by name without `x-amz-meta-`, names in lower case. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What HEAD says of an object. */
export interface ObjectInfo extends ObjectVersion, ObjectHeaders {}

/** The state that the destination must be in: missing (`"absent"`), exactly this ETag, or anything. */
export type Condition = "absent" | ETag | "any";

/** An object as a listing shows it: without metadata, and never with a version id. */
export interface ListedObject extends ObjectVersion {
  readonly key: ObjectKey;
  readonly storageClass?: string;
}

/** One page of a listing. Keys that are not well-formed are left out and counted in `skipped`. */
export interface ListPage {
  readonly objects: readonly ListedObject[];
  /** Common prefixes, each ending in the delimiter. */
  readonly prefixes: readonly string[];
  /** Present when there is another page. */
  readonly nextToken?: string;
  readonly skipped: number;
}

/** The condition did not hold: 412, 409 ConditionalRequestConflict, or 404 for an expected ETag. */
export type PreconditionFailed = { readonly kind: "preconditionFailed" };
/** No object has this key now; in a versioned bucket its newest version may be a delete marker. */
export type NotFound = { readonly kind: "notFound" };
/** The object is in the store, durable and visible to every client, with this ETag. */
export type Stored = { readonly kind: "stored"; readonly etag: ETag; readonly versionId?: string };

/** A part as `uploadPart` or `uploadPartCopy` gave it; the completion wants it unchanged. */
export interface UploadedPart {
  /** From 1, without gaps: AWS fails on gaps where parts carry checksums. */
  readonly partNumber: number;
  readonly etag: ETag;
  /** The store's own: some want it again at the completion. */
  readonly checksum?: string;
}

/**
 * Why a request failed when the caller only passes it up:
 * `unavailable` connection, time-out, 5xx, SlowDown: worth a retry, and a mutation may have happened unless `isUnsent` ·
 * `denied` 401 or 403 · `noSuchBucket` · `archived` the object must be restored first ·
 * `noSuchUpload` the multipart upload is gone (completed, aborted or expired) ·
 * `unsupported` the store does not know the operation · `invalid` any other 4xx.
 */
export type ObjectStoreErrorCode =
  | "unavailable"
  | "denied"
  | "noSuchBucket"
  | "archived"
  | "noSuchUpload"
  | "unsupported"
  | "invalid";

/** A failed request, after the store's own bounded retries. The message names bucket, key and the S3 error code. */
export class ObjectStoreError extends Error {
  readonly code: ObjectStoreErrorCode;
  /** The S3 error code, such as `AccessDenied`, or the socket's error code. */
  readonly s3Code: string;
  readonly status: number | undefined;
  /** No byte of the request has left: whatever it was to change is as it was, and it cannot arrive late. */
  readonly isUnsent: boolean;
  constructor(
    code: ObjectStoreErrorCode,
    message: string,
    detail: {
      readonly s3Code: string;
      readonly status?: number;
      readonly isUnsent?: boolean;
      readonly cause?: unknown;
    },
  ) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = "ObjectStoreError";
    this.code = code;
    this.s3Code = detail.s3Code;
    this.status = detail.status;
    this.isUnsent = detail.isUnsent ?? false;
  }
}

/** A multipart upload that is neither completed nor aborted. */
export interface ListedUpload {
  readonly key: ObjectKey;
  readonly uploadId: string;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly initiatedMs: number;
  /** Who began it, where the store says so; opaque. */
  readonly initiator?: string;
}

/** What any request may be given; an aborted one rejects with the signal's reason, and a mutation may have happened. */
export interface RequestOptions {
  readonly signal?: AbortSignal;
}

/**
 * One bucket of an S3-compatible store, as the sync engine needs it. Every mutation is conditional.
 * A mutating request is sent at most once by an implementation: after a lost answer the caller asks what happened.
 * Reads (`head`, `get`, `list`) are retried inside, with jitter, while they answer `unavailable`.
 * All methods @throws {ObjectStoreError}.
 */
export interface ObjectStore {
  head(
    key: ObjectKey,
    options?: RequestOptions,
  ): Promise<({ kind: "found" } & ObjectInfo) | NotFound>;
  /** The tags of an object as {@link ObjectHeaders.tags} spells them; undefined when it has none, or is not there. */
  tags(key: ObjectKey, options?: RequestOptions): Promise<string | undefined>;
  /**
   * Reads `[offsetBytes, offsetBytes + lengthBytes)`, cut at the object's end, of the version with `ifMatch`.
   * `data` is a copy that belongs to the caller. A read from 0 of at least `objectSizeBytes`, the size of that version
   * where the caller knows it, is verified against the object's checksum.
   */
  get(
    key: ObjectKey,
    range: {
      readonly offsetBytes: number;
      readonly lengthBytes: number;
      readonly ifMatch: ETag;
      readonly objectSizeBytes?: number;
    },
    options?: RequestOptions,
  ): Promise<{ kind: "read"; data: Uint8Array } | PreconditionFailed | NotFound>;
  /** Lists keys after `startAfter` in UTF-8 binary order, at most `maxKeys` (1,000) a page. */
  list(
    query: {
      readonly prefix: string;
      readonly delimiter?: "/";
      readonly startAfter?: string;
      readonly token?: string;
      readonly maxKeys?: number;
    },
    options?: RequestOptions,
  ): Promise<ListPage>;
  /** `body` chunks are referenced until the promise settles. Their lengths add up to `sizeBytes`. */
  put(
    key: ObjectKey,
    body: PutBody,
    headers: ObjectHeaders,
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed>;
  /**
   * Server-side copy up to 5 GiB with `headers` in place of the source's (MetadataDirective REPLACE).
   * Some stores ignore `condition` here: callers that need it use a multipart copy instead.
   */
  copy(
    source: { readonly key: ObjectKey; readonly ifMatch: ETag },
    key: ObjectKey,
    headers: ObjectHeaders,
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed | NotFound>;
  /** Deletes the object when `ifMatch` holds (`"any"`: whatever is there). A missing key is `deleted`. */
  delete(
    key: ObjectKey,
    ifMatch: ETag | "any",
    options?: RequestOptions,
  ): Promise<{ kind: "deleted" } | PreconditionFailed>;
  createMultipart(
    key: ObjectKey,
    headers: ObjectHeaders,
    options?: RequestOptions,
  ): Promise<string>;
  uploadPart(
    key: ObjectKey,
    uploadId: string,
    partNumber: number,
    body: PutBody,
    options?: RequestOptions,
  ): Promise<UploadedPart>;
  /** Copies `[offsetBytes, offsetBytes + lengthBytes)` of the source version into a part. */
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
  ): Promise<({ kind: "copied" } & UploadedPart) | PreconditionFailed | NotFound>;
  completeMultipart(
    key: ObjectKey,
    uploadId: string,
    parts: readonly UploadedPart[],
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed>;
  /** Succeeds when the upload is gone already. */
  abortMultipart(key: ObjectKey, uploadId: string, options?: RequestOptions): Promise<void>;
  /** Uploads begun and neither completed nor aborted whose keys begin with `prefix`: the first 1,000. */
  listUploads(prefix: string, options?: RequestOptions): Promise<readonly ListedUpload[]>;
  /** Whether anything was uploaded; false too when the upload is gone. */
  hasParts(key: ObjectKey, uploadId: string, options?: RequestOptions): Promise<boolean>;
  /**
   * Asks for a readable copy of an archived object for some days: `asked` it is on its way · `ready` it is there.
   */
  restore(
    key: ObjectKey,
    days: number,
    options?: RequestOptions,
  ): Promise<{ readonly kind: "asked" | "ready" } | NotFound>;
}

/** A body that is in memory: chunks in order. */
export interface PutBody {
  readonly sizeBytes: number;
  readonly chunks: readonly Uint8Array[];
}
