import { createHash, createHmac } from "node:crypto";

/** Hexadecimal SHA-256. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Percent-encodes UTF-8 as Signature Version 4 wants it: everything but `A-Za-z0-9-._~`. */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** What is signed of a request. */
export interface CanonicalInput {
  readonly method: string;
  /** The decoded path; S3 neither normalises it nor encodes it twice. */
  readonly path: string;
  readonly queryPairs: readonly (readonly [name: string, value: string])[];
  /** Lower-case names of the signed headers, in order. */
  readonly signedHeaders: readonly string[];
  /** Value of a header, several joined by commas. */
  readonly header: (name: string) => string;
  /** The `x-amz-content-sha256` value. */
  readonly payloadHash: string;
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The canonical request of Signature Version 4 (Amazon S3 API reference, "Create a canonical request"). */
export function canonicalRequest(input: CanonicalInput): string {
  const query = input.queryPairs
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .sort((a, b) => byCodeUnit(a[0], b[0]) || byCodeUnit(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
  const headers = input.signedHeaders.map(
    (name) => `${name}:${input.header(name).trim().replace(/ +/g, " ")}\n`,
  );
  return [
    input.method,
    input.path.split("/").map(uriEncode).join("/"),
    query,
    headers.join(""),
    input.signedHeaders.join(";"),
    input.payloadHash,
  ].join("\n");
}

/** Credential scope without the access key: `date/region/s3/aws4_request`. */
export interface Scope {
  /** YYYYMMDD */
  readonly date: string;
  readonly region: string;
}

/** The scope as it stands in a string to sign. */
export function scopeText(scope: Scope): string {
  return `${scope.date}/${scope.region}/s3/aws4_request`;
}

function hmac(key: string | Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

/** The signing key of a day, a region and a secret. */
export function signingKey(secretAccessKey: string, scope: Scope): Buffer {
  const day = hmac(`AWS4${secretAccessKey}`, scope.date);
  return hmac(hmac(hmac(day, scope.region), "s3"), "aws4_request");
}

/** Hexadecimal signature of a string to sign. */
export function sign(key: Uint8Array, stringToSign: string): string {
  return createHmac("sha256", key).update(stringToSign).digest("hex");
}

/** The string to sign of a request. */
export function stringToSign(amzDate: string, scope: Scope, canonical: string): string {
  return ["AWS4-HMAC-SHA256", amzDate, scopeText(scope), sha256Hex(canonical)].join("\n");
}
