const errors = {
  AccessDenied: [403, "Access Denied"],
  AuthorizationHeaderMalformed: [400, "The authorization header that you provided is not valid"],
  AuthorizationQueryParametersError: [400, "The authorization query parameters are not valid"],
  BadDigest: [
    400,
    "The Content-MD5 or checksum value that you specified did not match what was received",
  ],
  BucketAlreadyOwnedByYou: [
    409,
    "The bucket that you tried to create already exists, and you own it",
  ],
  BucketNotEmpty: [409, "The bucket that you tried to delete is not empty"],
  ConditionalRequestConflict: [
    409,
    "A conflicting operation occurred during this conditional request",
  ],
  EntityTooLarge: [400, "Your proposed upload exceeds the maximum allowed object size"],
  EntityTooSmall: [400, "Your proposed upload is smaller than the minimum allowed size"],
  IllegalLocationConstraintException: [
    400,
    "The location constraint is incompatible with this endpoint",
  ],
  IllegalVersioningConfigurationException: [400, "The versioning configuration is not valid"],
  IncompleteBody: [400, "You did not provide the number of bytes specified by Content-Length"],
  InternalError: [500, "We encountered an internal error. Please try again"],
  InvalidAccessKeyId: [403, "The access key ID that you provided does not exist in our records"],
  InvalidArgument: [400, "Invalid argument"],
  InvalidBucketName: [400, "The specified bucket is not valid"],
  InvalidChunkSizeError: [
    400,
    "Only the last chunk is allowed to have a size less than 8192 bytes",
  ],
  InvalidDigest: [400, "The Content-MD5 that you specified is not valid"],
  InvalidObjectState: [403, "The operation is not valid for the object's storage class"],
  InvalidPart: [
    400,
    "One or more of the specified parts could not be found or its entity tag differs",
  ],
  InvalidPartNumber: [416, "The requested part number is not satisfiable"],
  InvalidPartOrder: [400, "The list of parts was not in ascending order"],
  InvalidRange: [416, "The requested range is not satisfiable"],
  InvalidRequest: [400, "Invalid request"],
  InvalidStorageClass: [400, "The storage class that you specified is not valid"],
  InvalidTag: [400, "The tag provided was not a valid tag"],
  InvalidToken: [400, "The provided token is malformed or otherwise not valid"],
  InvalidURI: [400, "Could not parse the specified URI"],
  KeyTooLongError: [400, "Your key is too long"],
  MalformedXML: [400, "The XML that you provided was not well-formed or did not validate"],
  MetadataTooLarge: [400, "Your metadata headers exceed the maximum allowed metadata size"],
  MethodNotAllowed: [405, "The specified method is not allowed against this resource"],
  MissingContentLength: [411, "You must provide the Content-Length HTTP header"],
  NoSuchBucket: [404, "The specified bucket does not exist"],
  NoSuchKey: [404, "The specified key does not exist"],
  NoSuchTagSet: [404, "The TagSet does not exist"],
  NoSuchUpload: [404, "The specified multipart upload does not exist"],
  NoSuchVersion: [404, "The specified version does not exist"],
  NotImplemented: [
    501,
    "A header or query you provided implies functionality that is not implemented",
  ],
  ObjectNotInActiveTierError: [403, "The source object of the copy is not in the active tier"],
  PreconditionFailed: [412, "At least one of the preconditions you specified did not hold"],
  RequestTimeTooSkewed: [
    403,
    "The difference between the request time and the server's time is too large",
  ],
  RestoreAlreadyInProgress: [409, "Object restore is already in progress"],
  SignatureDoesNotMatch: [
    403,
    "The request signature we calculated does not match the signature you provided",
  ],
  SlowDown: [503, "Please reduce your request rate"],
  XAmzContentSHA256Mismatch: [
    400,
    "The provided x-amz-content-sha256 does not match what was computed",
  ],
} as const satisfies Record<string, readonly [status: number, message: string]>;

/** The error codes this server answers with; each has one HTTP status. */
export type S3ErrorCode = keyof typeof errors;

/** What an error answer carries beside its code. */
export interface S3ErrorDetail {
  readonly message?: string;
  /** Further elements of the error document, such as `ActualObjectSize`. */
  readonly elements?: Readonly<Record<string, string | number>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error answer of S3: thrown anywhere below the request handler, written there as XML. */
export class S3Error extends Error {
  readonly code: S3ErrorCode;
  readonly status: number;
  readonly elements: Readonly<Record<string, string | number>>;
  readonly headers: Readonly<Record<string, string>>;
  constructor(code: S3ErrorCode, detail: S3ErrorDetail = {}) {
    super(
      detail.message ?? errors[code][1],
      detail.cause === undefined ? undefined : { cause: detail.cause },
    );
    this.name = "S3Error";
    this.code = code;
    this.status = errors[code][0];
    this.elements = detail.elements ?? {};
    this.headers = detail.headers ?? {};
  }
}
