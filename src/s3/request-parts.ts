import { parseEtag } from "./object-headers.ts";
import type {
  Condition,
  NotFound,
  PreconditionFailed,
  RequestOptions,
  Stored,
} from "./object-store.ts";
import { type Failure, isMissingKey, isPreconditionFailure } from "./outcome.ts";
import type { HttpAnswer } from "./transport.ts";

/** The signal of the caller's options, where it gave one. */
export function signalOf(options: RequestOptions | undefined): { readonly signal?: AbortSignal } {
  return options?.signal === undefined ? {} : { signal: options.signal };
}

/** A condition on the destination as headers. */
export function conditionHeaders(condition: Condition): Record<string, string> {
  if (condition === "any") return {};
  return condition === "absent" ? { "if-none-match": "*" } : { "if-match": condition };
}

/** A body's CRC32 as a header. */
export function checksumHeaders(crc32: string | undefined): Record<string, string> {
  return crc32 === undefined ? {} : { "x-amz-checksum-crc32": crc32 };
}

/** The outcome of a successful write; undefined without an ETag in headers or document. */
export function storedFrom(
  answer: HttpAnswer,
  documentEtag: string | undefined,
): Stored | undefined {
  const etag = documentEtag ?? answer.headers["etag"];
  if (etag === undefined || etag === "") return undefined;
  const versionId = answer.headers["x-amz-version-id"];
  return {
    kind: "stored",
    etag: parseEtag(etag),
    ...(versionId === undefined || versionId === "null" ? {} : { versionId }),
  };
}

/** What a failed copy means to the caller, who chooses; undefined when it is an error. */
export function failedCopy(failure: Failure): PreconditionFailed | NotFound | undefined {
  if (isMissingKey(failure)) return { kind: "notFound" };
  return isPreconditionFailure(failure, false) ? { kind: "preconditionFailed" } : undefined;
}
