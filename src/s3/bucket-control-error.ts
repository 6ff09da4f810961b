import { CredentialsError } from "./credentials.ts";
import { errorCode, isUnauthenticated } from "./outcome.ts";

/**
 * Why an operation on a bucket failed: `denied` known but not allowed · `unauthenticated` the store does not accept
 * the keys, or there are none · `noSuchBucket` · `unavailable` no answer, 5xx, throttled: worth a retry, and it
 * may have happened · `invalid` anything else.
 */
export type BucketControlErrorCode =
  | "denied"
  | "unauthenticated"
  | "noSuchBucket"
  | "unavailable"
  | "invalid";

/** A failed operation on a bucket. The message names bucket, endpoint and the store's own cause, and holds no keys. */
export class BucketControlError extends Error {
  readonly code: BucketControlErrorCode;
  constructor(
    code: BucketControlErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
    this.name = "BucketControlError";
    this.code = code;
  }
}

/** What an error of the AWS SDK says; status 0: no answer. */
export interface SdkFailure {
  readonly s3Code: string;
  readonly status: number;
  readonly message: string;
  readonly attempts: number;
}

/** Reads an error that the SDK threw. */
export function sdkFailure(error: unknown): SdkFailure {
  const {
    name = "Unknown",
    message = String(error),
    code,
    $metadata: { httpStatusCode = 0, attempts = 1 } = {},
  } = error as {
    name?: string;
    message?: string;
    code?: unknown;
    $metadata?: { httpStatusCode?: number; attempts?: number };
  };
  // Without an answer `code` is that of the socket, which says more than the name.
  const s3Code = httpStatusCode === 0 && typeof code === "string" ? code : name;
  return { s3Code, status: httpStatusCode, message, attempts };
}

function controlCode(error: unknown, failure: SdkFailure): BucketControlErrorCode {
  const { s3Code, status } = failure;
  if (error instanceof CredentialsError || s3Code === "CredentialsProviderError") {
    return "unauthenticated";
  }
  if (isUnauthenticated(s3Code)) return "unauthenticated";
  if (status === 0) return "unavailable";
  const code = errorCode({ s3Code, status, message: "" });
  return code === "denied" || code === "noSuchBucket" || code === "unavailable" ? code : "invalid";
}

/** The error for what the SDK threw; `request` names operation, bucket and endpoint. */
export function toBucketControlError(cause: unknown, request: string): BucketControlError {
  const failure = sdkFailure(cause);
  const { s3Code, status, message } = failure;
  const reason = message === "" || message === s3Code ? "" : `: ${message}`;
  const statusText = status === 0 ? s3Code : `${s3Code} (${status})`;
  return new BucketControlError(controlCode(cause, failure), `${request}: ${statusText}${reason}`, {
    cause,
  });
}
