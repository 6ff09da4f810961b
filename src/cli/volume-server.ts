import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { VolumeDatabase } from "../cache/database.ts";
import { WritesInFlight } from "../cache/in-flight.ts";
import { lostFiles } from "../cache/lost-and-found.ts";
import { lostAndFoundName, rootInode, VolumeState } from "../cache/volume-state.ts";
import { ControlError } from "../control/error.ts";
import type {
  Conflicts,
  Leftover,
  Pending,
  ServerMethods,
  VolumeUsage,
} from "../control/messages.ts";
import type { VolumeSpec } from "../control/volume-spec.ts";
import { createFileSystem, type DiskFileSystem } from "../filesystem/create-file-system.ts";
import { NfsServer } from "../nfs4/nfs-server.ts";
import { NfsCounters } from "../nfs4/observer.ts";
import { CautiousObjectStore } from "../probe/cautious-object-store.ts";
import { type ProbeRecords, StoreKnowledge } from "../probe/store-knowledge.ts";
import { checkBucket } from "../s3/check-bucket.ts";
import type { CredentialsProvider } from "../s3/credentials.ts";
import { S3ObjectStore } from "../s3/s3-object-store.ts";
import { SyncEngine } from "../sync/sync-engine.ts";
import type { FileName } from "../vfs/name.ts";
import { readCertificates } from "./certificates.ts";
import { NodeHold } from "./node-hold.ts";

/** What a volume's server works with. */
export interface VolumeServerDependencies {
  readonly credentials: CredentialsProvider;
  readonly log: Log;
  readonly failpoint?: (name: string) => void;
}

/** What was found out about the store, in the volume's database. */
function probeRecords(db: VolumeDatabase): ProbeRecords {
  const [kind, key] = ["probe", Buffer.from("store")] as const;
  return {
    load: () => {
      const [record] = db.scan(kind);
      return record === undefined ? undefined : Buffer.from(record.value).toString();
    },
    save: (text) => db.transaction(() => db.put(kind, key, Buffer.from(text))),
  };
}

/** Writes between their halves may hold this part of `memoryLimit`. */
const stagedShare = 1 / 4;
/** Bodies of uploads may hold this part of it. */
const uploadShare = 3 / 8;
const checkpointEveryMs = 1_000;
/** A request whose outcome is not known may still take effect within this time. */
const rememberAttemptsMs = 24 * 3_600_000;

/**
 * Everything of one volume in one process: state, S3, engine, file system and protocol. It serves whether or
 * not S3 answers; `ready` says whether the bucket has been reached.
 */
export class VolumeServer {
  readonly #spec: VolumeSpec;
  readonly #log: Log;
  readonly #clock: Clock = systemClock;
  readonly #state: VolumeState;
  readonly #store: S3ObjectStore;
  readonly #knowledge: StoreKnowledge;
  readonly #sync: SyncEngine;
  readonly #fileSystem: DiskFileSystem;
  readonly #nfs: NfsServer;
  readonly #counters = new NfsCounters();
  readonly #listener: Server;
  readonly #hold: NodeHold;
  /** Aborted when the server ends: no request to S3 may keep the process, and thus its lock, alive. */
  readonly #ending = new AbortController();
  #reached: Promise<ServerMethods["ready"]["result"]> | undefined;
  #ready: ServerMethods["ready"]["result"] | undefined;
  #cancelCheckpoint: (() => void) | undefined;
  #operationsBefore = 0;

