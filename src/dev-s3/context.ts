import type { Catalog } from "./catalog.ts";
import type { Gaps } from "./gaps.ts";
import type { ContentVersion, Segment } from "./model.ts";
import type { OperationName } from "./operation-name.ts";
import type { RequestBody } from "./request-body.ts";

/** An authenticated request, parsed. */
export interface S3Request {
  readonly operation: OperationName;
  readonly method: string;
  /** Empty for operations on the service. */
  readonly bucket: string;
  /** Empty for operations on a bucket. */
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: RequestBody;
}

/** The body of an answer; `bytes` holds its segments retained until it is sent or dropped. */
export type ResponseBody =
  | { readonly kind: "none" }
  | { readonly kind: "xml"; readonly text: string }
  | {
      readonly kind: "bytes";
      readonly segments: readonly Segment[];
      readonly offsetBytes: number;
      readonly lengthBytes: number;
    };

/** An answer that has not been sent: a fault may still lose it. */
export interface S3Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ResponseBody;
}

/** What operations work with. */
export interface Context {
  readonly catalog: Catalog;
  readonly region: string;
  readonly ownerId: string;
  /** How long RestoreObject takes. */
  readonly restoreDelayMs: number;
  /** What of AWS's semantics this server lacks. */
  readonly gaps: Gaps;
  /** Now, in milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** A new opaque id: version or upload. */
  readonly newId: () => string;
}

/** Carries out one operation of an authenticated request. @throws {S3Error} what the client is told instead. */
export type Handler = (request: S3Request, context: Context) => Promise<S3Response>;

/** An answer without a body. */
export function emptyResponse(
  status: number,
  headers: Readonly<Record<string, string>> = {},
): S3Response {
  return { status, headers, body: { kind: "none" } };
}

/** An answer with a document. */
export function xmlResponse(
  text: string,
  headers: Readonly<Record<string, string>> = {},
): S3Response {
  return { status: 200, headers, body: { kind: "xml", text } };
}

/** Now as objects carry it: S3 keeps whole seconds. */
export function wholeSecondsMs(context: Context): number {
  return Math.floor(context.nowMs() / 1000) * 1000;
}

/** The header of a version's id: none while the bucket's versioning was never set. */
export function versionHeaders(
  versioning: string,
  version: Pick<ContentVersion, "versionId">,
): Record<string, string> {
  return versioning === "" ? {} : { "x-amz-version-id": version.versionId };
}
