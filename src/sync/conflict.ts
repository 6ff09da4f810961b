import type { ETag } from "../s3/object-store.ts";
import type { FileType } from "../vfs/attributes.ts";

/**
 * What is under a key after a request whose outcome is in doubt: `stored` our object · `ours` an object of an
 * earlier request of ours that was given up · `notDone` what was there before · `deleted` nothing, though
 * something was expected · `foreign` somebody else's object.
 */
export type Verdict = "stored" | "ours" | "notDone" | "deleted" | "foreign";

/** Judges by a HEAD alone. `marks` are those of all journalled requests to this key. */
export function judge(facts: {
  readonly head: { readonly etag: ETag; readonly mark: string | undefined } | undefined;
  readonly attempt: { readonly mark: string; readonly expected: ETag | undefined };
  readonly marks: ReadonlySet<string>;
}): Verdict {
  const { head, attempt, marks } = facts;
  if (head === undefined) return attempt.expected === undefined ? "notDone" : "deleted";
  if (head.mark === attempt.mark) return "stored";
  // Before the marks: the expected object may itself be one that had been given up and then taken over.
  if (head.etag === attempt.expected) return "notDone";
  if (head.mark !== undefined && marks.has(head.mark)) return "ours";
  return "foreign";
}

/**
 * What becomes of a file whose key S3 has in another state than we knew. S3 wins the path, and no edit is lost:
 * `recreate` export again, as a new object · `adopt` show S3's version; there was no edit of data ·
 * `remove` the name goes, as it went at S3 · `giveWay` the path shows S3's object, and ours is shown again where it
 * still is at S3 · `lostAndFound` the path shows S3's object, if there is one, and the local version is kept there.
 */
export type Resolution = "recreate" | "adopt" | "remove" | "giveWay" | "lostAndFound";

/** Decides about a conflict. */
export function resolveConflict(facts: {
  readonly verdict: "deleted" | "foreign";
  readonly type: FileType;
  /** The file has data, or exists at all, only here. */
  readonly isEdited: boolean;
  /** The object that the file's unchanged bytes come from is under another key. */
  readonly isMoved: boolean;
  /** Some of the file's bytes are known only in its base object. */
  readonly needsBase: boolean;
}): Resolution {
  const { verdict, type, isEdited, isMoved, needsBase } = facts;
  if (verdict === "deleted") {
    if (isMoved || type === "directory") return "recreate";
    if (!isEdited) return "remove";
    return needsBase ? "lostAndFound" : "recreate";
  }
  if (type === "directory") return "adopt";
  if (isEdited) return "lostAndFound";
  return isMoved ? "giveWay" : "adopt";
}
