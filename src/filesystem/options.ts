import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { WritesInFlight } from "../cache/in-flight.ts";
import type { VolumeState } from "../cache/volume-state.ts";
import type { Synchroniser } from "../sync/synchroniser.ts";

/** What a volume's file system is told by its parameters. */
export interface FileSystemOptions {
  readonly volumeId: string;
  readonly readOnly: boolean;
  /** `full` keeps file data that was read on the disk; `metadata-only` only what S3 does not have yet. */
  readonly cacheMode: "full" | "metadata-only";
  /** Owner, group and permission bits of the root directory and of what is made without a mode. */
  readonly uid: number;
  readonly gid: number;
  readonly fileMode: number;
  readonly dirMode: number;
  /** The claim's capacity, which is enforced; absent: the disk's size is shown and nothing enforced. */
  readonly capacityBytes?: number;
  /** Ceiling of clean data on the disk; absent: none but the disk's. */
  readonly cacheSizeBytes?: number;
  /** Free space that the cache leaves on the disk; absent: the greater of 64 MiB and 1 % of it. */
  readonly minFreeBytes?: number;
  /** How long a write waits for space while S3 takes nothing, in milliseconds; absent: 30,000. */
  readonly spaceWaitMs?: number;
  /** Stable writes and commits wait for S3, and fail as the export does; absent: the node's disk is enough. */
  readonly waitsForS3?: boolean;
  /** S3 is asked at each open whether the file is still the same; absent: by age. */
  readonly revalidatesAtOpen?: boolean;
  /** Attributes that are not known yet are shown as the volume's defaults; permissions are always judged by the real ones. */
  readonly showsDefaults?: boolean;
  /** Clean data is given up when its file was not used for so long, in milliseconds; absent: never. */
  readonly expireAfterMs?: number;
  /** Reads up to this size are tried at once, blocking, while the page cache is warm; absent: 256 KiB. */
  readonly maxBlockingReadBytes?: number;
}

/** What a file system works with. `writes` is shared with the exporter. */
export interface FileSystemDependencies {
  readonly state: VolumeState;
  readonly synchroniser: Synchroniser;
  readonly writes: WritesInFlight;
  readonly clock: Clock;
  readonly log: Log;
}