  /** Opens the state in `folder`. @throws {CacheError} inUse, newerFormat, foreign. */
  constructor(
    options: { readonly folder: string; readonly spec: VolumeSpec },
    dependencies: VolumeServerDependencies,
  ) {
    const { folder, spec } = options;
    const { credentials, log, failpoint } = dependencies;
    const clock = this.#clock;
    this.#spec = spec;
    this.#log = log;
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const state = new VolumeState({
      ...{ folder: join(folder, "state"), prefix: spec.prefix, bootId },
      exportsLostAndFound: spec.lostAndFound === "bucket",
    });
    this.#state = state;
    const { bucket, endpoint, region, forcePathStyle, caBundle, memoryLimitBytes } = spec;
    this.#store = new S3ObjectStore(
      {
        bucket,
        region,
        forcePathStyle,
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(caBundle === undefined ? {} : { caBundle: readCertificates(caBundle) }),
      },
      { credentials, clock, log: log.with({ component: "s3" }) },
    );
    this.#knowledge = new StoreKnowledge(
      {
        place: `${endpoint ?? region} ${bucket}`,
        prefix: spec.prefix,
        id: Buffer.from(state.db.volumeUuid).toString("hex"),
      },
      {
        ...{ store: this.#store, clock, log: log.with({ component: "probe" }) },
        records: probeRecords(state.db),
      },
    );
    const abilities = () => this.#knowledge.abilities;
    const store = new CautiousObjectStore(this.#store, abilities);
    this.#hold = new NodeHold(spec, {
      ...{ store, clock, log: log.with({ component: "handover" }) },
      pending: () => this.#pending(),
    });
    const writes = new WritesInFlight({ maxStagedBytes: memoryLimitBytes * stagedShare });
    this.#sync = new SyncEngine(
      { ...spec, uploadMemoryBytes: Math.round(memoryLimitBytes * uploadShare) },
      {
        ...{ state, store, abilities, writes, clock, log: log.with({ component: "sync" }) },
        initiator: () => this.#knowledge.initiator,
        ...(this.#hold.fence === undefined ? {} : { fence: this.#hold.fence }),
        ...(failpoint === undefined ? {} : { failpoint }),
      },
    );
    const { volumeId, readOnly, cacheMode, uid, gid, fileMode, dirMode } = spec;
    const { capacityBytes, cacheSizeBytes, expireAfterLastAccessMs: expireAfterMs } = spec;
    // The errors of an export at close belong to the last WRITE or COMMIT: clients drop the status of CLOSE.
    const revalidatesAtOpen = spec.consistency === "close-to-open";
    const waitsForS3 = spec.fsyncTo === "s3" || revalidatesAtOpen;
    // One transaction: what an earlier boot left is put in order in files and protocol, or in neither.
    [this.#fileSystem, this.#nfs] = state.db.transaction(() => {
      const fileSystem = createFileSystem(
        {
          ...{ volumeId, readOnly, cacheMode, uid, gid, fileMode, dirMode, cacheSizeBytes },
          ...{ waitsForS3, revalidatesAtOpen, showsDefaults: spec.statMetadata === "listing" },
          ...(expireAfterMs === undefined ? {} : { expireAfterMs }),
          ...(capacityBytes === 0 ? {} : { capacityBytes }),
        },
        {
          ...{ state, synchroniser: this.#sync, writes, clock },
          log: log.with({ component: "filesystem" }),
        },
      );
      const nfs = new NfsServer(
        { observer: this.#counters, isStrict: spec.durability === "strict" },
        {
          ...{ fileSystem, store: state.db, clock, randomBytes },
          log: log.with({ component: "nfs4" }),
        },
      );
      return [fileSystem, nfs] as const;
    });
    this.#listener = createServer({ noDelay: true }, (socket) => this.#nfs.accept(socket));
  }

  /** Puts in order what a predecessor left, begins to export, and accepts connections at an inherited socket. */
  async open(listenFd: number): Promise<void> {
    await this.#sync.start();
    this.#hold.resume();
    const listening = Promise.withResolvers<void>();
    this.#listener.once("error", listening.reject);
    this.#listener.listen({ fd: listenFd }, listening.resolve);
    await listening.promise;
    this.#listener.off("error", listening.reject);
    this.#listener.on("error", (error) => this.#log.error("Cannot accept connections", { error }));
    this.#checkpointLater();
  }

  #checkpointLater(): void {
    this.#cancelCheckpoint = this.#clock.schedule(checkpointEveryMs, () => {
      const operations = this.#operationCount();
      const isIdle =
        operations === this.#operationsBefore && this.#counters.outstandingMutating === 0;
      this.#operationsBefore = operations;
      try {
        this.#state.db.checkpointIfDue(isIdle);
      } catch (error) {
        // The log keeps growing, and the next attempt is a second away.
        this.#log.error("Cannot checkpoint the database", { error });
      }
      this.#checkpointLater();
    });
  }

  #operationCount(): number {
    let sum = 0;
    for (const { total } of this.#counters.operations.values()) sum += total;
    return sum;
  }

  /** Whether {@link reachBucket} has succeeded. */
  get isReady(): boolean {
    return this.#ready !== undefined;
  }

  /**
   * Resolves when the bucket has been reached once, and this node's record stands there; callers at the same time share
   * the requests.
   * @throws {ControlError} denied, unauthenticated, noSuchBucket, unavailable, elsewhere, each naming the volume.
   */
  async reachBucket(): Promise<ServerMethods["ready"]["result"]> {
    if (this.#ready !== undefined) return this.#ready;
    this.#reached ??= this.#askBucket().finally(() => {
      this.#reached = undefined;
    });
    return await this.#reached;
  }

  async #askBucket(): Promise<ServerMethods["ready"]["result"]> {
    const { volumeId, prefix } = this.#spec;
    const { signal } = this.#ending;
    const answer = await checkBucket(this.#store, prefix, { signal });
    if (answer.kind !== "ok") {
      const code = answer.kind === "invalid" ? "supervisor" : answer.kind;
      throw new ControlError(code, `Volume ${volumeId}: ${answer.message}`);
    }
    // Keys of a read-only volume may not write, and it depends on nothing that would be asked.
    if (!this.#spec.readOnly) await this.#knowledge.learn(signal);
    this.#ready = await this.#hold.take(signal);
    return this.#ready;
  }

  /** Withdraws this node's record of the volume once nothing is pending. @throws {ControlError} as S3 answers. */
  async leave(signal: AbortSignal): Promise<{ readonly left: boolean }> {
    const answer = await this.#hold.leave(signal);
    // A server that is to serve again asks for the volume again.
    if (answer.left) this.#ready = undefined;
    return answer;
  }

  /** Members of these groups count as members of every object's group from now on. */
  setMountGroups(gids: readonly number[]): void {
    this.#fileSystem.setMountGroups(gids);
  }

  /**
   * Exports what is pending, for at most `timeoutMs`, and says what is left.
   * @throws {ControlError} noSuchBucket when something is left because the bucket is gone.
   */
  async flush(timeoutMs: number, signal: AbortSignal): Promise<Pending> {
    if (timeoutMs > 0) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      try {
        const { errors, pendingFiles } = await this.#sync.flush(limit);
        for (const problem of errors) this.#log.warn("Flush left something behind", { problem });
        if (pendingFiles > 0) await this.#requireBucket(limit);
      } catch (error) {
        if (!limit.aborted) throw error;
      }
    }
    return this.#pending();
  }

  async #requireBucket(signal: AbortSignal): Promise<void> {
    const { volumeId, prefix } = this.#spec;
    const answer = await checkBucket(this.#store, prefix, { signal });
    if (answer.kind !== "noSuchBucket") return;
    throw new ControlError("noSuchBucket", `Volume ${volumeId}: ${answer.message}`);
  }

  #pending(): Pending {
    const { pendingFiles, pendingBytes, pendingDeletions, oldestPendingMs } = this.#sync.status();
    if (pendingFiles + pendingDeletions === 0) return { pendingBytes: 0, oldestPendingMs: 0 };
    // A rename or a deletion moves no bytes and is pending all the same.
    return { pendingBytes, oldestPendingMs: Math.max(1, oldestPendingMs) };
  }

  /** What is in lost+found. */
  conflicts(): Conflicts {
    return lostFiles(this.#state, this.#spec.volumeId, 1_000);
  }

  /** Counters of the volume; answering them walks nothing. */
  usage(): VolumeUsage {
    const { files, bytes } = this.#state.inodes.usage();
    const { capacityBytes } = this.#spec;
    const { conflicts } = this.#sync.status();
    return { ...this.#pending(), capacityBytes, usedBytes: bytes, usedInodes: files, conflicts };
  }

  /** Results by operation, and the compounds that have begun a change and are not answered. */
  counters(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {
      outstandingMutating: this.#counters.outstandingMutating,
    };
    for (const [name, { total, failed }] of this.#counters.operations) {
      counts[name] = total;
      if (failed > 0) counts[`${name} failed`] = failed;
    }
    return counts;
  }

  /**
   * Ends in order: takes no connection, answers what has begun, stops exporting, and closes the database.
   * What is pending stays there; the result says how much.
   */
  async close(): Promise<Leftover> {
    this.#cancelCheckpoint?.();
    this.#ending.abort(
      new ControlError("unavailable", `Volume ${this.#spec.volumeId}: its server is ending`),
    );
    this.#hold.close();
    this.#listener.close();
    await this.#nfs.stop();
    await this.#sync.stop();
    await this.#fileSystem.stop();
    await this.#knowledge.settled();
    const leftover = this.#leftover();
    await this.#state.close();
    await this.#store.close();
    return leftover;
  }

  #leftover(): Leftover {
    const { entries, journal, links } = this.#state;
    const name = lostAndFoundName(this.#spec.volumeId) as FileName;
    // What is exported is not left on this node.
    const lost = this.#state.exportsLostAndFound ? undefined : entries.get(rootInode, name)?.inode;
    const sinceMs = Number(this.#clock.nowNs() / 1_000_000n) - rememberAttemptsMs;
    return {
      ...this.#pending(),
      lostAndFound: lost === undefined ? 0 : entries.page(lost, 0, 1_000).length,
      unresolved:
        journal.all().filter(({ createdMs }) => createdMs > sinceMs).length +
        links.inDoubt(sinceMs),
    };
  }
}
