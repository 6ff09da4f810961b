import { ControlError, type ControlErrorCode } from "../control/error.ts";
import type { SupervisorClient } from "../control/supervisor-client.ts";
import {
  type Pending,
  VolumeServerError,
  type VolumeServerErrorCode,
  type VolumeServers,
  type VolumeUsageCounters,
} from "../csi/volume-servers.ts";

const codeOf = {
  denied: "denied",
  unauthenticated: "unauthenticated",
  noSuchBucket: "noSuchBucket",
  unavailable: "unavailable",
  exhausted: "exhausted",
  identity: "identity",
  elsewhere: "elsewhere",
  timeout: "unavailable",
  supervisor: "supervisor",
  noSuchVolume: "supervisor",
  invalid: "supervisor",
} as const satisfies Record<ControlErrorCode, VolumeServerErrorCode>;

async function translated<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!(cause instanceof ControlError)) throw cause;
    throw new VolumeServerError(codeOf[cause.code], cause.message, { cause });
  }
}

/** The node service's volume servers, which the supervisor starts and stops: asked over its control socket. */
export class SupervisorVolumeServers implements VolumeServers {
  readonly #client: SupervisorClient;
  readonly #keep: (volumeId: string) => Promise<void>;

  /** `keep` is called, before its mount, for each volume that has been started. */
  constructor(client: SupervisorClient, keep: (volumeId: string) => Promise<void>) {
    this.#client = client;
    this.#keep = keep;
  }

  async start(
    volume: Parameters<VolumeServers["start"]>[0],
    signal: AbortSignal,
  ): ReturnType<VolumeServers["start"]> {
    const started = await translated(() => this.#client.start(volume, signal));
    await this.#keep(volume.spec.volumeId);
    return started;
  }

  async flush(
    volumeId: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Pending | undefined> {
    return await translated(() => this.#client.flush(volumeId, timeoutMs, signal));
  }

  async usage(volumeId: string, signal: AbortSignal): Promise<VolumeUsageCounters | undefined> {
    return await translated(() => this.#client.usage(volumeId, signal));
  }

  async setGroups(volumeId: string, gids: readonly number[], signal: AbortSignal): Promise<void> {
    try {
      await this.#client.setGroups(volumeId, gids, signal);
    } catch (cause) {
      if (!(cause instanceof ControlError)) throw cause;
      // A supervisor of the previous release knows no groups: without any there is nothing to tell it.
      if (cause.code === "invalid" && gids.length === 0) return;
      throw new VolumeServerError(codeOf[cause.code], cause.message, { cause });
    }
  }

  async leave(volumeId: string, signal: AbortSignal): Promise<boolean> {
    try {
      return (await this.#client.leave(volumeId, signal)) ?? true;
    } catch (cause) {
      if (!(cause instanceof ControlError)) throw cause;
      // A server of the previous release has no record.
      if (cause.code === "invalid") return true;
      throw new VolumeServerError(codeOf[cause.code], cause.message, { cause });
    }
  }

  async stop(volumeId: string, signal: AbortSignal): Promise<void> {
    await translated(() => this.#client.stop(volumeId, signal));
  }

  async isReachable(): Promise<boolean> {
    return await this.#client.isReachable();
  }
}
