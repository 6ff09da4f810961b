/**
 * Runs the driver's processes in a guest and does to them what provisioner and kubelet do, for {@link GuestDriver}.
 * Reads one JSON request a line from a named pipe, prints one answer a line; what the processes print goes through.
 *
 * Usage: guest-driver-agent.ts <named pipe> <AgentSettings as JSON>
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as after } from "node:timers/promises";
import { ControlClient } from "../../src/control/client.ts";
import type { Pending, ServerMethods, VolumeStatus } from "../../src/control/messages.ts";
import { SupervisorClient } from "../../src/control/supervisor-client.ts";
import { supervisorSocket, volumeDigest, volumePaths } from "../../src/supervisor/volume-paths.ts";
import { CsiClient, mountCapabilityOf, type ProvisionedVolume } from "./csi-client.ts";
import type { S3Access } from "./network-s3.ts";

/** How the driver is to run. */
export interface AgentSettings {
  /** `node` and the script, with the arguments of all commands. */
  readonly program: readonly string[];
  readonly s3: S3Access;
  readonly stateDir: string;
  readonly runDir: string;
  /** Further arguments of `s3files supervisor`. */
  readonly supervisorArguments: readonly string[];
}

/** A volume and where it is mounted, as kubelet would name the paths. */
export interface MountPlace {
  readonly stagingPath: string;
  readonly targetPath: string;
}

/** A server that was killed. */
export interface Kill {
  readonly pid: number;
  /** Mutating compounds that it said it had begun and not answered when it was killed. */
  readonly outstanding: number;
  /** Time from that answer to the signal. */
  readonly lateMs: number;
}

const begin = "@answer ";

class Agent {
  readonly #settings: AgentSettings;
  readonly #processes = new Map<string, ChildProcess>();
  readonly #supervisor: SupervisorClient;
  #client: CsiClient | undefined;

  constructor(settings: AgentSettings) {
    this.#settings = settings;
    this.#supervisor = new SupervisorClient(supervisorSocket(settings.runDir));
  }

  /** Starts supervisor, node and, unless told otherwise, controller; resolves when all answer. */
  async startAll(withController = true): Promise<void> {
    const { runDir, stateDir, supervisorArguments } = this.#settings;
    mkdirSync(runDir, { recursive: true });
    mkdirSync(stateDir, { recursive: true });
    const directories = ["--run-dir", runDir, "--state-dir", stateDir];
    this.#start("supervisor", [...directories, ...supervisorArguments]);
    const socket = supervisorSocket(runDir);
    const node = ["--node-id", "guest", "--supervisor-socket", socket, "--state-dir", stateDir];
    this.#start("node", ["--csi-endpoint", this.#endpoint("node"), ...node]);
    if (withController) this.#start("controller", ["--csi-endpoint", this.#endpoint("controller")]);
    const awaited = [
      socket,
      this.#socket("node"),
      ...(withController ? [this.#socket("controller")] : []),
    ];
    for (let tries = 0; !awaited.every((path) => existsSync(path)); tries++) {
      const ended = [...this.#processes].find(([, child]) => child.exitCode !== null);
      if (ended !== undefined) throw new Error(`s3files ${ended[0]} ended`);
      if (tries === 2400) throw new Error(`${awaited.join(" or ")} does not appear`);
      await after(50);
    }
    this.#client = new CsiClient({
      controllerEndpoint: this.#endpoint("controller"),
      nodeEndpoint: this.#endpoint("node"),
    });
  }

  #start(name: string, args: readonly string[]): void {
    const { program, s3 } = this.#settings;
    const [node = "", ...before] = program;
    const keys = join(this.#settings.runDir, "s3-keys.json");
    const { accessKeyId, secretAccessKey } = s3;
    writeFileSync(keys, JSON.stringify({ accessKeyId, secretAccessKey }), { mode: 0o600 });
    const child = spawn(node, [...before, name, ...args], {
      stdio: ["ignore", "inherit", "inherit"],
      env: {
        ...process.env,
        S3FILES_ENDPOINT: s3.endpoint,
        S3FILES_REGION: s3.region,
        S3FILES_CREDENTIALS_FILE: keys,
      },
    });
    this.#processes.set(name, child);
  }

  #socket(name: string): string {
    return join(this.#settings.runDir, `${name}-csi.sock`);
  }

  #endpoint(name: string): string {
    return `unix://${this.#socket(name)}`;
  }

  get #csi(): CsiClient {
    if (this.#client === undefined) throw new Error("The driver has not been started");
    return this.#client;
  }

  /** CreateVolume, as the provisioner does. */
  provision(
    name: string,
    parameters: Readonly<Record<string, string>>,
    secrets: Readonly<Record<string, string>> = {},
  ): Promise<ProvisionedVolume> {
    return this.#csi.provision({ name, parameters, secrets, capacityBytes: 2 ** 30 });
  }

  /** NodeStageVolume and NodePublishVolume, as kubelet does. */
  async mount(
    volume: ProvisionedVolume,
    place: MountPlace,
    mountFlags: readonly string[] = [],
    secrets: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const capability = mountCapabilityOf("SINGLE_NODE_WRITER", mountFlags);
    const at = { ...place, capability, secrets };
    mkdirSync(join(place.targetPath, ".."), { recursive: true });
    await this.#csi.stage(volume, at);
    await this.#csi.publish(volume, at);
  }

