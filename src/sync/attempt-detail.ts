import type { Attempt } from "../cache/journal.ts";
import type { ObjectHeaders } from "../s3/object-store.ts";

/** What the engine keeps with an attempt beyond the journal's own columns, as JSON. */
export interface AttemptDetail {
  /** The mark in the object's user metadata. */
  readonly mark: string;
  /** The inode's change attribute when it was frozen. */
  readonly change: number;
  /** The newest cache file that the frozen moment may refer to. */
  readonly generation: number;
  readonly frozenMs: number;
  /** What is sent as the object's headers, the mark included. */
  readonly headers: ObjectHeaders;
  /** Nothing that changes the key was sent: the record is only there until its multipart upload is aborted. */
  readonly isOver?: true;
  /** A multipart upload may have been begun, and its id is not known (yet). */
  readonly isCreating?: true;
}

/** The text to keep. */
export function formatDetail(detail: AttemptDetail): string {
  return JSON.stringify(detail);
}

/** Reads what {@link formatDetail} wrote. @throws {Error} when the attempt carries none. */
export function detailOf(attempt: Attempt): AttemptDetail {
  if (attempt.detail === undefined) throw new Error(`Attempt ${attempt.id} has no detail`);
  return JSON.parse(attempt.detail) as AttemptDetail;
}
