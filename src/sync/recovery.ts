import type { Attempt } from "../cache/journal.ts";
import { endUnsent } from "./attempts.ts";
import type { SyncContext } from "./sync-context.ts";

/**
 * Puts the journal in order after a crash or a stop. An export of which nothing that changes a key was sent is
 * undone here: the file is still dirty and is frozen anew. One that was sent is left to the export of its file,
 * or to the sweep of the scheduler, which ask S3 about it first; of its frozen layer nothing is needed for that. That
 * sweep also aborts the multipart uploads of what was undone.
 */
export async function recoverJournal(context: SyncContext): Promise<void> {
  const { state } = context;
  const undone: Attempt[] = state.journal.all().filter((attempt) => attempt.state === "frozen");
  const frozen = state.db
    .all("SELECT DISTINCT inode FROM frozen")
    .map((row) => row["inode"] as Attempt["inode"]);
  if (undone.length === 0 && frozen.length === 0) return;
  context.transaction(() => {
    for (const attempt of undone) endUnsent(state.journal, attempt);
    for (const inode of frozen) {
      const generations = state.extents.usedGenerations(inode);
      state.extents.thaw(inode);
      state.removeUnusedFiles(inode, generations);
    }
  });
  await state.db.sync();
}
