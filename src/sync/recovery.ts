import type { Attempt } from "../cache/journal.ts";
import type { SyncContext } from "./sync-context.ts";

/**
 * Puts the journal in order after a crash or a stop. An export of which nothing that changes a key was sent is
 * undone here: the file is still dirty and is frozen anew. One that was sent is left to the export of its file,
 * or to the sweep of the scheduler, which ask S3 about it first; of its frozen layer nothing is needed for that.
 */
export async function recoverJournal(context: SyncContext): Promise<void> {
  const { state } = context;
  const undone: Attempt[] = state.journal.all().filter((attempt) => attempt.state === "frozen");
  const frozen = state.db
    .all("SELECT DISTINCT inode FROM frozen")
    .map((row) => row["inode"] as Attempt["inode"]);
  if (undone.length === 0 && frozen.length === 0) return;
  context.transaction(() => {
    for (const { id } of undone) state.journal.remove(id);
    for (const inode of frozen) {
      const generations = state.extents.usedGenerations(inode);
      state.extents.thaw(inode);
      state.removeUnusedFiles(inode, generations);
    }
  });
  await state.db.sync();
  for (const { key, uploadId, inode } of undone) {
    if (uploadId === undefined) continue;
    const abort = context.store.abortMultipart(key, uploadId, { signal: context.signal });
    context.track(abort).catch((error: unknown) => {
      if (context.signal.aborted) return;
      context.log.warn("Cannot abort a multipart upload", { inode, key, uploadId, error });
    });
  }
}
