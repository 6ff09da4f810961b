import { status } from "@grpc/grpc-js";

/**
 * Every gRPC status that the driver answers, and what it says to the CO (CSI spec, Error Scheme):
 * a missing bucket is NOT_FOUND in every RPC, because nothing the CO repeats will make it appear;
 * a store that does not answer is UNAVAILABLE, which the sidecars repeat without giving up.
 */
export const csiStatus = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  ABORTED: status.ABORTED,
  OUT_OF_RANGE: status.OUT_OF_RANGE,
  UNAVAILABLE: status.UNAVAILABLE,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  INTERNAL: status.INTERNAL,
} as const satisfies Record<string, status>;

/** One of the names in {@link csiStatus}. */
export type CsiErrorCode = keyof typeof csiStatus;

/** A failure that goes to the CO as it is. The message names volume, bucket and cause, never a secret. */
export class CsiError extends Error {
  readonly code: CsiErrorCode;
  constructor(code: CsiErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "CsiError";
    this.code = code;
  }
}
