import type { CredentialsFile, VolumeSpec } from "../../src/control/volume-spec.ts";
import {
  type Pending,
  VolumeServerError,
  type VolumeServers,
  type VolumeUsageCounters,
} from "../../src/csi/volume-servers.ts";

/** Volume servers that are only remembered. `pendingBytes` of a volume stays until a test clears it. */
export class FakeVolumeServers implements VolumeServers {
  readonly running = new Map<string, VolumeSpec>();
  readonly credentials = new Map<string, CredentialsFile | undefined>();
  readonly pendingBytes = new Map<string, number>();
  /** Volumes of which this node's record stands. */
  readonly records = new Set<string>();
  /** Thrown by every leave while set. */
  leaveError: Error | undefined;
  /** What starts answer of other nodes. */
  sharedWith: readonly string[] = [];
  readonly groups = new Map<string, readonly number[]>();
  readonly flushes: { volumeId: string; timeoutMs: number }[] = [];
  /** Thrown by the next start. */
  startError: Error | undefined;

  async start(volume: {
    readonly spec: VolumeSpec;
    readonly credentials: CredentialsFile | undefined;
  }): ReturnType<VolumeServers["start"]> {
    const error = this.startError;
    this.startError = undefined;
    if (error !== undefined) throw error;
    this.running.set(volume.spec.volumeId, volume.spec);
    this.records.add(volume.spec.volumeId);
    this.credentials.set(volume.spec.volumeId, volume.credentials);
    const pin = `/run/s3files/netns/${volume.spec.volumeId}`;
    return await Promise.resolve({ pin, sharedWith: this.sharedWith });
  }

  async flush(volumeId: string, timeoutMs: number): Promise<Pending | undefined> {
    this.flushes.push({ volumeId, timeoutMs });
    if (!this.running.has(volumeId)) return undefined;
    const pendingBytes = this.pendingBytes.get(volumeId) ?? 0;
    return await Promise.resolve({ pendingBytes, oldestPendingMs: pendingBytes > 0 ? 7000 : 0 });
  }

  async usage(volumeId: string): Promise<VolumeUsageCounters | undefined> {
    const spec = this.running.get(volumeId);
    if (spec === undefined) return undefined;
    const { capacityBytes } = spec;
    const pendingBytes = this.pendingBytes.get(volumeId) ?? 0;
    return await Promise.resolve({
      capacityBytes,
      usedBytes: 4096,
      usedInodes: 3,
      pendingBytes,
      oldestPendingMs: 0,
    });
  }

  async leave(volumeId: string): Promise<boolean> {
    const error = this.leaveError;
    if (error !== undefined) throw error;
    const isClean = (this.pendingBytes.get(volumeId) ?? 0) === 0;
    if (isClean) this.records.delete(volumeId);
    return await Promise.resolve(isClean);
  }

  async setGroups(volumeId: string, gids: readonly number[]): Promise<void> {
    this.groups.set(volumeId, gids);
    await Promise.resolve();
  }

  async stop(volumeId: string): Promise<void> {
    this.running.delete(volumeId);
    await Promise.resolve();
  }

  async isReachable(): Promise<boolean> {
    return await Promise.resolve(true);
  }
}

/** What a server says when S3 refuses its keys. */
export const deniedByS3 = new VolumeServerError(
  "denied",
  "bucket 'data' at http://127.0.0.1:1: AccessDenied",
);
