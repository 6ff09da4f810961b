import { chmodSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { ControlError } from "../control/error.ts";
import { ControlListener, type Handlers } from "../control/listener.ts";
import type { SupervisorMethods, VolumeStatus } from "../control/messages.ts";
import { parseCredentials, parseGroups, parseVolumeSpec } from "../control/parse-volume-spec.ts";
import { readLeftover, readVolumeRecord } from "../control/volume-folder.ts";
import type { VolumeSpec } from "../control/volume-spec.ts";
import { Launcher } from "./launcher.ts";
import type { MemoryCgroups } from "./memory-cgroups.ts";
import { Predecessor } from "./predecessor.ts";
import { serverProgram } from "./server-program.ts";
import { StandingBy } from "./standing-by.ts";
import type { ExclusiveLock } from "./supervisor-lock.ts";
import { Volume } from "./volume.ts";
import type { VolumeDependencies } from "./volume-dependencies.ts";
import {
  removedFolder,
  runFolders,
  supervisorSocket,
  type VolumePaths,
  volumeDigest,
  volumePaths,
} from "./volume-paths.ts";

/** Where a supervisor keeps its things and how it starts servers. */
export interface SupervisorOptions {
  /** On tmpfs: sockets, locks, pins, credentials. */
  readonly runDir: string;
  /** On the node's disk: the volumes' folders. */
  readonly stateDir: string;
  /** Path of s3files-launcher. */
  readonly launcher: string;
  /** Starts servers without PR_SET_IO_FLUSHER where the capability is missing; for tests. */
  readonly allowNoIoFlusher: boolean;
  /** How a server is executed: Node, and the arguments before those that name the volume (`main.js`, `serve`). */
  readonly server: { readonly node: string; readonly args: readonly string[] };
}

/** Volumes that are taken over side by side: each may start a server. */
const adoptAtATime = 4;
/** How long a server may take to tell its usage. */
export const statusBudgetMs = 1_000;
const lockBudgetMs = 10_000;
const turnMs = 3_600_000;

/** The registry of a node's volumes, behind a control socket. See README.md for what outlives it. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #log: Log;
  readonly #dependencies: VolumeDependencies;
  readonly #lock: ExclusiveLock;
  readonly #volumes = new Map<string, Volume>();
  #listener: ControlListener<SupervisorMethods> | undefined;
  #isEnding = false;
  /** False until everything that was served before is taken over, and while this one stands by. */
  #isReady = false;
  readonly #standing = new StandingBy();
  readonly #ending = new AbortController();

  constructor(
    options: SupervisorOptions,
    dependencies: {
      readonly clock: Clock;
      readonly log: Log;
      /** Takes the servers' log lines. */
      readonly passOn: (line: string) => void;
      readonly lock: ExclusiveLock;
      readonly cgroups?: MemoryCgroups | undefined;
    },
  ) {
    this.#options = options;
    this.#lock = dependencies.lock;
    this.#log = dependencies.log;
    const { launcher: path, allowNoIoFlusher } = options;
    this.#dependencies = {
      ...dependencies,
      cgroups: dependencies.cgroups,
      launcher: new Launcher({ path, allowNoIoFlusher }),
      programOf: (spec, paths) => serverProgram(options, spec, paths),
    };
  }

  /**
   * Answers at its socket, and takes over every volume that an earlier supervisor on this node served;
   * resolves when that is done. Requests for a volume wait for its turn. With `takeOver` a supervisor that still runs
   * hands its volumes over, one after the other.
   * @throws {ControlError} supervisor when another supervisor runs; invalid when it speaks another protocol: nothing
   * has changed then.
   */
  async open(options: { readonly takeOver?: boolean } = {}): Promise<void> {
    const { runDir, stateDir } = this.#options;
    for (const folder of [
      ...[join(stateDir, "volumes"), removedFolder(stateDir)],
      ...runFolders.map((f) => join(runDir, f)),
    ]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      chmodSync(folder, 0o700);
    }
    let predecessor: Predecessor | undefined;
    if (!(await this.#lock.take(0))) {
      if (options.takeOver !== true) {
        throw new ControlError("supervisor", `Another supervisor serves ${runDir}`);
      }
      predecessor = await Predecessor.standBy(supervisorSocket(runDir));
      this.#log.info("Taking over from another supervisor");
    }
    await this.#takeCharge(predecessor, predecessor !== undefined);
  }

  async #takeCharge(predecessor: Predecessor | undefined, replace: boolean): Promise<void> {
    this.#listener = await ControlListener.open<SupervisorMethods>(
      { path: supervisorSocket(this.#options.runDir), replace },
      { handlers: this.#handlers(), log: this.#log },
    );
    await this.#adoptAll(predecessor);
    if (predecessor !== undefined) {
      await predecessor.finish();
      if (!(await this.#lock.take(lockBudgetMs, this.#ending.signal))) {
        throw new ControlError("supervisor", "The predecessor does not give up its lock");
      }
      predecessor.close();
      // What it was starting at the moment it was asked.
      await this.#adoptAll(undefined);
    }
    await this.#finishRemovals();
    this.#isReady = true;
  }

  async #adoptAll(predecessor: Predecessor | undefined): Promise<void> {
    // All take their turn before the first request does: it must find them in charge, not stopped.
    const adoptions: Promise<void>[] = [];
    for (const [at, volume] of this.#knownFromBefore().entries()) {
      const earlier = adoptions[at - adoptAtATime];
      const free = async () => {
        await earlier;
        await predecessor?.release(volume.paths.digest);
      };
      adoptions.push(this.#adopt(volume, free));
    }
    await Promise.all(adoptions);
  }

  /** Whether everything that is to be served on this node is in this supervisor's hands. */
  get isReady(): boolean {
    return this.#isReady && !this.#isEnding;
  }

  /** Hands over; resolves when the successor has it all or is gone, and this one waits for its turn or is in charge again. */
  async #standBy(signal: AbortSignal): Promise<Record<string, never>> {
    if (!this.isReady) throw new ControlError("supervisor", "This supervisor is not in charge");
    this.#log.info("Handing over to another supervisor");
    const isHandedOver = await this.#standing.begin(signal);
    if (this.#isEnding) return {};
    if (isHandedOver) {
      // The connection lasts until the successor has the lock, or is gone.
      signal.addEventListener("abort", () => void this.#waitForTurn(), { once: true });
      if (signal.aborted) void this.#waitForTurn();
      return await new Promise<never>(() => {});
    }
    this.#log.warn("The other supervisor is gone: taking everything back");
    this.#isReady = false;
    await this.#again();
    return {};
  }

  async #handedOver(): Promise<Record<string, never>> {
    this.#standing.require();
    this.#isReady = false;
    for (const volume of this.#volumes.values()) {
      if (!volume.isStopped) await volume.release();
    }
    this.#volumes.clear();
    this.#lock.release();
    this.#standing.finish();
    return {};
  }

  /** In charge again when the successor has died. */
  async #waitForTurn(): Promise<void> {
    this.#log.info("Handed over: standing by until the other supervisor ends");
    try {
      while (!(await this.#lock.take(turnMs, this.#ending.signal)));
      this.#log.warn("The other supervisor has ended: in charge again");
      await this.#again();
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#log.error("Cannot stand by", { error });
    }
  }

  async #again(): Promise<void> {
    for (const [digest, volume] of this.#volumes) {
      if (volume.isReleased) this.#volumes.delete(digest);
    }
    const before = this.#listener;
    this.#listener = undefined;
    await this.#takeCharge(undefined, true);
    await before?.close();
  }

  /** Removes what a supervisor that died was removing. */
  async #finishRemovals(): Promise<void> {
    const folder = removedFolder(this.#options.stateDir);
    try {
      for (const name of readdirSync(folder)) {
        await rm(join(folder, name), { recursive: true, force: true });
      }
    } catch (error) {
      this.#log.warn("Cannot remove what was left of stopped volumes", { folder, error });
    }
  }

  async #adopt(volume: Volume, free: () => Promise<void>): Promise<void> {
    try {
      await volume.adopt(free());
    } catch (error) {
      // One volume's trouble is not the others'; its next start tries again.
      this.#log.error("A volume cannot be taken over", { folder: volume.paths.folder, error });
    }
  }

  #paths(digest: string): VolumePaths {
    return volumePaths(this.#options, digest);
  }

  #knownFromBefore(): Volume[] {
    const volumes: Volume[] = [];
    for (const digest of readdirSync(join(this.#options.runDir, "volumes"))) {
      if (this.#volumes.has(digest)) continue;
      const paths = this.#paths(digest);
      try {
        const record = readVolumeRecord(paths.folder);
        // A stop that was cut short after it removed the folder: the next stop of the volume ends it.
        if (record === undefined) continue;
        const volume = new Volume({ paths, spec: record.spec }, this.#dependencies);
        this.#volumes.set(digest, volume);
        volumes.push(volume);
      } catch (error) {
        this.#log.error("A volume cannot be taken over", { folder: paths.folder, error });
      }
    }
    return volumes;
  }

  #handlers(): Handlers<SupervisorMethods> {
    return {
      start: async ({ spec, credentials }, signal) => {
        this.#requireCharge();
        const parsed = parseVolumeSpec(spec);
        const keys = credentials === null ? null : parseCredentials(credentials);
        const digest = volumeDigest(parsed.volumeId);
        let volume = this.#volumes.get(digest);
        if (volume === undefined) {
          volume = new Volume({ paths: this.#paths(digest), spec: parsed }, this.#dependencies);
          this.#volumes.set(digest, volume);
        }
        return await volume.start({ spec: parsed, credentials: keys }, signal);
      },
      stop: async ({ volumeId }) => {
        this.#requireCharge();
        return { kept: await this.#stop(idOf(volumeId)) };
      },
      standBy: (_, signal) => this.#standBy(signal),
      release: async ({ digest }) => {
        this.#standing.require();
        await this.#volumes.get(digest)?.release();
        return {};
      },
      handedOver: () => this.#handedOver(),
      flush: async ({ volumeId, timeoutMs }, signal) => {
        if (!Number.isFinite(timeoutMs) || timeoutMs < 0) {
          throw new ControlError("invalid", "timeoutMs is not a number of milliseconds");
        }
        return (await this.#volume(volumeId)?.flush(timeoutMs, signal)) ?? null;
      },
      usage: async ({ volumeId }, signal) => (await this.#volume(volumeId)?.usage(signal)) ?? null,
      lost: async ({ volumeId }, signal) => (await this.#volume(volumeId)?.lost(signal)) ?? null,
      groups: async ({ volumeId, gids }, signal) => {
        const groups = parseGroups(gids);
        const volume = this.#volume(volumeId);
        if (volume === undefined) throw new ControlError("noSuchVolume", `No volume ${volumeId}`);
        await volume.setGroups(groups, signal);
        return {};
      },
      leave: async ({ volumeId }, signal) => (await this.#volume(volumeId)?.leave(signal)) ?? null,
      list: async () => ({ volumes: await this.status(undefined) }),
      status: async (_, signal) => {
        const ask = AbortSignal.any([signal, AbortSignal.timeout(statusBudgetMs)]);
        return { pid: process.pid, volumes: await this.status(ask) };
      },
    };
  }

  #requireCharge(): void {
    if (this.#isEnding) throw new ControlError("supervisor", "The supervisor is ending");
    if (this.#standing.isActive) {
      throw new ControlError("supervisor", "The supervisor is being replaced: to be asked again");
    }
  }

  #volume(volumeId: string): Volume | undefined {
    return this.#volumes.get(volumeDigest(idOf(volumeId)));
  }

  async #stop(volumeId: string): Promise<SupervisorMethods["stop"]["result"]["kept"]> {
    const digest = volumeDigest(volumeId);
    const known = this.#volumes.get(digest);
    const paths = this.#paths(digest);
    if (known === undefined && !existsSync(paths.marker)) return null;
    if (known?.isStopped === true) return null;
    const record = readVolumeRecord(paths.folder);
    const spec = record?.spec ?? ({ volumeId } as VolumeSpec);
    const volume = known ?? new Volume({ paths, spec }, this.#dependencies);
    // A start that comes meanwhile waits for its turn at the same one.
    this.#volumes.set(digest, volume);
    return await volume.stop();
  }

  /** The volumes known to this supervisor, and the folders of stopped ones; servers are asked until `ask` aborts. */
  async status(ask: AbortSignal | undefined): Promise<VolumeStatus[]> {
    const running = [...this.#volumes.values()].filter((volume) => !volume.isStopped);
    const known = new Set(running.map((volume) => volume.paths.digest));
    const statuses = await Promise.all(running.map((volume) => volume.status(ask)));
    for (const digest of readdirSync(join(this.#options.stateDir, "volumes"))) {
      if (known.has(digest)) continue;
      const found = stoppedStatus(this.#paths(digest).folder);
      if (found !== undefined) statuses.push(found);
    }
    return statuses.sort((a, b) => (a.volumeId < b.volumeId ? -1 : 1));
  }

  /**
   * Ends every server gracefully and answers no more. Listening sockets and namespaces are left to the next
   * supervisor, so that mounts wait for it; with `stopVolumes` they are ended too, as by a stop of each volume.
   */
  async close(options: { readonly stopVolumes: boolean }): Promise<void> {
    this.#isEnding = true;
    this.#ending.abort(new ControlError("supervisor", "The supervisor is ending"));
    const ends = [...this.#volumes.values()]
      .filter((volume) => !volume.isStopped)
      .map(async (volume) => {
        if (options.stopVolumes) await volume.stop();
        else await volume.release();
      });
    for (const end of await Promise.allSettled(ends)) {
      if (end.status === "rejected") {
        this.#log.error("A volume server did not end in order", { error: end.reason as unknown });
      }
    }
    await this.#listener?.close();
    this.#lock.release();
  }
}

/** What the folder of a stopped volume says; undefined when it holds none. */
function stoppedStatus(folder: string): VolumeStatus | undefined {
  const common = { folder, state: "stopped", restarts: 0 } as const;
  try {
    const record = readVolumeRecord(folder);
    if (record === undefined) return undefined;
    const { volumeId, bucket, prefix } = record.spec;
    const leftover = readLeftover(folder);
    return { volumeId, bucket, prefix, ...common, ...(leftover === undefined ? {} : { leftover }) };
  } catch (error) {
    // One damaged folder must not hide the other volumes.
    if (!(error instanceof ControlError)) throw error;
    return { volumeId: "", bucket: "", prefix: "", ...common, lastError: error.message };
  }
}

function idOf(volumeId: unknown): string {
  if (typeof volumeId !== "string" || volumeId === "") {
    throw new ControlError("invalid", "The volume id is missing");
  }
  return volumeId;
}
