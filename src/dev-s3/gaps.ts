import type { WriteCondition } from "./condition.ts";
import { S3Error } from "./error.ts";

/** What other servers lack, each a switch; `…:refused` answers NotImplemented where the plain name does not care. */
export const gapNames = [
  "put-if-none-match",
  "put-if-match",
  "complete-if-none-match",
  "complete-if-match",
  "copy-if-none-match",
  "copy-if-match",
  "delete-if-match",
  "put-if-none-match:refused",
  "put-if-match:refused",
  "complete-if-none-match:refused",
  "complete-if-match:refused",
  "copy-if-none-match:refused",
  "copy-if-match:refused",
  "delete-if-match:refused",
  /** The condition on the source of CopyObject. */
  "copy-source-if-match",
  /** UploadPartCopy is not implemented. */
  "upload-part-copy",
  /** UploadPartCopy copies the whole object, whatever the range. */
  "upload-part-copy-range",
  "upload-part-copy-if-match",
  /** A body is taken whatever its checksum says. */
  "checksums",
  /** Pages hold their keys in another order. */
  "listing-order",
  "start-after",
  "encoding-type",
  /** Listings know nothing of what was written in the last two seconds. */
  "list-after-write",
] as const;

/** One of {@link gapNames}. */
export type Gap = (typeof gapNames)[number];
/** The gaps that a server has. */
export type Gaps = ReadonlySet<Gap>;

/** How long a listing does not know of a new object while there is the gap `list-after-write`. */
export const unlistedMs = 2_000;

/** Gaps by name. @throws {RangeError} naming one that there is not. */
export function parseGaps(names: Iterable<string>): Gaps {
  const gaps = new Set<Gap>();
  for (const name of names) {
    const gap = gapNames.find((known) => known === name);
    if (gap === undefined) {
      throw new RangeError(`No such gap: '${name}'; there are ${gapNames.join(", ")}`);
    }
    gaps.add(gap);
  }
  return gaps;
}

/** The condition that counts for an operation. @throws {S3Error} NotImplemented */
export function honoured(
  condition: WriteCondition,
  operation: "put" | "complete" | "copy" | "delete",
  gaps: Gaps,
): WriteCondition {
  if (condition.kind === "none") return condition;
  const header = condition.kind === "absent" ? "if-none-match" : "if-match";
  // A delete has one condition only.
  const name = operation === "delete" ? "delete-if-match" : (`${operation}-${header}` as const);
  if (gaps.has(`${name}:refused`)) {
    throw new S3Error("NotImplemented", { elements: { Header: header } });
  }
  return gaps.has(name) ? { kind: "none" } : condition;
}
