import { normalize } from "node:path";
import { CsiError, type CsiErrorCode } from "./error.ts";
import type { NodeDefinition } from "./gen/csi/v1/Node.ts";
import type { NodeServiceCapability } from "./gen/csi/v1/NodeServiceCapability.ts";
import type { VolumeUsage } from "./gen/csi/v1/VolumeUsage.ts";
import { MountError } from "./mounter.ts";
import { isVolumeMount, mountAt } from "./mountinfo.ts";
import type { NodeDependencies } from "./node-dependencies.ts";
import { publishVolume, unpublishVolume } from "./publish.ts";
import { stageVolume } from "./stage.ts";
import type { RpcCall, Rpcs } from "./unary.ts";
import { unstageVolume } from "./unstage.ts";
import {
  VolumeServerError,
  type VolumeServerErrorCode,
  type VolumeUsageCounters,
} from "./volume-servers.ts";

const codeOf = {
  denied: "PERMISSION_DENIED",
  unauthenticated: "UNAUTHENTICATED",
  noSuchBucket: "NOT_FOUND",
  unavailable: "UNAVAILABLE",
  exhausted: "RESOURCE_EXHAUSTED",
  identity: "FAILED_PRECONDITION",
  elsewhere: "ABORTED",
  supervisor: "UNAVAILABLE",
} as const satisfies Record<VolumeServerErrorCode, CsiErrorCode>;

/** Runs `work` and turns failures of mounts and servers into CSI errors that name the volume. */
async function naming<T>(volumeId: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof VolumeServerError) {
      throw new CsiError(codeOf[error.code], `Volume ${volumeId}: ${error.message}`, {
        cause: error,
      });
    }
    if (error instanceof MountError) {
      throw new CsiError("INTERNAL", `Volume ${volumeId}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

const capability = (
  type:
    | "STAGE_UNSTAGE_VOLUME"
    | "GET_VOLUME_STATS"
    | "VOLUME_MOUNT_GROUP"
    | "SINGLE_NODE_MULTI_WRITER",
): NodeServiceCapability => ({ rpc: { type } });

function bytesAndInodes(counters: VolumeUsageCounters): VolumeUsage[] {
  const { capacityBytes, usedBytes, usedInodes } = counters;
  const available = Math.max(0, capacityBytes - usedBytes);
  return [
    {
      unit: "BYTES",
      used: String(usedBytes),
      // A claim without a capacity has no total; CSI spec, VolumeUsage: these are optional.
      ...(capacityBytes === 0
        ? {}
        : { total: String(capacityBytes), available: String(available) }),
    },
    { unit: "INODES", used: String(usedInodes) },
  ];
}

async function usageOf(
  request: { readonly volumeId: string; readonly volumePath: string },
  {
    journal,
    servers,
    mounter,
    signal,
    lastUsage,
  }: NodeDependencies & RpcCall & { readonly lastUsage: Map<string, VolumeUsageCounters> },
): Promise<VolumeUsage[]> {
  const { volumeId, volumePath } = request;
  if (volumeId === "") throw new CsiError("INVALID_ARGUMENT", "The volume id is missing");
  if (volumePath === "") throw new CsiError("INVALID_ARGUMENT", "The volume path is missing");
  const record = await journal.read(volumeId);
  if (record === undefined) throw new CsiError("NOT_FOUND", `Volume ${volumeId} is not staged`);
  const known = [record.stagingPath, ...record.publications.map((one) => one.targetPath)].find(
    (path) => normalize(path) === normalize(volumePath),
  );
  const entry =
    known === undefined
      ? undefined
      : mountAt(await mounter.mounts(), await mounter.canonicalPath(known));
  if (entry === undefined || !isVolumeMount(entry)) {
    throw new CsiError("NOT_FOUND", `Volume ${volumeId} is not mounted at ${volumePath}`);
  }
  const counters = await currentUsage(volumeId, { servers, signal });
  if (counters !== undefined) lastUsage.set(volumeId, counters);
  const shown = counters ?? lastUsage.get(volumeId);
  if (shown === undefined) {
    throw new CsiError("UNAVAILABLE", `Volume ${volumeId}: its server is not running`);
  }
  return bytesAndInodes(shown);
}

/** Undefined while the server is away: what it said last is then nearer the truth than nothing. */
async function currentUsage(
  volumeId: string,
  { servers, signal }: Pick<NodeDependencies, "servers"> & Pick<RpcCall, "signal">,
): Promise<VolumeUsageCounters | undefined> {
  try {
    return await servers.usage(volumeId, signal);
  } catch (error) {
    if (error instanceof VolumeServerError) return undefined;
    throw error;
  }
}

/** The Node service. Each mounting RPC has a file of its own. */
export function nodeRpcs(dependencies: NodeDependencies): Rpcs<NodeDefinition> {
  const within = (call: RpcCall) => ({ ...dependencies, ...call });
  /** What each volume's server said last. */
  const lastUsage = new Map<string, VolumeUsageCounters>();
  return {
    NodeStageVolume: (request, call) =>
      naming(request.volumeId, () => stageVolume(request, within(call))),
    NodeUnstageVolume: (request, call) =>
      naming(request.volumeId, async () => {
        const answer = await unstageVolume(request, within(call));
        lastUsage.delete(request.volumeId);
        return answer;
      }),
    NodePublishVolume: (request, call) =>
      naming(request.volumeId, () => publishVolume(request, within(call))),
    NodeUnpublishVolume: (request, call) =>
      naming(request.volumeId, () => unpublishVolume(request, within(call))),
    NodeGetVolumeStats: (request, call) =>
      naming(request.volumeId, async () => ({
        usage: await usageOf(request, { ...within(call), lastUsage }),
      })),
    NodeGetCapabilities: () =>
      Promise.resolve({
        capabilities: [
          capability("STAGE_UNSTAGE_VOLUME"),
          capability("GET_VOLUME_STATS"),
          capability("VOLUME_MOUNT_GROUP"),
          capability("SINGLE_NODE_MULTI_WRITER"),
        ],
      }),
    NodeGetInfo: () =>
      Promise.resolve({
        nodeId: dependencies.nodeId,
        maxVolumesPerNode: String(dependencies.maxVolumesPerNode),
      }),
  };
}
