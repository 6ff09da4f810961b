import { existsSync, rmSync, writeFileSync } from "node:fs";
import type { Log } from "../base/log.ts";
import { ControlError } from "../control/error.ts";
import type {
  Leftover,
  ServerMethods,
  SupervisorMethods,
  VolumeStatus,
} from "../control/messages.ts";
import { readLeftover, specDigest } from "../control/volume-folder.ts";
import type { VolumeSpec } from "../control/volume-spec.ts";
import { keepCredentials } from "./credentials.ts";
import { endServer, serverGraceMs } from "./end-server.ts";
import type { ServerProgram } from "./launcher.ts";
import { PreparedServer, replaceServer } from "./prepared-server.ts";
import { reachBucket } from "./reach-bucket.ts";
import { RestartDelays } from "./restart-delays.ts";
import { RunningServer } from "./running-server.ts";
import { hasOutput, ServerOutput } from "./server-output.ts";
import type { VolumeDependencies } from "./volume-dependencies.ts";
import { hasNothingPending, keepSpec, removeRunFiles, removeVolumeFiles } from "./volume-files.ts";
import type { VolumePaths } from "./volume-paths.ts";
import { usageOf, VolumeRequests } from "./volume-requests.ts";

type Start = SupervisorMethods["start"];
type Ready = ServerMethods["ready"]["result"];

/**
 * One volume on this node and its server's life. Starts, restarts and stops of a volume follow each other;
 * each is idempotent and leaves a state that the next supervisor can go on from.
 */
export class Volume {
  readonly paths: VolumePaths;
  /** What is asked of its server, whichever it is. */
  readonly requests: VolumeRequests;
  readonly #dependencies: VolumeDependencies;
  readonly #log: Log;
  #spec: VolumeSpec;
  #state: VolumeStatus["state"] = "stopped";
  #server: RunningServer | undefined;
  /** Whether a server that ends is to be started again. */
  #wanted = false;
  #isReleased = false;
  #restarts = 0;
  #memoryKills = 0;
  #lastError: string | undefined;
  readonly #delays = new RestartDelays();
  #cancelRestart: (() => void) | undefined;
  #output: ServerOutput | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  /** Aborted by a stop, so that it does not wait for a start's bucket. */
  #giveUp = new AbortController();
  readonly #changed = new Set<() => void>();

  constructor(
    volume: { readonly paths: VolumePaths; readonly spec: VolumeSpec },
    dependencies: VolumeDependencies,
  ) {
    this.paths = volume.paths;
    this.#spec = volume.spec;
    this.#dependencies = dependencies;
    const { volumeId } = volume.spec;
    this.#log = dependencies.log.with({ volumeId });
    this.requests = new VolumeRequests(
      { volumeId, folder: volume.paths.folder },
      {
        clock: dependencies.clock,
        current: () => this.#current(),
        nextChange: (wake) => {
          this.#changed.add(wake);
          return () => this.#changed.delete(wake);
        },
      },
    );
  }

  /** True when neither server nor listening socket belongs to it. */
  get isStopped(): boolean {
    return this.#state === "stopped";
  }

  /** True from the moment at which its server is to end for another supervisor; {@link release} says when it has. */
  get isReleased(): boolean {
    return this.#isReleased;
  }

