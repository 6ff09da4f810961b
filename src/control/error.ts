/**
 * Why a control request failed. `denied`, `unauthenticated`, `noSuchBucket`, `unavailable` are S3's answers to
 * a volume server · `exhausted` the node has no room · `supervisor` the peer failed or does not answer, or its
 * answer is none · `identity` the volume handle is known with another bucket, prefix or endpoint ·
 * `elsewhere` the volume belongs to one node at a time, and another one has it · `noSuchVolume` nothing by that name · `invalid` the request is malformed, or of a version not spoken here ·
 * `timeout` the time given was over.
 */
export const controlErrorCodes = [
  "denied",
  "unauthenticated",
  "noSuchBucket",
  "unavailable",
  "exhausted",
  "supervisor",
  "identity",
  "elsewhere",
  "noSuchVolume",
  "invalid",
  "timeout",
] as const;

/** One of {@link controlErrorCodes}. */
export type ControlErrorCode = (typeof controlErrorCodes)[number];

/** A failed control request; code and message travel over the socket unchanged. */
export class ControlError extends Error {
  readonly code: ControlErrorCode;
  constructor(code: ControlErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "ControlError";
    this.code = code;
  }
}
