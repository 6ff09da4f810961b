import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Pending, VolumeStatus } from "../../src/control/messages.ts";
import type { ProvisionedVolume } from "./csi-client.ts";
import { type Guest, quoteForShell } from "./guest.ts";
import type { GuestCommand } from "./guest-channel.ts";
import {
  type AgentAnswer,
  type AgentCalls,
  type AgentRequest,
  type AgentSettings,
  answerIn,
  type Kill,
  type MountPlace,
} from "./guest-driver-agent.ts";
import type { S3Access } from "./network-s3.ts";
import { projectDir } from "./uml.ts";

/** `s3files` as a command line: the script that S3FILES_PROGRAM names, what `make` built, or the sources. */
export const s3filesProgram: readonly string[] = [
  process.execPath,
  "--disable-warning=ExperimentalWarning",
  process.env["S3FILES_PROGRAM"] ??
    ["dist/main.js", "src/main.ts"].map((path) => join(projectDir, path)).find(existsSync) ??
    "",
];

/** A CSI call that failed; `code` is the gRPC status. */
export class DriverCallError extends Error {
  readonly code: number | string | undefined;
  constructor(method: string, error: NonNullable<AgentAnswer["error"]>) {
    super(`${method}: ${error.message}`);
    this.name = "DriverCallError";
    this.code = error.code;
  }
}

/** How the driver runs in a guest. */
export interface GuestDriverOptions {
  readonly s3: S3Access;
  /** Further arguments of `s3files supervisor`. */
  readonly supervisorArguments?: readonly string[];
  /** Default true. */
  readonly withController?: boolean;
  readonly onLine?: (line: string) => void;
}

const runDir = "/run/s3files";

/** The CSI socket of one of the driver's processes in the guest. */
export function guestCsiSocket(name: "controller" | "node"): string {
  return join(runDir, `${name}-csi.sock`);
}

/**
 * The whole driver in a guest — supervisor, node and controller, each a process as in Kubernetes — and what provisioner
 * and kubelet do to it. All calls reject with {@link DriverCallError}.
 */
export class GuestDriver {
  readonly #guest: Guest;
  readonly #pipe: string;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown> & { method: string }>();
  #command: GuestCommand | undefined;
  #next = 1;

  private constructor(guest: Guest) {
    this.#guest = guest;
    this.#pipe = `/run/s3files-driver-${process.pid}`;
  }

  /** Resolves when all of the driver's processes answer. The guest's end is theirs. */
  static async start(guest: Guest, options: GuestDriverOptions): Promise<GuestDriver> {
    const driver = new GuestDriver(guest);
    const settings: AgentSettings = {
      program: s3filesProgram,
      s3: options.s3,
      stateDir: "/var/lib/s3files",
      runDir,
      supervisorArguments: options.supervisorArguments ?? [],
    };
    driver.#launch(settings, options.onLine);
    await driver.#call("startAll", options.withController ?? true);
    return driver;
  }

