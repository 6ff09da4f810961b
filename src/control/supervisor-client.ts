import { ControlClient } from "./client.ts";
import { ControlError } from "./error.ts";
import type {
  Conflicts,
  Pending,
  SupervisorMethods,
  VolumeStatus,
  VolumeUsage,
} from "./messages.ts";
import type { CredentialsFile, VolumeSpec } from "./volume-spec.ts";

/**
 * The node's supervisor, asked over its control socket; each call is a connection of its own, so that a
 * restarted supervisor is found again. Every method @throws {ControlError} and rejects when the signal aborts.
 */
export class SupervisorClient {
  readonly #path: string;
  constructor(path: string) {
    this.#path = path;
  }

  async #call<K extends keyof SupervisorMethods>(
    method: K,
    params: SupervisorMethods[K]["params"],
    signal: AbortSignal | undefined,
  ): Promise<SupervisorMethods[K]["result"]> {
    using client = await ControlClient.connect<SupervisorMethods>(this.#path, signal);
    return await client.call(method, params, signal);
  }

  /** Makes sure that a server of the volume runs and has reached its bucket. */
  async start(
    volume: { readonly spec: VolumeSpec; readonly credentials: CredentialsFile | undefined },
    signal?: AbortSignal,
  ): Promise<SupervisorMethods["start"]["result"]> {
    const { spec, credentials } = volume;
    return await this.#call("start", { spec, credentials: credentials ?? null }, signal);
  }

  /** Exports what is pending, for at most `timeoutMs`; undefined when no server of the volume runs. */
  async flush(
    volumeId: string,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Pending | undefined> {
    return (await this.#call("flush", { volumeId, timeoutMs }, signal)) ?? undefined;
  }

  /** Undefined when no server of the volume runs. */
  async usage(volumeId: string, signal?: AbortSignal): Promise<VolumeUsage | undefined> {
    return (await this.#call("usage", { volumeId }, signal)) ?? undefined;
  }

  /** What is in the volume's lost+found; undefined when no server of the volume runs. */
  async conflicts(volumeId: string, signal?: AbortSignal): Promise<Conflicts | undefined> {
    return (await this.#call("lost", { volumeId }, signal)) ?? undefined;
  }

  /** Replaces the groups whose members count as members of every object's group. */
  async setGroups(volumeId: string, gids: readonly number[], signal?: AbortSignal): Promise<void> {
    await this.#call("groups", { volumeId, gids }, signal);
  }

  /** Withdraws this node's record of the volume; false while something is pending, undefined when no server runs. */
  async leave(volumeId: string, signal?: AbortSignal): Promise<boolean | undefined> {
    return (await this.#call("leave", { volumeId }, signal))?.left;
  }

  /** Ends the volume's server and namespace; state that S3 does not have stays on the node's disk. */
  async stop(volumeId: string, signal?: AbortSignal): Promise<void> {
    await this.#call("stop", { volumeId }, signal);
  }

  /** All volumes of the node, running or left over. */
  async status(
    signal?: AbortSignal,
  ): Promise<{ readonly pid: number; readonly volumes: readonly VolumeStatus[] }> {
    return await this.#call("status", {}, signal);
  }

  /** Whether the supervisor answers within two seconds. */
  async isReachable(): Promise<boolean> {
    try {
      await this.#call("list", {}, AbortSignal.timeout(2_000));
      return true;
    } catch (error) {
      if (error instanceof ControlError) return false;
      if (error instanceof DOMException && error.name === "TimeoutError") return false;
      throw error;
    }
  }
}
