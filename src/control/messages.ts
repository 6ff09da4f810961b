import type { CredentialsFile, VolumeSpec } from "./volume-spec.ts";

/** Data that is on this node and not yet in S3. */
export interface Pending {
  readonly pendingBytes: number;
  /** Age of the oldest change; 0 when nothing is pending. */
  readonly oldestPendingMs: number;
}

/** Counters of a volume; answering them walks nothing. `capacityBytes` is 0 when the claim set none. */
export interface VolumeUsage extends Pending {
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly usedInodes: number;
  /** Local versions that S3 has won over since the volume came to this node; absent: an older server. */
  readonly conflicts?: number;
}

/** What a graceful end leaves in a volume's folder; all zero: nothing there that S3 does not have. */
export interface Leftover extends Pending {
  /** Names in lost+found. */
  readonly lostAndFound: number;
  /** Requests to S3 whose outcome is not known yet. */
  readonly unresolved: number;
}

/** Local versions of files that S3 has won over: the oldest 1,000. */
export interface Conflicts {
  /** The name of lost+found at the volume's root. */
  readonly directory: string;
  readonly files: readonly {
    readonly name: string;
    readonly sizeBytes: number;
    /** Milliseconds since the Unix epoch. */
    readonly changedMs: number;
    /** The key that S3 has won; absent, as all that follows, for files that were put there otherwise. */
    readonly key?: string;
    readonly reason?: string;
    readonly atMs?: number;
    /** The version that was edited here; absent: it was a new file. */
    readonly baseEtag?: string;
    /** The version that has won; absent: the object was deleted. */
    readonly wonEtag?: string;
  }[];
}

/** A volume as the supervisor sees it. */
export interface VolumeStatus {
  readonly volumeId: string;
  readonly bucket: string;
  readonly prefix: string;
  /**
   * `starting` a server is being started · `running` · `restarting` it died and waits for its restart ·
   * `stopping` · `stopped` no server runs; what its folder holds waits for the next start.
   */
  readonly state: "starting" | "running" | "restarting" | "stopping" | "stopped";
  readonly pid?: number;
  /** Servers started after the first, since this supervisor knows the volume. */
  readonly restarts: number;
  /** How many of its servers the kernel killed for exceeding their memory limit; absent: none. */
  readonly memoryKills?: number;
  /** The network namespace's pin, while there is one. */
  readonly pin?: string;
  /** Folder of the volume's state on this node. */
  readonly folder: string;
  /** Absent when it is not known, as after a server that was killed and never started again. */
  readonly usage?: VolumeUsage;
  readonly leftover?: Leftover;
  /** Why the last start failed. */
  readonly lastError?: string;
}

/** The requests that the supervisor answers at `<run dir>/supervisor.sock`. */
export interface SupervisorMethods {
  /** Makes sure that a server of the volume runs and has reached its bucket. Idempotent. */
  start: {
    params: { readonly spec: VolumeSpec; readonly credentials: CredentialsFile | null };
    result: {
      readonly pin: string;
      /** Other nodes that have the volume staged now; absent: not known. */
      readonly sharedWith?: readonly string[];
    };
  };
  /**
   * Withdraws this node's record of the volume from its bucket, once nothing is pending: false while something is, null
   * when no server of the volume runs. The volume is to be stopped then. Idempotent.
   */
  leave: { params: { readonly volumeId: string }; result: { readonly left: boolean } | null };
  /** Ends server, listening socket and namespace; state that S3 does not have stays. Idempotent. */
  stop: {
    params: { readonly volumeId: string };
    result: { readonly kept: Leftover | "unknown" | null };
  };
  /** Exports what is pending, for at most `timeoutMs`; null when no server of the volume runs. */
  flush: {
    params: { readonly volumeId: string; readonly timeoutMs: number };
    result: Pending | null;
  };
  usage: { params: { readonly volumeId: string }; result: VolumeUsage | null };
  /** What is in the volume's lost+found; null when no server of the volume runs. */
  lost: { params: { readonly volumeId: string }; result: Conflicts | null };
  /**
   * Replaces the groups whose members count as members of every object's group (fsGroup), the one that is shown first.
   * They hold for the volume's next servers too, until they are replaced.
   */
  groups: {
    params: { readonly volumeId: string; readonly gids: readonly number[] };
    result: Record<string, never>;
  };
  /**
   * A newer supervisor takes over: from now on this one begins nothing, and hands its volumes over by `release`. Not
   * answered; when the connection ends before `handedOver`, this one takes everything back, and after it it waits for
   * the lock.
   */
  standBy: { params: Record<string, never>; result: Record<string, never> };
  /** After `standBy`: ends the volume's server, leaving the rest of it to the successor. Idempotent. */
  release: { params: { readonly digest: string }; result: Record<string, never> };
  /** After `standBy`: everything is handed over; the lock of the run directory is free when this is answered. */
  handedOver: { params: Record<string, never>; result: Record<string, never> };
  /** All volumes, running or left over, without asking their servers. */
  list: {
    params: Record<string, never>;
    result: { readonly volumes: readonly VolumeStatus[] };
  };
  /** All volumes, each with what its server says within a second. */
  status: {
    params: Record<string, never>;
    result: { readonly pid: number; readonly volumes: readonly VolumeStatus[] };
  };
}