  /** NodeStageVolume and NodePublishVolume for one of several pods, whose `fsGroup` is `group`. */
  async mountForGroup(volume: ProvisionedVolume, place: MountPlace, group: number): Promise<void> {
    const mode = "SINGLE_NODE_MULTI_WRITER" as const;
    const mount = { volumeMountGroup: String(group) };
    const at = { ...place, capability: { mount, accessMode: { mode } } };
    mkdirSync(join(place.targetPath, ".."), { recursive: true });
    await this.#csi.stage(volume, at);
    await this.#csi.publish(volume, at);
  }

  /** NodeUnpublishVolume: the pod is gone. */
  unpublish(volumeId: string, place: MountPlace): Promise<void> {
    return this.#csi.unpublish(volumeId, place.targetPath);
  }

  /** NodeUnpublishVolume and NodeUnstageVolume. */
  async unmount(volumeId: string, place: MountPlace): Promise<void> {
    await this.#csi.unpublish(volumeId, place.targetPath);
    await this.#csi.unstage(volumeId, place.stagingPath);
  }

  /** DeleteVolume. */
  deprovision(volumeId: string): Promise<void> {
    return this.#csi.deprovision(volumeId);
  }

  async volumes(): Promise<readonly VolumeStatus[]> {
    return (await this.#supervisor.status()).volumes;
  }

  /** Exports what is pending; resolves to what is left. */
  async flush(volumeId: string, timeoutMs: number): Promise<Pending | null> {
    return (await this.#supervisor.flush(volumeId, timeoutMs)) ?? null;
  }

  /** How often the volume's server has been started again. */
  async restarts(volumeId: string): Promise<number> {
    const { volumes } = await this.#supervisor.status();
    return volumes.find((volume) => volume.volumeId === volumeId)?.restarts ?? 0;
  }

  /** Kills the volume's server with SIGKILL as soon as a mutating compound is under way, at the latest after `patienceMs`. */
  async killServer(volumeId: string, patienceMs = 60_000): Promise<Kill> {
    using server = await this.#server(volumeId);
    const { pid } = await server.call("status", {});
    const giveUp = performance.now() + patienceMs;
    for (;;) {
      const { outstandingMutating: outstanding = 0 } = await server.call("counters", {});
      const seenMs = performance.now();
      if (outstanding === 0 && seenMs < giveUp) continue;
      process.kill(pid, "SIGKILL");
      return { pid, outstanding, lateMs: performance.now() - seenMs };
    }
  }

  /** Waits until another server than `pid` serves the volume. */
  async restarted(volumeId: string, pid: number): Promise<void> {
    for (let tries = 0; ; tries++) {
      const volume = (await this.#supervisor.status()).volumes.find((v) => v.volumeId === volumeId);
      if (volume?.state === "running" && volume.pid !== pid) return;
      if (tries === 2400) throw new Error(`${volumeId} is ${volume?.state}: ${volume?.lastError}`);
      await after(50);
    }
  }

  async counters(volumeId: string): Promise<Readonly<Record<string, number>>> {
    using server = await this.#server(volumeId);
    return await server.call("counters", {});
  }

  #server(volumeId: string): Promise<ControlClient<ServerMethods>> {
    const { serverSocket } = volumePaths(this.#settings, volumeDigest(volumeId));
    return ControlClient.connect<ServerMethods>(serverSocket);
  }

  /** Ends the processes in order, with the volumes that are still served. */
  async stopAll(): Promise<void> {
    this.#client?.[Symbol.dispose]();
    for (const child of this.#processes.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
  }
}

/** What a test can ask for. */
export type AgentCalls = Agent;

/** A request, as it passes through the pipe. */
export interface AgentRequest {
  readonly id: number;
  readonly method: keyof AgentCalls;
  readonly args: readonly unknown[];
}

/** Its answer. A failed CSI call has gRPC's status as `code`. */
export interface AgentAnswer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string; readonly code?: number | string };
}

/** The answer in a line of the agent's output, if it is one. */
export function answerIn(line: string): AgentAnswer | undefined {
  return line.startsWith(begin) ? JSON.parse(line.slice(begin.length)) : undefined;
}

function errorOf(error: unknown): NonNullable<AgentAnswer["error"]> {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = "code" in error ? { code: error.code as number | string } : {};
  return { message: error.message, ...code };
}

async function answer(agent: Agent, { id, method, args }: AgentRequest): Promise<AgentAnswer> {
  const call = agent[method] as (...given: readonly unknown[]) => Promise<unknown>;
  try {
    return { id, result: await call.apply(agent, [...args]) };
  } catch (error) {
    return { id, error: errorOf(error) };
  }
}

if (import.meta.main) {
  const [pipe = "", settings = "{}"] = process.argv.slice(2);
  const agent = new Agent(JSON.parse(settings));
  // For reading and writing, so that it does not end when a writer closes it.
  const requests = createInterface({ input: createReadStream(pipe, { flags: "r+" }) });
  requests.on("line", (line) => {
    void answer(agent, JSON.parse(line)).then((result) => {
      process.stdout.write(`${begin}${JSON.stringify(result)}\n`);
    });
  });
}