  #current(): RunningServer | undefined | null {
    if (this.#isReleased) {
      throw new ControlError("supervisor", "The volume has another supervisor: to be asked again");
    }
    return this.#state === "stopped" ? null : this.#server;
  }

  #exclusive<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(run);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  #become(state: VolumeStatus["state"]): void {
    this.#state = state;
    for (const wake of [...this.#changed]) wake();
    this.#changed.clear();
  }

  /**
   * Makes sure that a server with this specification and these credentials runs and has reached its bucket. A
   * first start that fails is taken back, unless only the caller gave up.
   * @throws {ControlError} identity; denied, unauthenticated, noSuchBucket, unavailable as the server says; supervisor.
   */
  start(volume: Start["params"], signal: AbortSignal): Promise<Start["result"]> {
    return this.#exclusive(async () => {
      signal.throwIfAborted();
      this.#current();
      this.#giveUp = new AbortController();
      const isFirst = !existsSync(this.paths.marker);
      const isNew = !existsSync(this.paths.folder);
      let ready: Ready;
      try {
        ready = await this.#bringUp(volume, AbortSignal.any([signal, this.#giveUp.signal]));
      } catch (error) {
        this.#lastError = error instanceof Error ? error.message : String(error);
        const isRefused = error instanceof ControlError && error.code === "identity";
        if (isFirst && !isRefused && !signal.aborted) await this.#takeBack(isNew);
        throw error;
      }
      this.#lastError = undefined;
      return { pin: this.paths.pin, ...ready };
    });
  }

  async #bringUp(volume: Start["params"], signal: AbortSignal): Promise<Ready> {
    const { spec, credentials } = volume;
    const { folder, marker } = this.paths;
    keepSpec(folder, spec);
    this.#spec = spec;
    const areNewKeys = keepCredentials(this.paths.credentials, credentials);
    // From here on the next supervisor serves this volume too.
    writeFileSync(marker, `${spec.volumeId}\n`, { mode: 0o600 });
    this.#wanted = true;
    this.#cancelRestart?.();
    const outdated = areNewKeys || this.#server?.specDigest !== specDigest(spec);
    if (this.#server !== undefined && outdated) await this.#end();
    if (this.#server === undefined) {
      this.#become("starting");
      await this.#launch();
    }
    const { clock } = this.#dependencies;
    return await reachBucket(this.#server, this.#spec, { clock, signal });
  }

  /** Listener and server, from whatever is there of them. Caller: in turn, no server of ours runs. */
  async #launch(): Promise<void> {
    const { launcher } = this.#dependencies;
    await Promise.all([
      endServer(this.paths, serverGraceMs, this.#dependencies),
      launcher.makeListener(this.paths),
    ]);
    await this.#serve();
  }

  /** A server behind the listener, which is there. */
  async #serve(): Promise<void> {
    const output = this.#readOutput();
    output.forgetWords();
    const lastWords = () => output.lastWords();
    const dependencies = { ...this.#dependencies, log: this.#log, lastWords };
    this.#hold(await RunningServer.start(this.paths, this.#program(), dependencies));
  }

  #program(): ServerProgram {
    const { programOf, cgroups } = this.#dependencies;
    const cgroup = cgroups?.make(this.paths.digest, this.#spec.memoryLimitBytes);
    return { ...programOf(this.#spec, this.paths), cgroup };
  }

  #readOutput(): ServerOutput {
    this.#output ??= new ServerOutput(this.paths.output, {
      log: this.#log,
      passOn: this.#dependencies.passOn,
    });
    return this.#output;
  }

  #hold(server: RunningServer): void {
    this.#server = server;
    const { digest } = this.paths;
    const { cgroups } = this.#dependencies;
    const killsBefore = cgroups?.kills(digest) ?? 0;
    this.#become("running");
    void server.ended.then((end) => {
      if (this.#server !== server) return;
      this.#server = undefined;
      if (!this.#wanted) return;
      this.#log.error("Volume server died", { pid: server.pid, ...end });
      if ((cgroups?.kills(digest) ?? 0) > killsBefore) {
        this.#memoryKills += 1;
        this.#lastError = `The volume server was killed: it needed more memory than memoryLimit (${this.#spec.memoryLimitBytes} bytes) allows`;
        this.#log.error("Volume server exceeded its memory limit", { pid: server.pid });
      }
      const isGone = end.code !== undefined || end.signal !== undefined;
      this.#restartAfter(this.#dependencies.clock.monotonicMs() - server.sinceMs, isGone);
    });
  }

  #restartAfter(livedMs: number, isGone: boolean): void {
    const delayMs = this.#delays.next(livedMs);
    this.#become("restarting");
    this.#cancelRestart = this.#dependencies.clock.schedule(delayMs, () => {
      void this.#exclusive(() => this.#restart(isGone && delayMs === 0));
    });
  }

  /** `isHasty`: the dead server's listener is taken for granted, for the mount waits; a second try looks at all. */
  async #restart(isHasty: boolean): Promise<void> {
    if (!this.#wanted || this.#isReleased || this.#server !== undefined) return;
    try {
      await (isHasty ? this.#serve() : this.#launch());
      this.#restarts += 1;
    } catch (error) {
      this.#lastError = error instanceof Error ? error.message : String(error);
      this.#log.error("Volume server cannot be restarted", { error });
      this.#restartAfter(0, false);
    }
  }

  /** Ends the server gracefully, but not its listening socket. */
  async #end(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await endServer(this.paths, serverGraceMs, this.#dependencies);
    await server?.ended;
  }

  /**
   * Takes over what an earlier supervisor left, after `earlier` has ended: the running server, or one started
   * behind the same socket. Takes its turn at once.
   */
  adopt(earlier: Promise<unknown>): Promise<void> {
    this.#become("starting");
    return this.#exclusive(async () => {
      await earlier;
      await this.#adopt();
    });
  }

  /**
   * Takes over from a supervisor that still runs, after `earlier`: with a server that is prepared before `release` has
   * the other one's ended. `release` resolves with false when that supervisor is gone. Takes its turn at once.
   */
  takeOver(earlier: Promise<void> | undefined, release: () => Promise<boolean>): Promise<void> {
    this.#become("starting");
    return this.#exclusive(async () => {
      await earlier;
      // No marker: a first start that its supervisor has taken back.
      const isThere = async () => (await release()) && existsSync(this.paths.marker);
      const server = await replaceServer(() => this.#prepare(), isThere, this.#log);
      if (server === undefined) return await this.#adopt();
      this.#wanted = true;
      this.#readOutput();
      this.#hold(server);
    });
  }

  async #prepare(): Promise<PreparedServer> {
    const dependencies = { ...this.#dependencies, log: this.#log };
    await this.#dependencies.launcher.makeListener(this.paths);
    return await PreparedServer.start(this.paths, this.#program(), dependencies);
  }

  async #adopt(): Promise<void> {
    // A first start that its supervisor took back.
    if (!existsSync(this.paths.marker)) return this.#become("stopped");
    this.#wanted = true;
    if (hasOutput(this.paths.output)) this.#readOutput();
    const dependencies = { ...this.#dependencies, log: this.#log };
    const found = await RunningServer.adopt(this.paths, dependencies);
    if (found !== undefined) {
      this.#log.info("Volume server taken over", { pid: found.pid });
      this.#hold(found);
      if (found.specDigest === specDigest(this.#spec)) return;
      await this.#end();
    }
    this.#become("restarting");
    await this.#restart(false);
  }

  /**
   * Ends server, listening socket and namespace. What S3 does not have stays in the volume's folder, with the
   * credentials that its export needs; the result says what, null when nothing is left.
   */
  stop(): Promise<Leftover | "unknown" | null> {
    this.#giveUp.abort(new ControlError("supervisor", "The volume is being stopped"));
    return this.#exclusive(() => this.#stop());
  }

  async #stop(): Promise<Leftover | "unknown" | null> {
    const { folder, marker } = this.paths;
    await this.#endAll();
    // Without a folder there was no volume, only what a crash left of one that never came to be.
    if (existsSync(folder) && !hasNothingPending(folder)) {
      const leftover = readLeftover(folder) ?? "unknown";
      this.#log.warn("Volume stopped with data that is only on this node", { folder, leftover });
      rmSync(marker, { force: true });
      this.#become("stopped");
      return leftover;
    }
    await removeVolumeFiles(this.paths);
    this.#become("stopped");
    return null;
  }

  async #endAll(): Promise<void> {
    this.#wanted = false;
    this.#cancelRestart?.();
    this.#become("stopping");
    await this.#end();
    await this.#dependencies.launcher.removeListener(this.paths);
    this.#output?.close();
    this.#output = undefined;
    removeRunFiles(this.paths);
    this.#dependencies.cgroups?.remove(this.paths.digest);
  }

  async #takeBack(isNew: boolean): Promise<void> {
    try {
      if (isNew) {
        await this.#endAll();
        // Nobody has mounted it: nothing in it can be missed.
        await removeVolumeFiles(this.paths);
        this.#become("stopped");
      } else {
        await this.#stop();
      }
    } catch (error) {
      this.#log.error("A failed start could not be taken back", { error });
    }
  }

  /** Ends the server gracefully and leaves the rest to the next supervisor: its clients wait meanwhile. */
  release(): Promise<void> {
    this.#giveUp.abort(new ControlError("supervisor", "The supervisor ends"));
    this.#isReleased = true;
    return this.#exclusive(async () => {
      this.#wanted = false;
      this.#cancelRestart?.();
      if (this.#state === "stopped") return;
      this.#become("stopping");
      await this.#end();
      this.#output?.close();
      this.#output = undefined;
      this.#become("stopped");
    });
  }

  /** Sees to it that this pod has a holder of the listening socket, after another supervisor may have taken its place. */
  keepListener(): Promise<void> {
    return this.#exclusive(async () => {
      if (this.#state === "stopped" || this.#isReleased) return;
      try {
        await this.#dependencies.launcher.makeListener(this.paths);
      } catch (error) {
        // The server has the socket; its restart looks again.
        this.#log.warn("The volume's listening socket is held by its server alone", { error });
      }
    });
  }

  /** What is known of the volume; `usage` only when the server is asked and answers before the signal aborts. */
  async status(ask: AbortSignal | undefined): Promise<VolumeStatus> {
    const server = this.#server;
    const usage = ask === undefined ? undefined : await usageOf(server, ask, this.#log);
    const { volumeId, bucket, prefix } = this.#spec;
    const pid = server?.pid;
    return {
      volumeId,
      bucket,
      prefix,
      state: this.#state,
      ...(pid === undefined ? {} : { pid }),
      restarts: this.#restarts,
      ...(this.#memoryKills === 0 ? {} : { memoryKills: this.#memoryKills }),
      ...(this.#state === "stopped" ? {} : { pin: this.paths.pin }),
      folder: this.paths.folder,
      ...(usage === undefined ? {} : { usage }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }
}
