import type { BucketControlErrorCode } from "./bucket-control-error.ts";
import { type ObjectStore, ObjectStoreError, type RequestOptions } from "./object-store.ts";
import { isUnauthenticated } from "./outcome.ts";

/** Whether a bucket can be used; a message names bucket, endpoint and cause. */
export type BucketCheck =
  | { readonly kind: "ok" }
  | { readonly kind: BucketControlErrorCode; readonly message: string };

/** What a failed request says of the bucket. */
export function bucketErrorKind(error: ObjectStoreError): BucketControlErrorCode {
  if (isUnauthenticated(error.s3Code)) return "unauthenticated";
  switch (error.code) {
    case "denied":
    case "noSuchBucket":
    case "unavailable":
      return error.code;
    case "archived":
    case "noSuchUpload":
    case "unsupported":
    case "invalid":
      return "invalid";
  }
}

/**
 * Asks a bucket for one key below `prefix`: that it exists and answers to these credentials. `store` retries as
 * for any read. Rejects with the signal's reason when it aborts.
 */
export async function checkBucket(
  store: ObjectStore,
  prefix: string,
  options?: RequestOptions,
): Promise<BucketCheck> {
  try {
    await store.list({ prefix, maxKeys: 1 }, options);
    return { kind: "ok" };
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error;
    return { kind: bucketErrorKind(error), message: error.message };
  }
}
