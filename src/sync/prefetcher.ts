import type { InodeNumber } from "../vfs/attributes.ts";
import type { Fetcher } from "./fetcher.ts";
import type { SyncContext } from "./sync-context.ts";

/** Files fetched at the same time. */
const parallel = 8;
/** Files taken from the database at once. */
const pageFiles = 256;
/** Share of the disk, and bytes at least, that stay free of what nobody has asked for yet. */
const reserve = { share: 0.05, leastBytes: 128 * 1024 * 1024 };

/**
 * Fetches the small files of directories that were listed for the first time, one directory after the other, as
 * long as the disk has ample room.
 */
export class Prefetcher {
  readonly #context: SyncContext;
  readonly #fetcher: Fetcher;
  readonly #waiting = new Set<InodeNumber>();
  #isRunning = false;

  constructor(context: SyncContext, fetcher: Fetcher) {
    this.#context = context;
    this.#fetcher = fetcher;
  }

  /** Has the small files of a directory fetched some time. */
  add(directory: InodeNumber): void {
    const { options } = this.#context;
    if (options.cacheMode !== "full" || options.importSizeLessThanBytes <= 0) return;
    this.#waiting.add(directory);
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#context.track(this.#run()).catch((error: unknown) => {
      this.#context.log.error("Cannot fetch small files ahead", { inode: directory, error });
    });
  }

  async #run(): Promise<void> {
    try {
      await this.#fetchDirectories();
    } finally {
      this.#isRunning = false;
    }
  }

  async #fetchDirectories(): Promise<void> {
    await Promise.resolve();
    for (const directory of this.#waiting) {
      this.#waiting.delete(directory);
      for (let after = 0; ; ) {
        if (this.#context.signal.aborted) return;
        const page = this.#page(directory, after);
        const last = page.at(-1);
        if (last === undefined) break;
        after = last.cookie;
        const inodes = page.map(({ inode }) => inode).values();
        await Promise.all(Array.from({ length: parallel }, () => this.#fetchAll(inodes)));
      }
    }
  }

  #page(
    directory: InodeNumber,
    after: number,
  ): { readonly cookie: number; readonly inode: InodeNumber }[] {
    const { state, options } = this.#context;
    return state.db
      .all(
        "SELECT entry.cookie AS cookie, inode.id AS id FROM entry JOIN inode ON inode.id = entry.inode " +
          "WHERE entry.dir = ? AND entry.cookie > ? AND inode.type = 0 AND inode.key IS NOT NULL " +
          "AND inode.size > 0 AND inode.size < ? ORDER BY entry.cookie LIMIT ?",
        directory,
        after,
        options.importSizeLessThanBytes,
        pageFiles,
      )
      .map((row) => ({ cookie: row["cookie"] as number, inode: row["id"] as InodeNumber }));
  }

  async #fetchAll(inodes: Iterator<InodeNumber>): Promise<void> {
    const { signal, log } = this.#context;
    for (let next = inodes.next(); next.done !== true; next = inodes.next()) {
      if (signal.aborted || !this.#hasRoom()) return;
      try {
        await this.#fetcher.fetchWhole(next.value, { keep: false });
      } catch (error) {
        log.debug("Cannot fetch a small file ahead", { inode: next.value, error });
      }
    }
  }

  #hasRoom(): boolean {
    const { freeBytes, totalBytes } = this.#context.state.files.diskSpace();
    return freeBytes >= Math.max(reserve.leastBytes, totalBytes * reserve.share);
  }
}
