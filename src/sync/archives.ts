import type { InodeRow } from "../cache/inodes.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { FsError } from "../vfs/error.ts";
import { toFsError } from "./fs-error.ts";
import type { SyncContext } from "./sync-context.ts";

/** Storage classes that must be restored before they are read. Others can have archived objects too: HEAD says so. */
const coldClasses: readonly (string | undefined)[] = ["GLACIER", "DEEP_ARCHIVE"];
/** How long a restored copy is asked for. */
const restoreDays = 7;
/** How often S3 is asked whether a restore has ended, whoever waits for it. */
const askEveryMs = 10_000;
/** How long an answer that the object can be read is believed. */
const readableForMs = 3_600_000;

interface Known {
  readonly etag: string;
  readonly isReadable: boolean;
  readonly untilMs: number;
}

/** Opens of files whose objects are archived: an error at once, or the restore of a readable copy. */
export class Archives {
  readonly #context: SyncContext;
  readonly #known = new Map<InodeNumber, Known>();
  readonly #reported = new Set<string>();

  constructor(context: SyncContext) {
    this.#context = context;
  }

  /**
   * See `Synchroniser.archiveReady`: undefined when nothing of the file is in an archive. Rejects with `FsError`: ACCESS
   * for an archived object, DELAY while it is being restored.
   */
  ready(inode: InodeNumber): Promise<void> | undefined {
    const context = this.#context;
    const row = context.state.inodes.get(inode);
    if (row?.type !== "file" || row.remote === undefined) return undefined;
    const { archived, storageClass } = row.headers ?? {};
    if (archived !== true && !coldClasses.includes(storageClass)) return undefined;
    if (context.absentRanges(row).length === 0) return undefined;
    const { key, etag } = row.remote;
    const known = this.#known.get(inode);
    if (known?.etag === etag && context.nowMs() < known.untilMs) {
      if (known.isReadable) return undefined;
      return Promise.reject(this.#refusal(row, key));
    }
    return context.track(
      Promise.resolve()
        .then(() => this.#ask(row, key))
        .catch((error: unknown) => {
          throw toFsError(error, `Opening inode ${inode}, whose object ${key} may be archived`);
        }),
    );
  }

  async #ask(row: InodeRow, key: ObjectKey): Promise<void> {
    const { store, signal, options } = this.#context;
    const head = await store.head(key, { signal });
    if (head.kind === "notFound" || head.etag !== row.remote?.etag) {
      // Reading will find out.
      this.#learn(row, { isReadable: true, forMs: this.#context.freshMs });
      return;
    }
    if (head.archived !== true) {
      this.#learn(row, { isReadable: true, forMs: readableForMs });
      return;
    }
    const fields = { inode: row.id, key, storageClass: head.storageClass };
    if (options.archivedObjects === "restore") {
      const answer = await store.restore(key, restoreDays, { signal });
      if (answer.kind === "ready") {
        this.#learn(row, { isReadable: true, forMs: readableForMs });
        return;
      }
      this.#report("An archived object is being restored: its readers wait", fields);
    } else {
      this.#report("An archived object cannot be opened: it has to be restored first", fields);
    }
    this.#learn(row, { isReadable: false, forMs: askEveryMs });
    throw this.#refusal(row, key);
  }

  #refusal({ id }: InodeRow, key: ObjectKey): FsError {
    return this.#context.options.archivedObjects === "restore"
      ? new FsError("DELAY", `The object ${key} of inode ${id} is being restored`)
      : new FsError("ACCESS", `The object ${key} of inode ${id} is archived: restore it first`);
  }

  #learn(row: InodeRow, { isReadable, forMs }: { isReadable: boolean; forMs: number }): void {
    if (this.#known.size > 10_000) this.#known.clear();
    const untilMs = this.#context.nowMs() + forMs;
    this.#known.set(row.id, { etag: row.remote?.etag ?? "", isReadable, untilMs });
  }

  /** Once for each object. */
  #report(message: string, fields: { readonly key: ObjectKey; readonly inode: InodeNumber }): void {
    const { log, options } = this.#context;
    const subject = `${message} ${fields.key}`;
    if (this.#reported.has(subject)) return;
    if (this.#reported.size > 10_000) this.#reported.clear();
    this.#reported.add(subject);
    log.warn(message, { ...fields, archivedObjects: options.archivedObjects ?? "show" });
  }
}
