import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { WritesInFlight } from "../cache/in-flight.ts";
import type { InodeRow } from "../cache/inodes.ts";
import type { VolumeState } from "../cache/volume-state.ts";
import type { Synchroniser } from "../sync/synchroniser.ts";
import type { InodeNumber, Timespec } from "../vfs/attributes.ts";
import type { Call, Caller } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import { CacheReads } from "./cache-reads.ts";
import { DataSyncs } from "./data-syncs.ts";
import { MountGroups } from "./mount-groups.ts";
import type { FileSystemDependencies, FileSystemOptions } from "./options.ts";
import { ReadSource } from "./read-source.ts";
import { Space } from "./space.ts";

/** What the operations of one volume's file system share. */
export class Context {
  readonly options: FileSystemOptions;
  readonly state: VolumeState;
  readonly synchroniser: Synchroniser;
  readonly writes: WritesInFlight;
  readonly clock: Clock;
  readonly log: Log;
  /** Uses of inodes, counted by the protocol. */
  readonly holds = new Map<InodeNumber, number>();
  readonly space: Space;
  readonly dataSyncs: DataSyncs;
  readonly source: ReadSource;
  readonly cacheReads: CacheReads;
  readonly groups: MountGroups;
  #changedSoon = false;

  constructor(options: FileSystemOptions, dependencies: FileSystemDependencies) {
    this.options = options;
    this.state = dependencies.state;
    this.synchroniser = dependencies.synchroniser;
    this.writes = dependencies.writes;
    this.clock = dependencies.clock;
    this.log = dependencies.log;
    this.groups = new MountGroups(options);
    this.space = new Space(options, dependencies);
    this.dataSyncs = new DataSyncs(dependencies.state, dependencies.log);
    this.source = new ReadSource(options, dependencies, this.space);
    const { state, clock } = dependencies;
    this.cacheReads = new CacheReads(state.files, clock, options.maxBlockingReadBytes);
  }

  /** The inode's row, a copy. @throws {FsError} STALE when it is gone. */
  row(inode: InodeNumber): InodeRow {
    const row = this.state.inodes.get(inode);
    if (row === undefined) throw new FsError("STALE", `Inode ${inode} is gone`);
    return row;
  }

  /** @throws {FsError} STALE when the inode is gone. */
  requireInode(inode: InodeNumber): void {
    if (!this.state.inodes.has(inode)) throw new FsError("STALE", `Inode ${inode} is gone`);
  }

  /** Who asks, as permission checks see it. */
  asker({ caller }: Call): { readonly caller: Caller; readonly groups: MountGroups } {
    return { caller, groups: this.groups };
  }

  /** Makes sure that mode, owner and times are the objects' own, as far as S3 can be asked. May suspend. */
  exact(call: Call, ...rows: readonly InodeRow[]): void {
    const unknown = rows.filter((row) => !row.exact).map((row) => row.id);
    if (unknown.length === 0) return;
    const asked = this.synchroniser.attributesReady(unknown);
    if (asked !== undefined) throw call.suspend(asked, "remote");
  }

  /** The same for attributes that are only to be shown: the volume's defaults may do until the file is used. */
  shown(call: Call, ...rows: readonly InodeRow[]): void {
    if (this.options.showsDefaults !== true) this.exact(call, ...rows);
  }

  /** Suspends while `ready` is a promise. */
  wait(call: Call, ready: Promise<void> | undefined): void {
    if (ready !== undefined) throw call.suspend(ready, "remote");
  }

  /** Begins a change. @throws {FsError} ROFS; IO for ever after a failed sync; what an earlier attempt ended with. */
  beginChange(call: Call): void {
    call.check();
    if (this.options.readOnly) {
      throw new FsError("ROFS", `Volume ${this.options.volumeId} is read-only`);
    }
    this.dataSyncs.check();
    this.space.relieve();
  }

  /** Has the synchroniser told, once after the transaction under way, that there is something for S3. */
  changed(): void {
    if (this.#changedSoon) return;
    this.#changedSoon = true;
    const { db } = this.state;
    if (db.inTransaction) {
      db.afterRollback(() => {
        this.#changedSoon = false;
      });
    }
    db.afterCommit(() => {
      this.#changedSoon = false;
      this.synchroniser.changed();
    });
  }

  /** Milliseconds since the Unix epoch. */
  nowMs(): number {
    return Number(this.clock.nowNs() / 1_000_000n);
  }

  /** The clock that `"now"` means. */
  now(): Timespec {
    const ns = this.clock.nowNs();
    const nanoseconds = Number(((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
    return { seconds: Number((ns - BigInt(nanoseconds)) / 1_000_000_000n), nanoseconds };
  }
}
