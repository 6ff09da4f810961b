import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { WritesInFlight } from "../cache/in-flight.ts";
import type { VolumeState } from "../cache/volume-state.ts";
import type { ExportFence } from "../handover/export-fence.ts";
import type { StoreAbilities } from "../probe/abilities.ts";
import type { ObjectStore } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";

/** What the engine is told by the volume's parameters; the names are those of the volume's specification. */
export interface SyncOptions {
  readonly volumeId: string;
  readonly cacheMode: "full" | "metadata-only";
  readonly writeBackDelayMs: number;
  readonly writeBackMaxDelayMs: number;
  /** Age from which what was learned from S3 is asked for again; below 250 ms it counts as 250 ms. */
  readonly revalidateAfterMs: number;
  /** Files below this size are fetched when their directory is first listed (cache mode `full` only). */
  readonly importSizeLessThanBytes: number;
  /** Attributes of objects without POSIX metadata. */
  readonly uid: number;
  readonly gid: number;
  readonly fileMode: number;
  readonly dirMode: number;
  readonly trustObjectModes: boolean;
  /** S3's storage class of new objects; absent: the bucket's own. */
  readonly storageClass?: string;
  /** Encryption of objects that have no KMS key of their own; absent: the bucket's own. */
  readonly sse?: string;
  readonly kmsKeyId?: string;
  /** What opening an archived object does; absent: it fails at once. */
  readonly archivedObjects?: "restore";
  /** Files show the volume's defaults until they are used: nobody is asked for their own attributes before. */
  readonly statMetadata?: "listing";
  /** Nothing is exported. */
  readonly readOnly: boolean;
  /** Files exported at the same time; absent: 16. */
  readonly parallelFiles?: number;
  /** Ceiling of upload bodies in memory; absent: 96 MiB. One part is always admitted. */
  readonly uploadMemoryBytes?: number;
  /** A file up to this size is one PUT, and larger ones go in parts of at least it; absent: 8 MiB. */
  readonly partSizeBytes?: number;
  /** The store's smallest part but for the last; absent: 5 MiB. */
  readonly minPartBytes?: number;
}

/** What the engine works with. `writes` is shared with the file system. */
export interface SyncDependencies {
  readonly state: VolumeState;
  readonly store: ObjectStore;
  readonly writes: WritesInFlight;
  readonly clock: Clock;
  readonly log: Log;
  /** What the store was shown to do; absent: all that AWS's does. */
  readonly abilities?: () => StoreAbilities;
  /** Who the store says has begun our multipart uploads. */
  readonly initiator?: () => string | undefined;
  /** Whether this node still has the volume; absent: nobody can take it away. */
  readonly fence?: ExportFence;
  /**
   * Called at points where a crash is worth a test: `sync.frozen` (an export is journalled, nothing sent),
   * `sync.uploaded` (a mutating request succeeded, nothing recorded), `sync.recorded`.
   */
  readonly failpoint?: (name: string) => void;
}

/** A file or tombstone that S3 did not take. */
export interface SyncProblem {
  /** Absent for a deletion. */
  readonly inode?: InodeNumber;
  readonly key?: string;
  readonly message: string;
}

/** What a flush did. */
export interface FlushResult {
  /** Objects written or deleted. */
  readonly files: number;
  readonly bytes: number;
  /** What is still pending, with the reasons that are known. */
  readonly pendingFiles: number;
  readonly pendingBytes: number;
  readonly errors: readonly SyncProblem[];
}

/** Figures of the engine. */
export interface SyncStatus {
  readonly pendingFiles: number;
  readonly pendingBytes: number;
  /** Objects that wait for their deletion. */
  readonly pendingDeletions: number;
  /** Age of the oldest pending change; 0 when nothing is pending. */
  readonly oldestPendingMs: number;
  readonly runningExports: number;
  /** Local versions moved to lost+found since the volume was made. */
  readonly conflicts: number;
  /** Keys that no path can express, as of the latest listings. */
  readonly hiddenKeys: number;
  readonly problems: readonly SyncProblem[];
}
