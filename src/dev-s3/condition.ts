import { S3Error } from "./error.ts";
import { parseHttpDate } from "./http-date.ts";

/** What conditions are checked against; times count whole seconds. */
export interface Validators {
  readonly etag: string;
  readonly lastModifiedMs: number;
}

/** The four conditions of a read, as sent. */
interface ReadConditions {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: number | undefined;
  readonly ifUnmodifiedSince: number | undefined;
}

/** Whether a list of ETags, with or without quotes, names `etag`. */
function matches(list: string, etag: string): boolean {
  const bare = (text: string) => text.trim().replace(/^"(.*)"$/, "$1");
  return list.split(",").some((one) => one.trim() === "*" || bare(one) === bare(etag));
}

function readConditions(headers: ReadonlyMap<string, string>, prefix: string): ReadConditions {
  return {
    ifMatch: headers.get(`${prefix}if-match`),
    ifNoneMatch: headers.get(`${prefix}if-none-match`),
    ifModifiedSince: parseHttpDate(headers.get(`${prefix}if-modified-since`)),
    ifUnmodifiedSince: parseHttpDate(headers.get(`${prefix}if-unmodified-since`)),
  };
}

/** A condition on an ETag overrides the one on a date (RFC 9110 §13.2.2, S3's table for GetObject). */
function evaluate(conditions: ReadConditions, object: Validators) {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, object.etag)) return "If-Match";
  } else if (ifUnmodifiedSince !== undefined && object.lastModifiedMs > ifUnmodifiedSince) {
    return "If-Unmodified-Since";
  }
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, object.etag)) return "If-None-Match";
  } else if (ifModifiedSince !== undefined && object.lastModifiedMs <= ifModifiedSince) {
    return "If-Modified-Since";
  }
  return undefined;
}

function failed(condition: string): S3Error {
  return new S3Error("PreconditionFailed", { elements: { Condition: condition } });
}

/**
 * Checks the conditions of a GET or HEAD.
 * @throws {S3Error} PreconditionFailed.
 */
export function checkRead(
  headers: ReadonlyMap<string, string>,
  object: Validators,
): "send" | "notModified" {
  const broken = evaluate(readConditions(headers, ""), object);
  if (broken === "If-Match" || broken === "If-Unmodified-Since") throw failed(broken);
  return broken === undefined ? "send" : "notModified";
}

/** Checks the `x-amz-copy-source-if-*` conditions. @throws {S3Error} PreconditionFailed. */
export function checkCopySource(headers: ReadonlyMap<string, string>, source: Validators): void {
  const broken = evaluate(readConditions(headers, "x-amz-copy-source-"), source);
  if (broken !== undefined) throw failed(`x-amz-copy-source-${broken}`);
}

/** The condition of a write on what is there now. */
export type WriteCondition =
  | { readonly kind: "none" }
  | { readonly kind: "absent" }
  | { readonly kind: "match"; readonly etags: string };

/** The condition in a write's headers. @throws {S3Error} NotImplemented for what S3 does not take, InvalidRequest. */
export function writeCondition(headers: ReadonlyMap<string, string>): WriteCondition {
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== "*") {
    throw new S3Error("NotImplemented", { elements: { Header: "If-None-Match" } });
  }
  if (ifNoneMatch !== undefined && ifMatch !== undefined) {
    throw new S3Error("InvalidRequest", {
      message: "If-Match and If-None-Match cannot be used together",
    });
  }
  if (ifNoneMatch !== undefined) return { kind: "absent" };
  return ifMatch === undefined ? { kind: "none" } : { kind: "match", etags: ifMatch };
}

/**
 * Checks a write's condition; `current` is undefined when the key is missing or deleted.
 * `deletedMeanwhile`: the key was deleted after this request began.
 * @throws {S3Error} PreconditionFailed; NoSuchKey for If-Match without an object; ConditionalRequestConflict.
 */
export function checkWrite(
  condition: WriteCondition,
  current: Validators | undefined,
  deletedMeanwhile: boolean,
): void {
  switch (condition.kind) {
    case "none":
      return;
    case "absent":
      if (current !== undefined) throw failed("If-None-Match");
      // S3 user guide, "Conditional requests": a delete that wins the race makes a conditional write a conflict.
      if (deletedMeanwhile) throw new S3Error("ConditionalRequestConflict");
      return;
    case "match":
      if (current === undefined) throw new S3Error("NoSuchKey");
      if (!matches(condition.etags, current.etag)) throw failed("If-Match");
      return;
  }
}
