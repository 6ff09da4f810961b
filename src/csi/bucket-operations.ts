import type { CredentialsFile } from "../control/volume-spec.ts";
import type { Connection } from "./volume-spec-of.ts";

/**
 * Why a bucket operation failed: `denied` known but not allowed · `unauthenticated` the store does not
 * accept the keys · `noSuchBucket` · `unavailable` no answer, 5xx, throttled: worth a retry, and it may have
 * happened · `invalid` anything else.
 */
export type BucketErrorCode =
  | "denied"
  | "unauthenticated"
  | "noSuchBucket"
  | "unavailable"
  | "invalid";

/** A failed bucket operation. The message is the store's own cause, without credentials. */
export class BucketError extends Error {
  readonly code: BucketErrorCode;
  constructor(code: BucketErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "BucketError";
    this.code = code;
  }
}

/** Outcome of reading a small document. */
export type DocumentRead =
  | { readonly kind: "found"; readonly text: string; readonly etag: string }
  | { readonly kind: "notFound" }
  | { readonly kind: "noSuchBucket" };

/**
 * What the controller needs of a store; `cli` passes in the implementation.
 * All methods @throws {BucketError}, and reject with the signal's reason when it aborts.
 */
export interface BucketOperations {
  /** `exists`: it is already ours (the account's). `taken`: another account has the name. */
  createBucket(bucket: string, signal: AbortSignal): Promise<"created" | "exists" | "taken">;
  /** `notEmpty`: objects, versions or uploads remain, nothing happened. */
  deleteBucket(bucket: string, signal: AbortSignal): Promise<"deleted" | "missing" | "notEmpty">;
  /** Whether no object, version or delete marker has a key below `prefix`. */
  isEmpty(bucket: string, prefix: string, signal: AbortSignal): Promise<boolean>;
  /** Names of the buckets that belong to the credentials' account, in the order of their characters. */
  listBuckets(signal: AbortSignal): Promise<readonly string[]>;
  /** Up to `most` keys below `prefix` that come after `after`, in S3's order; fewer mean that there are no more. */
  listKeys(
    page: {
      readonly bucket: string;
      readonly prefix: string;
      readonly after: string;
      readonly most: number;
    },
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /** Reads a document of at most 64 KiB. */
  readDocument(bucket: string, key: string, signal: AbortSignal): Promise<DocumentRead>;
  /** Writes it if the object is missing (`"absent"`) or still has this ETag. */
  writeDocument(
    document: { readonly bucket: string; readonly key: string; readonly text: string },
    condition: "absent" | { readonly etag: string },
    signal: AbortSignal,
  ): Promise<"stored" | "preconditionFailed">;
  /** Removes every object, version, delete marker and unfinished upload below `prefix`, except the key `keep`. */
  empty(
    bucket: string,
    scope: { readonly prefix: string; readonly keep?: string },
    signal: AbortSignal,
  ): Promise<void>;
}

/** Opens the store of a connection; absent credentials mean the driver's own. */
export type OpenBucketOperations = (
  connection: Connection,
  credentials: CredentialsFile | undefined,
) => BucketOperations;
