import { exportKept } from "../cache/lost-and-found.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { Archives } from "./archives.ts";
import { Attempts } from "./attempts.ts";
import { Bases } from "./bases.ts";
import { Conflicts } from "./conflicts.ts";
import { ExportWaits } from "./export-waits.ts";
import { Exporter } from "./exporter.ts";
import { Fence } from "./fence.ts";
import { Fetcher } from "./fetcher.ts";
import { Importer } from "./importer.ts";
import { LinkRecords } from "./link-records.ts";
import type { FlushResult, SyncDependencies, SyncOptions, SyncStatus } from "./options.ts";
import { Prefetcher } from "./prefetcher.ts";
import { Problems } from "./problems.ts";
import { recoverJournal } from "./recovery.ts";
import { Revalidator } from "./revalidator.ts";
import { Scheduler } from "./scheduler.ts";
import { SyncContext } from "./sync-context.ts";
import type { Synchroniser } from "./synchroniser.ts";
import { Tombstones } from "./tombstones.ts";
import { Uploader } from "./uploader.ts";

/**
 * Keeps a volume's state and its bucket one truth, both ways: what S3 lists appears, what changes there is shown,
 * what changes here is exported, and nothing is lost where both changed.
 */
export class SyncEngine implements Synchroniser {
  readonly #context: SyncContext;
  readonly #importer: Importer;
  readonly #revalidator: Revalidator;
  readonly #fetcher: Fetcher;
  readonly #conflicts: Conflicts;
  readonly #problems: Problems;
  readonly #scheduler: Scheduler;
  readonly #prefetcher: Prefetcher;
  readonly #exportWaits: ExportWaits;
  readonly #links: LinkRecords;
  readonly #archives: Archives;

  constructor(options: SyncOptions, deps: SyncDependencies) {
    const context = new SyncContext(options, deps);
    this.#context = context;
    const revalidator = new Revalidator(context);
    const attempts = new Attempts(context, revalidator);
    const fetcher = new Fetcher(context, revalidator, (inode) => this.#baseGone(inode));
    const bases = new Bases(context, fetcher, revalidator);
    const conflicts = new Conflicts(context, { revalidator, attempts, bases });
    const uploader = new Uploader(context);
    const links: LinkRecords = new LinkRecords(context, {
      export: (inode, chain) => exporter.export(inode, chain),
      reach: (key) => this.#importer.reach(key),
      look: (key) => revalidator.look(key),
    });
    this.#links = links;
    context.recheckLinks = (inode) => links.recheck(inode);
    const exporter: Exporter = new Exporter(context, {
      ...{ attempts, bases, conflicts, links, revalidator, uploader },
    });
    const tombstones = new Tombstones(context, {
      bases,
      revalidator,
      export: (inode) => exporter.export(inode),
      links,
    });
    const problems = new Problems(context);
    this.#revalidator = revalidator;
    this.#fetcher = fetcher;
    this.#conflicts = conflicts;
    this.#problems = problems;
    const fence = new Fence(context, deps.fence);
    this.#scheduler = new Scheduler(context, {
      ...{ exporter, tombstones, attempts, problems, fence, links },
    });
    this.#exportWaits = new ExportWaits(context, (inode) => this.#scheduler.exportNow(inode));
    this.#archives = new Archives(context);
    context.onChanged = () => this.#scheduler.changed();
    this.#prefetcher = new Prefetcher(context, fetcher);
    this.#importer = new Importer(
      context,
      {
        imported: (directory) => this.#prefetcher.add(directory),
        buried: () => this.#scheduler.changed(),
      },
      { records: links, revalidator },
    );
  }

  async #baseGone(inode: InodeNumber): Promise<void> {
    using _ = await this.#context.locks.acquire(inode);
    await this.#conflicts.baseGone(inode);
  }

  /**
   * Puts in order what a predecessor left under way and begins to export what is due. Does not wait for S3. To be
   * called after the file system has repaired the state of an earlier boot.
   */
  async start(): Promise<void> {
    const context = this.#context;
    await recoverJournal(context);
    const { state, options } = context;
    context.transaction(() => exportKept(state, options.volumeId, context.nowMs()));
    this.#scheduler.start();
  }

  directoryReady(directory: InodeNumber): Promise<void> | undefined {
    return this.#importer.directoryReady(directory);
  }

  subtreeReady(directory: InodeNumber): Promise<void> | undefined {
    return this.#importer.subtreeReady(directory);
  }

  linksReady(inode: InodeNumber): Promise<void> | undefined {
    return this.#importer.linksReady(inode);
  }

  attributesReady(inodes: readonly InodeNumber[]): Promise<void> | undefined {
    return this.#revalidator.attributesReady(inodes);
  }

  openReady(inode: InodeNumber): Promise<void> | undefined {
    return this.#revalidator.openReady(inode);
  }

  archiveReady(inode: InodeNumber): Promise<void> | undefined {
    return this.#archives.ready(inode);
  }

  openFresh(inode: InodeNumber): Promise<void> | undefined {
    return this.#revalidator.openFresh(inode);
  }

  exported(inode: InodeNumber): Promise<void> | undefined {
    return this.#exportWaits.exported(inode);
  }

  fetch(inode: InodeNumber, start: number, end: number): Promise<void> {
    return this.#context.track(this.#fetcher.fetch(inode, start, end));
  }

  readThrough(inode: InodeNumber, start: number, end: number): Promise<Uint8Array> {
    return this.#context.track(this.#fetcher.readThrough(inode, start, end));
  }

  changed(): void {
    this.#scheduler.changed();
  }

  whenUnlinked(drop: (inode: InodeNumber) => void): void {
    this.#context.whenUnlinked(drop);
  }

  spaceWanted(): void {
    this.#scheduler.hurry();
  }

  /**
   * Exports everything that is dirty now, whatever the delays. Resolves also when S3 does not take it, or `signal`
   * is aborted: the result says what is left.
   */
  flush(signal?: AbortSignal): Promise<FlushResult> {
    return this.#scheduler.flush(signal);
  }

  /** Figures of this moment. */
  status(): SyncStatus {
    const { state } = this.#context;
    const pending = state.inodes.pending();
    const records = this.#links.pending();
    const [tombstone] = state.journal.tombstones(Number.MAX_SAFE_INTEGER, 1);
    const since = [pending.oldestMs, records.oldestMs, tombstone?.sinceMs ?? 0];
    const oldest = since.filter((ms) => ms > 0);
    return {
      pendingFiles: pending.files + records.count,
      pendingBytes: pending.bytes,
      pendingDeletions: state.journal.countTombstones(),
      oldestPendingMs:
        oldest.length === 0 ? 0 : Math.max(0, this.#context.nowMs() - Math.min(...oldest)),
      runningExports: this.#scheduler.running,
      conflicts: this.#conflicts.count,
      hiddenKeys: this.#importer.hiddenKeys,
      problems: this.#problems.list(),
    };
  }

  /** Ends all requests under way and starts nothing any more; the state may be closed then. Exports nothing. */
  async stop(): Promise<void> {
    this.#scheduler.stop();
    this.#context.abort();
    await this.#context.settled();
  }
}
