import type { Attempt } from "../cache/journal.ts";
import { ObjectStoreError } from "../s3/object-store.ts";
import { detailOf, formatDetail } from "./attempt-detail.ts";
import type { SyncContext } from "./sync-context.ts";

/** An upload is left alone until it is this old. */
const safeAgeMs = 3_600_000;
/** How far the store's clock may be from ours. */
const skewMs = 900_000;
/** From then on whatever a request has begun, however late it arrived, is old enough. */
const dueAfterMs = 2 * safeAgeMs + 2 * skewMs;

/** Says, in a transaction, that an upload is about to be begun whose id nobody may ever hear of. */
export function creating({ journal }: SyncContext["state"], attempt: Attempt): void {
  journal.put({
    ...attempt,
    detail: formatDetail({ ...detailOf(attempt), isCreating: true }),
  });
}

function waiting(context: SyncContext): Attempt[] {
  return context.state.journal
    .all()
    .filter(
      (attempt) =>
        attempt.state === "superseded" &&
        attempt.uploadId === undefined &&
        attempt.detail?.includes('"isCreating"') === true &&
        detailOf(attempt).isCreating === true,
    );
}

/** When the next look for uploads without an owner is due; undefined when there is nothing to look for. */
export function lostUploadsDueMs(context: SyncContext): number | undefined {
  const [first] = waiting(context);
  return first === undefined ? undefined : first.createdMs + dueAfterMs;
}

/**
 * Aborts uploads whose beginning had no answer. One is ours when our journal says that a request began one under just
 * this key at about this time, the store names us as who began it (where it names anybody), no upload that we know
 * has its id, and it has no parts: we never had an id to send any with. So nothing that anybody has sent is lost,
 * whoever it was. Nothing younger than an hour is touched.
 */
export async function abortLostUploads(context: SyncContext): Promise<void> {
  const { state, signal, log } = context;
  const nowMs = context.nowMs();
  for (const attempt of waiting(context)) {
    if (nowMs < attempt.createdMs + dueAfterMs) return;
    try {
      await abortOf(context, attempt, nowMs);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ObjectStoreError)) throw error;
      const { key, inode } = attempt;
      if (error.code === "unavailable") return;
      log.warn("Cannot look for an upload without an owner", { key, inode, error });
    }
    context.transaction(() => state.journal.remove(attempt.id));
  }
}

async function abortOf(context: SyncContext, attempt: Attempt, nowMs: number): Promise<void> {
  const { state, store, signal, log, initiator } = context;
  const { key, inode, createdMs } = attempt;
  for (const upload of await store.listUploads(key, { signal })) {
    const { uploadId, initiatedMs } = upload;
    const own = initiator();
    if (
      upload.key !== key ||
      initiatedMs < createdMs - skewMs ||
      initiatedMs > createdMs + safeAgeMs + skewMs ||
      nowMs - initiatedMs < safeAgeMs - skewMs ||
      (own !== undefined && upload.initiator !== undefined && upload.initiator !== own) ||
      state.journal.ofKey(key).some((other) => other.uploadId === uploadId) ||
      (await store.hasParts(key, uploadId, { signal }))
    ) {
      continue;
    }
    log.info("Aborting an upload whose beginning had no answer", { key, inode, uploadId });
    await store.abortMultipart(key, uploadId, { signal });
  }
}
