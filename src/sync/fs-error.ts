import { ObjectStoreError, type ObjectStoreErrorCode } from "../s3/object-store.ts";
import { FsError, type FsErrorCode } from "../vfs/error.ts";

const codes = {
  unavailable: "DELAY",
  denied: "ACCESS",
  noSuchBucket: "IO",
  archived: "ACCESS",
  noSuchUpload: "IO",
  unsupported: "IO",
  invalid: "IO",
} as const satisfies Record<ObjectStoreErrorCode, FsErrorCode>;

/** What a waiting file system operation is told of a failure at S3; an `FsError` stays itself. */
export function toFsError(error: unknown, doing: string): FsError {
  if (error instanceof FsError) return error;
  const code = error instanceof ObjectStoreError ? codes[error.code] : "IO";
  return new FsError(code, `${doing} failed`, { cause: error });
}

/** Whether a request that failed so cannot have changed anything, nor will: it never left. */
export function isUnsent(error: unknown): boolean {
  return error instanceof ObjectStoreError && error.isUnsent;
}

/** Whether the failure may pass by itself: no answer, or an overloaded store. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof ObjectStoreError) return error.code === "unavailable";
  return error instanceof FsError && error.code === "DELAY";
}
