import { ObjectStoreError, type ObjectStoreErrorCode } from "./object-store.ts";
import { childText, parseXml, type XmlElement } from "./parse-xml.ts";
import type { HttpAnswer } from "./transport.ts";

/** What an answer says went wrong. */
export interface Failure {
  /** 200 where a success turned out to hold an error document. */
  readonly status: number;
  /** The S3 error code; where there is no document, as for HEAD, `HTTP <status>`. */
  readonly s3Code: string;
  readonly message: string;
  /** The bucket's region, where the answer names it. */
  readonly region?: string;
}

/** The codes whose status alone would say something else, or nothing. */
const codes: Readonly<Record<string, ObjectStoreErrorCode>> = {
  NoSuchBucket: "noSuchBucket",
  NoSuchUpload: "noSuchUpload",
  InvalidObjectState: "archived",
  ObjectNotInActiveTierError: "archived",
  NotImplemented: "unsupported",
  MethodNotAllowed: "unsupported",
  AccessDenied: "denied",
  ExpiredToken: "denied",
  InvalidToken: "denied",
  InvalidAccessKeyId: "denied",
  SignatureDoesNotMatch: "denied",
  TokenRefreshRequired: "denied",
  // The bytes were damaged or cut off under way: nothing is stored, and the same request may succeed.
  BadDigest: "unavailable",
  IncompleteBody: "unavailable",
  XAmzContentSHA256Mismatch: "unavailable",
  InternalError: "unavailable",
  OperationAborted: "unavailable",
  RequestTimeout: "unavailable",
  RequestTimeTooSkewed: "unavailable",
  ServiceUnavailable: "unavailable",
  SlowDown: "unavailable",
  Throttling: "unavailable",
  ThrottlingException: "unavailable",
  TooManyRequests: "unavailable",
  PermanentRedirect: "invalid",
  TemporaryRedirect: "unavailable",
};

function codeOfStatus(status: number): ObjectStoreErrorCode {
  if (status === 401 || status === 403) return "denied";
  if (status === 405 || status === 501) return "unsupported";
  if (status === 307 || status === 408 || status === 429 || status >= 500) return "unavailable";
  return "invalid";
}

/** Why a request failed, as far as the caller only passes it up. */
export function errorCode(failure: Failure): ObjectStoreErrorCode {
  return codes[failure.s3Code] ?? codeOfStatus(failure.status);
}

/** Whether the store refused the keys themselves, not what they wanted to do. */
export function isUnauthenticated(s3Code: string): boolean {
  return [
    ...["ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"],
    ...["TokenRefreshRequired", "NoCredentials"],
  ].includes(s3Code);
}

/** A write's condition did not hold. 404 counts only where an existing object was expected. */
export function isPreconditionFailure(failure: Failure, expectsObject: boolean): boolean {
  return (
    failure.s3Code === "PreconditionFailed" ||
    failure.s3Code === "ConditionalRequestConflict" ||
    failure.status === 412 ||
    (expectsObject && failure.s3Code === "NoSuchKey")
  );
}

/** The key of a read does not exist, and it is S3 that says so. */
export function isMissingKey(failure: Failure): boolean {
  return failure.s3Code === "NoSuchKey";
}

function fromDocument(root: XmlElement, status: number): Failure {
  const region = childText(root, "Region");
  return {
    status,
    s3Code: childText(root, "Code") || `HTTP ${status}`,
    message: childText(root, "Message") ?? "",
    ...(region === undefined ? {} : { region }),
  };
}

/**
 * What went wrong according to an answer; undefined for a success. With `isDocument` an error document in a 200, as
 * CopyObject, UploadPartCopy and CompleteMultipartUpload may send it, is a failure, and so is a body cut off.
 */
export function failureOf(answer: HttpAnswer, isDocument: boolean): Failure | undefined {
  const { status, headers, body } = answer;
  if (status >= 200 && status < 300) {
    if (!isDocument) return undefined;
    const root = parseXml(body.toString("utf8"));
    if (root === undefined) {
      return { status: 500, s3Code: "InternalError", message: "The answer is no document" };
    }
    return root.name === "Error" ? fromDocument(root, status) : undefined;
  }
  const region = headers["x-amz-bucket-region"];
  const root = body.length === 0 ? undefined : parseXml(body.toString("utf8"));
  const found: Failure =
    root?.name === "Error"
      ? fromDocument(root, status)
      : { status, s3Code: `HTTP ${status}`, message: "" };
  return region === undefined ? found : { ...found, region };
}

/** The error for a failure that the caller cannot choose about. `request` names operation, key, bucket and endpoint. */
export function toError(failure: Failure, request: string, ownRegion: string): ObjectStoreError {
  const { status, s3Code, message, region } = failure;
  const isElsewhere = region !== undefined && region !== ownRegion;
  const isRedirect =
    [301, 302, 307].includes(status) ||
    s3Code === "AuthorizationHeaderMalformed" ||
    s3Code === "IllegalLocationConstraintException";
  const reason =
    isRedirect && isElsewhere
      ? `the bucket is in region ${region}, not in ${ownRegion}`
      : message || (s3Code.startsWith("HTTP ") ? "no reason given" : "");
  const statusText = s3Code.startsWith("HTTP ") ? s3Code : `${s3Code} (${status})`;
  return new ObjectStoreError(
    errorCode(failure),
    `${request}: ${statusText}${reason === "" ? "" : `: ${reason}`}`,
    { s3Code, status },
  );
}
