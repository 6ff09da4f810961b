import { chmodSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { ControlError } from "../control/error.ts";
import { ControlListener, type Handlers } from "../control/listener.ts";
import type { SupervisorMethods, VolumeStatus } from "../control/messages.ts";
import {
  parseCredentials,
  parseGroups,
  parseVolumeId,
  parseVolumeSpec,
} from "../control/parse-volume-spec.ts";
import { readVolumeRecord } from "../control/volume-folder.ts";
import type { VolumeSpec } from "../control/volume-spec.ts";
import { HandedOverMark } from "./handed-over-mark.ts";
import { Launcher } from "./launcher.ts";
import type { MemoryCgroups } from "./memory-cgroups.ts";
import { Predecessor } from "./predecessor.ts";
import { serverProgram } from "./server-program.ts";
import { StandingBy } from "./standing-by.ts";
import { stoppedStatus } from "./stopped-status.ts";
import type { ExclusiveLock } from "./supervisor-lock.ts";
import type { SupervisorOptions } from "./supervisor-options.ts";
import { Volume } from "./volume.ts";
import type { VolumeDependencies } from "./volume-dependencies.ts";
import { finishRemovals } from "./volume-files.ts";
import {
  removedFolder,
  runFolders,
  supervisorSocket,
  type VolumePaths,
  volumeDigest,
  volumePaths,
} from "./volume-paths.ts";

/** Volumes that are taken over side by side: each may start a server, most of whose start is work for one processor. */
const adoptAtATime = Math.max(4, 2 * availableParallelism());
/** How long a server may take to tell its usage. */
export const statusBudgetMs = 1_000;
const lockBudgetMs = 10_000;
const turnMs = 3_600_000;

/** The ends of servers that another supervisor asked for, by the volume's digest. */
type Released = ReadonlyMap<string, Promise<void>>;

/** The registry of a node's volumes, behind a control socket. See README.md for what outlives it. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #log: Log;
  readonly #dependencies: VolumeDependencies;
  readonly #lock: ExclusiveLock;
  readonly #volumes = new Map<string, Volume>();
  #listener: ControlListener<SupervisorMethods> | undefined;
  #isEnding = false;
  /** Whether the volumes are this one's: from the start of a take-over to the end of a hand-over. */
  #isInCharge = false;
  /** False until everything that was served before is taken over, and while this one stands by. */
  #isReady = false;
  readonly #standing = new StandingBy();
  readonly #ending = new AbortController();
  readonly #mark: HandedOverMark;
  readonly #broken = Promise.withResolvers<never>();

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
    this.#mark = new HandedOverMark(options.runDir);
    this.#broken.promise.catch(() => undefined); // for whoever asks
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
   * hands its volumes over, one after the other. One that its pod's init has started again after the pod had handed over waits for its turn in the background.
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
      if (this.#mark.isOwn) return this.#orBroken(this.#waitForTurn());
      if (options.takeOver !== true) {
        throw new ControlError("supervisor", `Another supervisor serves ${runDir}`);
      }
      predecessor = await Predecessor.standBy(supervisorSocket(runDir));
      this.#log.info("Taking over from another supervisor");
    }
    this.#isInCharge = true;
    // One that ends half-way leaves its lock to whoever is first, which its own next one must not be.
    const lockOfDead = predecessor?.gone.then(() => this.#takeLock(lockBudgetMs));
    if (lockOfDead !== undefined) this.#orBroken(lockOfDead);
    this.#listener = await this.#listen(predecessor !== undefined);
    await this.#adoptAll(predecessor);
    if (predecessor !== undefined) {
      await predecessor.finish();
      await this.#takeLock(lockBudgetMs);
      predecessor.close();
      // What it was starting at the moment it was asked.
      await this.#adoptAll(undefined);
    }
    this.#mark.clear();
    await finishRemovals(removedFolder(this.#options.stateDir), this.#log);
    this.#isReady = true;
  }

  async #takeLock(waitMs: number): Promise<void> {
    if (await this.#lock.take(waitMs, this.#ending.signal)) return;
    throw new ControlError("supervisor", "The predecessor, or its next one, has the lock");
  }

  #listen(replace: boolean): Promise<ControlListener<SupervisorMethods>> {
    return ControlListener.open<SupervisorMethods>(
      { path: supervisorSocket(this.#options.runDir), replace },
      { handlers: this.#handlers(), log: this.#log },
    );
  }

  async #adoptAll(predecessor: Predecessor | undefined, released?: Released): Promise<void> {
    // All take their turn before the first request does: it must find them in charge, not stopped.
    const adoptions: Promise<void>[] = [];
    for (const [at, volume] of this.#knownFromBefore().entries()) {
      const earlier = adoptions[at - adoptAtATime];
      const { digest } = volume.paths;
      const adoption =
        predecessor === undefined
          ? volume.adopt(Promise.all([earlier, released?.get(digest)]))
          : volume.takeOver(earlier, () => predecessor.release(digest));
      adoptions.push(
        // One volume's trouble is not the others'; its next start tries again.
        adoption.catch((error: unknown) => {
          const { folder } = volume.paths;
          this.#log.error("A volume cannot be taken over", { folder, error });
        }),
      );
    }
    await Promise.all(adoptions);
  }

  /** Rejects when this supervisor can go on no more: its process is to end then, and the next one to take over. */
  get broken(): Promise<never> {
    return this.#broken.promise;
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
      if (signal.aborted) this.#orBroken(this.#waitForTurn());
      else {
        const next = () => this.#orBroken(this.#waitForTurn());
        signal.addEventListener("abort", next, { once: true });
      }
      return await new Promise<never>(() => {});
    }
    this.#log.warn("The other supervisor is gone: taking everything back");
    this.#isReady = false;
    this.#orBroken(this.#again());
    return {};
  }

  /** The successor has died before it had the lock, or this one is ending: then nothing of this counts. */
  async #handedOver(signal: AbortSignal): Promise<Record<string, never>> {
    this.#standing.require(signal);
    const here = [...this.#volumes.values()].filter((volume) => !volume.isStopped);
    await Promise.all(here.map((volume) => volume.release()));
    this.#standing.require(signal);
    this.#mark.set();
    this.#isInCharge = false;
    this.#isReady = false;
    this.#volumes.clear();
    this.#lock.release();
    this.#standing.finish();
    return {};
  }

  /** In charge again when the successor has died. */
  async #waitForTurn(): Promise<void> {
    this.#log.info("Handed over: standing by until the other supervisor ends");
    while (!(await this.#lock.take(turnMs, this.#ending.signal)));
    this.#log.warn("The other supervisor has ended: in charge again");
    await this.#again();
  }

  /** Takes back what is released or is being released; the rest has stayed. */
  async #again(): Promise<void> {
    const released = new Map<string, Promise<void>>();
    for (const [digest, volume] of this.#volumes) {
      if (!volume.isReleased) continue;
      // Its server may still be ending; the adoption looks again when that fails.
      const end = volume.release().catch((error: unknown) => {
        this.#log.warn("A volume server did not end in order", { digest, error });
      });
      released.set(digest, end);
      this.#volumes.delete(digest);
    }
    this.#isInCharge = true;
    // In this turn of the event loop: a request finds every volume here, taken back or about to be.
    const adopted = this.#adoptAll(undefined, released);
    this.#mark.clear();
    const stayed = [...this.#volumes.values()].filter(
      (volume) => !released.has(volume.paths.digest),
    );
    const before = this.#listener;
    this.#listener = undefined;
    this.#listener = await this.#listen(true);
    await adopted;
    for (const volume of stayed) await volume.keepListener();
    await finishRemovals(removedFolder(this.#options.stateDir), this.#log);
    this.#isReady = true;
    this.#log.info("Everything is taken back");
    await before?.close();
  }

  #orBroken(run: Promise<void>): void {
    run.catch((error: unknown) => {
      if (this.#isEnding) return;
      this.#log.error("Cannot be in charge", { error });
      this.#broken.reject(error);
    });
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
        return { kept: await this.#stop(parseVolumeId(volumeId)) };
      },
      standBy: (_, signal) => this.#standBy(signal),
      release: async ({ digest }, signal) => {
        this.#standing.require(signal);
        await this.#volumes.get(digest)?.release();
        return {};
      },
      handedOver: (_, signal) => this.#handedOver(signal),
      flush: async ({ volumeId, timeoutMs }, signal) => {
        if (!Number.isFinite(timeoutMs) || timeoutMs < 0) {
          throw new ControlError("invalid", "timeoutMs is not a number of milliseconds");
        }
        return (await this.#volume(volumeId)?.requests.flush(timeoutMs, signal)) ?? null;
      },
      usage: async ({ volumeId }, signal) =>
        (await this.#volume(volumeId)?.requests.usage(signal)) ?? null,
      lost: async ({ volumeId }, signal) =>
        (await this.#volume(volumeId)?.requests.lost(signal)) ?? null,
      groups: async ({ volumeId, gids }, signal) => {
        const groups = parseGroups(gids);
        const volume = this.#volume(volumeId);
        if (volume === undefined) throw new ControlError("noSuchVolume", `No volume ${volumeId}`);
        await volume.requests.setGroups(groups, signal);
        return {};
      },
      leave: async ({ volumeId }, signal) =>
        (await this.#volume(volumeId)?.requests.leave(signal)) ?? null,
      list: async () => ({ volumes: await this.status(undefined) }),
      status: async (_, signal) => {
        const ask = AbortSignal.any([signal, AbortSignal.timeout(statusBudgetMs)]);
        return { pid: process.pid, volumes: await this.status(ask) };
      },
    };
  }

  #requireCharge(): void {
    if (this.#isEnding) throw new ControlError("supervisor", "The supervisor is ending");
    if (this.#standing.isActive || !this.#isInCharge) {
      throw new ControlError("supervisor", "The supervisor is being replaced: to be asked again");
    }
  }

  #volume(volumeId: string): Volume | undefined {
    // What this one does not have its successor may.
    if (!this.#isInCharge) this.#requireCharge();
    return this.#volumes.get(volumeDigest(parseVolumeId(volumeId)));
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