  #launch(settings: AgentSettings, onLine: ((line: string) => void) | undefined): void {
    const agent = join(import.meta.dirname, "guest-driver-agent.ts");
    this.#command = this.#guest.start(
      `rm -f ${this.#pipe}; mkfifo ${this.#pipe}
exec node ${agent} ${this.#pipe} ${quoteForShell(JSON.stringify(settings))}`,
      {
        onLine: (line) => {
          const answer = answerIn(line);
          if (answer === undefined) onLine?.(line);
          else this.#take(answer);
        },
      },
    );
    this.#command.done.then(
      ({ code, output }) =>
        this.#end(new Error(`The driver's agent ended with ${code}\n${output.slice(-2000)}`)),
      (error: unknown) => this.#end(new Error("The driver's guest has ended", { cause: error })),
    );
  }

  /** CreateVolume. */
  provision(
    name: string,
    parameters: Readonly<Record<string, string>>,
    secrets: Readonly<Record<string, string>> = {},
  ): Promise<ProvisionedVolume> {
    return this.#call("provision", name, parameters, secrets);
  }

  /** Where kubelet would have the volume `name`. */
  placeOf(name: string): MountPlace {
    return {
      stagingPath: `/var/lib/kubelet/plugins/kubernetes.io/csi/s3files.csi.dev/${name}/globalmount`,
      targetPath: `/var/lib/kubelet/pods/${name}/volumes/kubernetes.io~csi/${name}/mount`,
    };
  }

  /** NodeStageVolume and NodePublishVolume. Resolves to the path that a pod would see. */
  async mount(
    volume: ProvisionedVolume,
    name: string,
    mountFlags: readonly string[] = [],
    secrets: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const place = this.placeOf(name);
    await this.#call("mount", volume, place, mountFlags, secrets);
    return place.targetPath;
  }

  /** As {@link mount}, for the pod `pod` whose `fsGroup` is `group`. */
  async mountForGroup(
    volume: ProvisionedVolume,
    name: string,
    pod: string,
    group: number,
  ): Promise<string> {
    const { stagingPath } = this.placeOf(name);
    const { targetPath } = this.placeOf(pod);
    await this.#call("mountForGroup", volume, { stagingPath, targetPath }, group);
    return targetPath;
  }

  /** NodeUnpublishVolume alone: the pod is gone. */
  unpublish(volumeId: string, name: string): Promise<void> {
    return this.#call("unpublish", volumeId, this.placeOf(name));
  }

  /** NodeUnpublishVolume and NodeUnstageVolume, the latter again while data is pending. */
  unmount(volumeId: string, name: string): Promise<void> {
    return this.#call("unmount", volumeId, this.placeOf(name));
  }

  /** DeleteVolume. */
  deprovision(volumeId: string): Promise<void> {
    return this.#call("deprovision", volumeId);
  }

  /** As `s3files status --json` has them. */
  volumes(): Promise<readonly VolumeStatus[]> {
    return this.#call("volumes");
  }

  /** As `s3files flush`. @throws {Error} when something is left. */
  async flush(volumeId: string, timeoutMs = 120_000): Promise<void> {
    const left = await this.tryFlush(volumeId, timeoutMs);
    if (left === null || left.pendingBytes !== 0 || left.oldestPendingMs !== 0) {
      throw new Error(`Volume ${volumeId} has not been flushed: ${JSON.stringify(left)}`);
    }
  }

  /** Exports what is pending for at most `timeoutMs`, and says what is left; null when no server runs. */
  tryFlush(volumeId: string, timeoutMs: number): Promise<Pending | null> {
    return this.#call("flush", volumeId, timeoutMs);
  }

  /** Kills the volume's server with SIGKILL when a mutating compound is under way. */
  killServer(volumeId: string): Promise<Kill> {
    return this.#call("killServer", volumeId);
  }

  /** How often the volume's server has been started again. */
  restarts(volumeId: string): Promise<number> {
    return this.#call("restarts", volumeId);
  }

  /** Resolves when another server than `pid` runs. */
  restarted(volumeId: string, pid: number): Promise<void> {
    return this.#call("restarted", volumeId, pid);
  }

  /** Counters of the volume's server. */
  counters(volumeId: string): Promise<Readonly<Record<string, number>>> {
    return this.#call("counters", volumeId);
  }

  /** Ends all processes in order, with the volumes still served, and the agent. */
  async stop(): Promise<void> {
    await this.#call("stopAll");
    this.#command?.kill();
  }

  #call<M extends keyof AgentCalls>(
    method: M,
    ...args: Parameters<AgentCalls[M]>
  ): ReturnType<AgentCalls[M]> {
    const id = this.#next++;
    const waiting = { ...Promise.withResolvers<unknown>(), method };
    this.#waiting.set(id, waiting);
    const request = JSON.stringify({ id, method, args } satisfies AgentRequest);
    // The pipe is there before the agent; what is written waits in it only while somebody has it open.
    this.#guest
      .check(`until [ -p ${this.#pipe} ]; do sleep 0.05; done
echo ${quoteForShell(request)} > ${this.#pipe}`)
      .catch((error: Error) => this.#end(error));
    return waiting.promise as ReturnType<AgentCalls[M]>;
  }

  #take(answer: AgentAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.error === undefined) waiting?.resolve(answer.result);
    else waiting?.reject(new DriverCallError(waiting.method, answer.error));
  }

  #end(reason: Error): void {
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }
}
