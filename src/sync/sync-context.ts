import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { WritesInFlight } from "../cache/in-flight.ts";
import type { InodeRow } from "../cache/inodes.ts";
import { rootInode, type VolumeState } from "../cache/volume-state.ts";
import { allHonoured, type StoreAbilities } from "../probe/abilities.ts";
import { type ObjectKey, type ObjectStore, objectKey } from "../s3/object-store.ts";
import type { InodeNumber, Timespec } from "../vfs/attributes.ts";
import { FsError } from "../vfs/error.ts";
import type { FileName } from "../vfs/name.ts";
import { KeyedLocks } from "./keyed-locks.ts";
import type { SyncDependencies, SyncOptions } from "./options.ts";
import { TouchedKeys } from "./touched-keys.ts";

/** What the parts of the engine share: its dependencies, the locks of inodes, and a few lookups of path and key. */
export class SyncContext {
  readonly options: SyncOptions;
  readonly state: VolumeState;
  readonly store: ObjectStore;
  readonly writes: WritesInFlight;
  readonly clock: Clock;
  readonly log: Log;
  readonly failpoint: (name: string) => void;
  /** What the store was shown to do. Conditions are the store's own affair: see `CautiousObjectStore`. */
  readonly abilities: () => StoreAbilities;
  /** Who the store says has begun our uploads, where that is known. */
  readonly initiator: () => string | undefined;
  /**
   * Held by whatever changes where an inode's object is: an export, the settling of an attempt, a detachment from
   * a base. Nobody who holds one waits for another, but for {@link keyLocks}.
   */
  readonly locks = new KeyedLocks<InodeNumber>();
  /** Held from the freeze to the record of a request that changes the key. The last lock to be taken. */
  readonly keyLocks = new KeyedLocks<ObjectKey>();
  readonly touched = new TouchedKeys();
  readonly #stopping = new AbortController();
  readonly #work = new Set<Promise<unknown>>();
  #drop: ((inode: InodeNumber) => void) | undefined;

  constructor(options: SyncOptions, deps: SyncDependencies) {
    this.options = options;
    this.state = deps.state;
    this.store = deps.store;
    this.writes = deps.writes;
    this.clock = deps.clock;
    this.log = deps.log.with({ component: "sync", volume: options.volumeId });
    this.failpoint = deps.failpoint ?? (() => {});
    this.initiator = deps.initiator ?? (() => undefined);
    this.abilities = deps.abilities ?? (() => allHonoured);
  }

  /** Aborted when the engine stops; every request to S3 carries it. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Makes {@link signal} aborted. */
  abort(): void {
    // What waits in the file system is to be asked again, of the next server.
    this.#stopping.abort(new FsError("DELAY", "The sync engine is stopping"));
  }

  nowMs(): number {
    return Number(this.clock.nowNs() / 1_000_000n);
  }

  now(): Timespec {
    const ns = this.clock.nowNs();
    return { seconds: Number(ns / 1_000_000_000n), nanoseconds: Number(ns % 1_000_000_000n) };
  }

  /** Counts `work` among what {@link settled} waits for, and returns it. */
  track<T>(work: Promise<T>): Promise<T> {
    this.#work.add(work);
    const done = (): void => {
      this.#work.delete(work);
    };
    work.then(done, done);
    return work;
  }

  /** Resolves when all tracked work has ended. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.allSettled(this.#work);
  }

  /** `revalidateAfterMs`, at least 250 ms: a suspended operation asks again soon after the answer came. */
  get freshMs(): number {
    return Math.max(250, this.options.revalidateAfterMs);
  }

  /** One transaction of the database. */
  transaction<T>(run: () => T): T {
    return this.state.db.transaction(run);
  }

  /** Says, in a transaction, that something of it is to be exported. */
  changed(): void {
    this.state.db.afterCommit(() => this.onChanged());
  }

  /** Called for {@link changed}. */
  onChanged: () => void = () => {};

  /** Reads the record of a file with several names again: another node may have moved its object. */
  recheckLinks: (inode: InodeNumber) => Promise<void> = () => Promise.resolve();

  /** See `Synchroniser.whenUnlinked`. */
  whenUnlinked(drop: (inode: InodeNumber) => void): void {
    this.#drop = drop;
  }

  /** Leaves a file without a name to whoever holds it, else drops it. Inside {@link transaction}. */
  unlinked(inode: InodeNumber): void {
    if (this.#drop !== undefined) {
      this.#drop(inode);
      return;
    }
    const { state } = this;
    const row = state.inodes.get(inode);
    const generations = state.extents.usedGenerations(inode);
    if (row !== undefined) generations.add(row.writeGeneration).add(row.fetchGeneration);
    state.extents.dropAll(inode);
    state.extents.thaw(inode);
    state.inodes.delete(inode);
    state.removeUnusedFiles(inode, generations);
  }

  /** Key prefix of what is below a directory; undefined when it has no place at S3. */
  directoryPrefix(directory: InodeNumber): string | undefined {
    return directory === rootInode ? this.state.prefix : this.state.keyOf(directory, true);
  }

  /** The key that the inode's object belongs under now; undefined when it has no place at S3. */
  keyOf(row: InodeRow): ObjectKey | undefined {
    if (row.id === rootInode) {
      return this.state.prefix === "" ? undefined : objectKey(this.state.prefix);
    }
    return row.links === 0 ? undefined : this.state.keyOf(row.id, row.type === "directory");
  }

  /** The inode whose object a key of this volume stands for now, or undefined: a file's further names stand for none. */
  inodeAt(key: ObjectKey): InodeRow | undefined {
    if (!key.startsWith(this.state.prefix)) return undefined;
    const isDirectory = key.endsWith("/");
    const path = key.slice(this.state.prefix.length, isDirectory ? -1 : undefined);
    let at: InodeNumber = rootInode;
    for (const part of path.split("/")) {
      const entry = this.state.entries.get(at, part as FileName);
      if (entry === undefined || entry.isLink) return undefined;
      at = entry.inode;
    }
    const row = this.state.inodes.get(at);
    return row !== undefined && (row.type === "directory") === isDirectory ? row : undefined;
  }

  /** Whether a request that changes this inode's object may be under way or unsettled. */
  hasLiveAttempt(inode: InodeNumber): boolean {
    return this.state.journal.ofInode(inode).some(({ state }) => state !== "superseded");
  }

  /** Whether the file is as S3 had it: a change there may be taken over as it is. */
  isClean(row: InodeRow): boolean {
    return row.dirty === 0 && !this.hasLiveAttempt(row.id);
  }

  /** Bytes of `[0, size)` that are known nowhere but in the base object. */
  absentRanges(row: InodeRow): { readonly start: number; readonly end: number }[] {
    const end = Math.min(row.sizeBytes, row.baseSizeBytes);
    return this.state.extents
      .segments(row.id, 0, end)
      .filter((segment) => segment.kind === "absent");
  }
}