/** What a volume server says of itself. */
export interface ServerStatus {
  readonly volumeId: string;
  readonly pid: number;
  /** Whether its bucket has been reached. It serves its mount in any case. */
  readonly ready: boolean;
  /** Digest of the specification it was started with: another one in `volume.json` asks for a restart. */
  readonly specDigest: string;
}

/** The requests that a volume server answers at its own socket. It ends at SIGTERM. */
export interface ServerMethods {
  /**
   * Resolves when the bucket has been reached since the server started, and this node's record of the volume stands
   * there; asks S3 unless it has been.
   */
  ready: {
    params: Record<string, never>;
    result: { readonly sharedWith?: readonly string[] };
  };
  /** As the supervisor's. */
  leave: { params: Record<string, never>; result: { readonly left: boolean } };
  status: { params: Record<string, never>; result: ServerStatus };
  /**
   * Asked of a server that is prepared and does not serve yet: it waits until the volume's lock is free, serves, and
   * answers as `status`. It ends when the request is cancelled before.
   */
  begin: { params: Record<string, never>; result: ServerStatus };
  usage: { params: Record<string, never>; result: VolumeUsage };
  /** As the supervisor's. */
  lost: { params: Record<string, never>; result: Conflicts };
  flush: { params: { readonly timeoutMs: number }; result: Pending };
  /** As the supervisor's; the server keeps them in memory only. */
  groups: { params: { readonly gids: readonly number[] }; result: Record<string, never> };
  /** Begins to end, as at SIGTERM, which does not reach the server of another pod. */
  end: { params: Record<string, never>; result: Record<string, never> };
  /** Counters of the protocol layer, for tests and diagnosis. */
  counters: {
    params: Record<string, never>;
    result: Readonly<Record<string, number>>;
  };
}

/** A set of requests by name: what each is given and what it answers. */
export type Methods<M> = { [K in keyof M]: { params: object; result: unknown } };

/**
 * The protocol's version, exchanged first. A peer speaks all versions from `oldest` on; requests then use the
 * newest that both know. New fields are optional and unknown ones ignored, an unknown request is answered `invalid`
 * and nothing else happens; everything else is a new version.
 */
export const protocolVersion = { newest: 1, oldest: 1 } as const;

/** A line longer than this closes the connection. */
export const maxLineBytes = 1 << 20;

/**
 * One line of JSON in either direction. Connection: each side sends `hello` first, then
 *
 *     client → listener   {"id": 7, "method": "flush", "params": {…}}     a request; ids are the client's
 *     client → listener   {"cancel": 7}                                   nobody waits for 7 any more
 *     listener → client   {"id": 7, "result": {…}}                        or
 *     listener → client   {"id": 7, "error": {"code": "denied", "message": "…"}}
 *
 * Requests of one connection run side by side; answers come in any order. A closed connection cancels its requests.
 */
export type Line =
  | { readonly hello: "s3files"; readonly newest: number; readonly oldest: number }
  | { readonly id: number; readonly method: string; readonly params: object }
  | { readonly cancel: number }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } };
