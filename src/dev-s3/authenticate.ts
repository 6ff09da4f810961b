import { timingSafeEqual } from "node:crypto";
import { S3Error } from "./error.ts";
import { decodeUri, type RequestTarget } from "./request-target.ts";
import { canonicalRequest, type Scope, sign, signingKey, stringToSign } from "./sigv4.ts";

/** The one account of the server. */
export interface Account {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/** A request whose signature holds, and what is needed to verify the chunks of its body. */
export interface Authenticated {
  /** The value of `x-amz-content-sha256`. */
  readonly payloadHash: string;
  readonly signature: string;
  readonly amzDate: string;
  readonly scope: Scope;
  readonly key: Buffer;
}

interface Claim {
  readonly credential: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly amzDate: string;
  readonly payloadHash: string;
  readonly presigned: boolean;
  readonly queryPairs: RequestTarget["queryPairs"];
}

const maxSkewMs = 15 * 60 * 1000;
const maxPresignSeconds = 7 * 24 * 3600;

/** Milliseconds since the epoch of `YYYYMMDDTHHMMSSZ`, or NaN. */
function parseAmzDate(text: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return Number.NaN;
  const [year, month, day, hour, minute, second] = match.slice(1);
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

function headerClaim(headers: ReadonlyMap<string, string>, target: RequestTarget): Claim {
  const text = headers.get("authorization") ?? "";
  const match =
    /^AWS4-HMAC-SHA256 +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]{64})$/.exec(
      text,
    );
  if (match === null) {
    throw new S3Error(text === "" ? "AccessDenied" : "AuthorizationHeaderMalformed");
  }
  const payloadHash = headers.get("x-amz-content-sha256");
  if (payloadHash === undefined) {
    throw new S3Error("InvalidRequest", {
      message: "Missing required header for this request: x-amz-content-sha256",
    });
  }
  return {
    credential: match[1] ?? "",
    signedHeaders: (match[2] ?? "").split(";"),
    signature: match[3] ?? "",
    amzDate: headers.get("x-amz-date") ?? "",
    payloadHash,
    presigned: false,
    queryPairs: target.queryPairs,
  };
}

function presignedClaim(
  headers: ReadonlyMap<string, string>,
  target: RequestTarget,
  nowMs: number,
): Claim {
  const query = new Map(target.queryPairs);
  const get = (name: string): string => {
    const value = query.get(name);
    if (value === undefined) throw new S3Error("AuthorizationQueryParametersError");
    return value;
  };
  const amzDate = get("X-Amz-Date");
  const expires = Number(get("X-Amz-Expires"));
  if (
    get("X-Amz-Algorithm") !== "AWS4-HMAC-SHA256" ||
    !Number.isInteger(expires) ||
    expires < 1 ||
    expires > maxPresignSeconds
  ) {
    throw new S3Error("AuthorizationQueryParametersError");
  }
  if (nowMs > parseAmzDate(amzDate) + expires * 1000) {
    throw new S3Error("AccessDenied", { message: "Request has expired" });
  }
  return {
    credential: get("X-Amz-Credential"),
    signedHeaders: get("X-Amz-SignedHeaders").split(";"),
    signature: get("X-Amz-Signature"),
    amzDate,
    payloadHash:
      headers.get("x-amz-content-sha256") ??
      query.get("X-Amz-Content-Sha256") ??
      "UNSIGNED-PAYLOAD",
    presigned: true,
    queryPairs: target.queryPairs.filter(([name]) => name !== "X-Amz-Signature"),
  };
}

function parseCredential(claim: Claim, account: Account): Scope {
  const parts = claim.credential.split("/");
  const [accessKeyId, date, region, service, terminator] = parts;
  const malformed = claim.presigned
    ? "AuthorizationQueryParametersError"
    : "AuthorizationHeaderMalformed";
  if (date === undefined || region === undefined || parts.length !== 5) {
    throw new S3Error(malformed, { message: "The credential must have five parts" });
  }
  if (accessKeyId !== account.accessKeyId) {
    throw new S3Error("InvalidAccessKeyId", { elements: { AWSAccessKeyId: accessKeyId ?? "" } });
  }
  if (region !== account.region) {
    throw new S3Error(malformed, {
      message: `The region '${region}' is wrong; expecting '${account.region}'`,
      elements: { Region: account.region },
    });
  }
  if (service !== "s3" || terminator !== "aws4_request" || !claim.amzDate.startsWith(date)) {
    throw new S3Error(malformed, { message: "The credential scope does not fit the request" });
  }
  return { date, region };
}

/** S3 refuses `x-amz-*` headers that the signature does not cover. */
function refuseUnsignedHeaders(claim: Claim, headers: ReadonlyMap<string, string>): void {
  const unsigned = [...headers.keys()].filter(
    (name) =>
      (name === "host" || name.startsWith("x-amz-")) &&
      name !== "x-amz-content-sha256" &&
      !claim.signedHeaders.includes(name),
  );
  if (unsigned.length === 0) return;
  throw new S3Error("AccessDenied", {
    message: "There were headers present in the request which were not signed",
    elements: { HeadersNotSigned: unsigned.join(", ") },
  });
}

/**
 * Verifies the Signature Version 4 of a request, in the Authorization header or presigned in the query.
 * @throws {S3Error} AccessDenied, SignatureDoesNotMatch, InvalidAccessKeyId, RequestTimeTooSkewed and the malformed ones.
 */
export function authenticate(
  request: {
    readonly method: string;
    readonly target: RequestTarget;
    readonly headers: ReadonlyMap<string, string>;
  },
  account: Account,
  nowMs: number,
): Authenticated {
  const { headers, target, method } = request;
  const presigned = target.queryPairs.some(([name]) => name === "X-Amz-Signature");
  const claim = presigned ? presignedClaim(headers, target, nowMs) : headerClaim(headers, target);
  const scope = parseCredential(claim, account);
  if (
    headers.has("x-amz-security-token") ||
    new Map(target.queryPairs).has("X-Amz-Security-Token")
  ) {
    throw new S3Error("InvalidToken");
  }
  const skewMs = nowMs - parseAmzDate(claim.amzDate);
  if (Number.isNaN(skewMs) || skewMs < -maxSkewMs || (!presigned && skewMs > maxSkewMs)) {
    throw new S3Error(Number.isNaN(skewMs) ? "AccessDenied" : "RequestTimeTooSkewed");
  }
  refuseUnsignedHeaders(claim, headers);
  const key = signingKey(account.secretAccessKey, scope);
  const canonical = canonicalRequest({
    method,
    path: decodeUri(target.rawPath),
    queryPairs: claim.queryPairs,
    signedHeaders: claim.signedHeaders,
    header: (name) => headers.get(name) ?? "",
    payloadHash: claim.payloadHash,
  });
  const expected = sign(key, stringToSign(claim.amzDate, scope, canonical));
  if (!sameText(expected, claim.signature)) {
    throw new S3Error("SignatureDoesNotMatch", {
      elements: { AWSAccessKeyId: account.accessKeyId, CanonicalRequest: canonical },
    });
  }
  return {
    payloadHash: claim.payloadHash,
    signature: claim.signature,
    amzDate: claim.amzDate,
    scope,
    key,
  };
}

/** Compares two signatures in constant time. */
export function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
