import type { CredentialsFile, VolumeSpec } from "../control/volume-spec.ts";

/**
 * Why a volume server cannot be had: `denied`, `unauthenticated`, `noSuchBucket` and `unavailable` are S3's
 * answers to the server's first requests · `exhausted` the node has no room for another server · `identity` the
 * node knows the handle with another bucket, prefix or endpoint · `elsewhere` another node has the single-node volume · `supervisor` the supervisor itself does not
 * answer or failed.
 */
export type VolumeServerErrorCode =
  | "denied"
  | "unauthenticated"
  | "noSuchBucket"
  | "unavailable"
  | "exhausted"
  | "identity"
  | "elsewhere"
  | "supervisor";

/** A failure of the supervisor or of a server, with its cause in words for the CO. */
export class VolumeServerError extends Error {
  readonly code: VolumeServerErrorCode;
  constructor(
    code: VolumeServerErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
    this.name = "VolumeServerError";
    this.code = code;
  }
}

/** Data that is on this node and not yet in S3. */
export interface Pending {
  readonly pendingBytes: number;
  /** Age of the oldest change; 0 when nothing is pending. */
  readonly oldestPendingMs: number;
}

/** Whether something is not in S3 yet: data, or changes without bytes such as renames and deletions. */
export function isPending(pending: Pending): boolean {
  return pending.pendingBytes > 0 || pending.oldestPendingMs > 0;
}

/** Counters of a volume server; answering them walks nothing. */
export interface VolumeUsageCounters extends Pending {
  /** 0: the claim set no capacity. */
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly usedInodes: number;
}

/**
 * The node's volume servers as the CSI node service needs them; `cli` adapts the supervisor's control socket.
 * Every method is idempotent, @throws {VolumeServerError}, and rejects when the signal aborts.
 */
export interface VolumeServers {
  /**
   * Makes sure that a server of this volume runs, has reached its bucket, where this node's record stands, and accepts
   * connections in its private network namespace. Absent credentials mean the driver's own.
   */
  start(
    volume: { readonly spec: VolumeSpec; readonly credentials: CredentialsFile | undefined },
    signal: AbortSignal,
  ): Promise<{
    /** Path of the network namespace's pin. */
    readonly pin: string;
    /** Other nodes that have the volume staged; absent: not known. */
    readonly sharedWith?: readonly string[];
  }>;
  /** Exports what is pending, for at most `timeoutMs`; undefined when no server of the volume runs. */
  flush(volumeId: string, timeoutMs: number, signal: AbortSignal): Promise<Pending | undefined>;
  /** Undefined when no server of the volume runs. */
  usage(volumeId: string, signal: AbortSignal): Promise<VolumeUsageCounters | undefined>;
  /**
   * Replaces the groups whose members count as members of every object's group; the first is shown. They hold over
   * restarts of the server.
   */
  setGroups(volumeId: string, gids: readonly number[], signal: AbortSignal): Promise<void>;
  /**
   * Withdraws this node's record of the volume, which is to be stopped; false while something is pending. True, too, when
   * no server runs.
   */
  leave(volumeId: string, signal: AbortSignal): Promise<boolean>;
  /** Ends the server and its namespace. State with pending data stays on the node's disk. */
  stop(volumeId: string, signal: AbortSignal): Promise<void>;
  /** Whether the supervisor answers. */
  isReachable(): Promise<boolean>;
}
