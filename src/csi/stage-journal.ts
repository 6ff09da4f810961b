import type { VolumeSpec } from "../control/volume-spec.ts";
import type { ObjectReference } from "../kubernetes/events.ts";
import type { AccessMode } from "./capability.ts";
import type { VolumeId } from "./volume-id.ts";

/** One target path of a staged volume. */
export interface Publication {
  /** As the CO names it; the mount point after symbolic links is in mountinfo. */
  readonly targetPath: string;
  readonly readOnly: boolean;
  readonly accessMode: AccessMode;
  readonly vfsFlags: readonly string[];
  /** The pod's `fsGroup`. */
  readonly mountGroup?: number;
  readonly pod?: ObjectReference;
}

/**
 * What the node plugin did, or was about to do, for a volume: written and synced before the action, so that
 * Unstage and Unpublish, which get neither context nor secrets, work after any crash. Holds no secret.
 * Format 1; a reader refuses a higher number, fields are only ever added.
 */
export interface StageRecord {
  readonly format: 1;
  readonly volumeId: VolumeId;
  readonly stagingPath: string;
  /** Whether Stage finished once. */
  readonly state: "staging" | "staged";
  readonly spec: VolumeSpec;
  readonly accessMode: AccessMode;
  readonly vfsFlags: readonly string[];
  readonly nfsOptions: readonly string[];
  /** Whose keys the server has; those of a Secret are gone with the machine's memory. Absent: not known. */
  readonly authenticationSource?: "driver" | "secret";
  readonly unpublishFlushTimeoutMs: number;
  readonly unstageFlushTimeoutMs: number;
  /** When the first Unstage began to wait for pending data: milliseconds since the epoch. */
  readonly unstageBeganMs?: number;
  readonly publications: readonly Publication[];
  /** Claim and volume in the cluster, for events. */
  readonly references?: readonly ObjectReference[];
  /** Other nodes that had the volume when it was staged here. */
  readonly sharedWith?: readonly string[];
}

/** The groups of the record's pods, the oldest first, each once. */
export function groupsOf({ publications }: Pick<StageRecord, "publications">): number[] {
  return [...new Set(publications.flatMap(({ mountGroup }) => mountGroup ?? []))];
}

/** Durable records by volume. A method's promise resolves when the change is on disk. */
export interface StageJournal {
  /** All records that can be read; what cannot is left out. */
  list(): Promise<readonly StageRecord[]>;
  read(volumeId: string): Promise<StageRecord | undefined>;
  write(record: StageRecord): Promise<void>;
  /** Succeeds when there is none. */
  remove(volumeId: string): Promise<void>;
}
