import { isDeepStrictEqual } from "node:util";
import type { CredentialsFile } from "../control/volume-spec.ts";
import { isSingleNode, mountCapability } from "./capability.ts";
import { CsiError } from "./error.ts";
import type { NodeStageVolumeRequest__Output } from "./gen/csi/v1/NodeStageVolumeRequest.ts";
import { mountedTargets } from "./mounted.ts";
import { isVolumeMount, mountAt, mountedVolumes } from "./mountinfo.ts";
import type { NodeDependencies } from "./node-dependencies.ts";
import { parseParameters } from "./parameters.ts";
import { volumeReferences } from "./references.ts";
import { credentialsFor } from "./secrets.ts";
import { groupsOf, type StageRecord } from "./stage-journal.ts";
import type { RpcCall } from "./unary.ts";
import { tellShared } from "./volume-events.ts";
import { volumeId } from "./volume-id.ts";
import { VolumeServerError } from "./volume-servers.ts";
import { volumeSpecOf } from "./volume-spec-of.ts";

const cleanUpBudgetMs = 20_000;

/** The record that the request asks for. Volume attributes pass the same schema as a class's parameters. */
function judge(
  request: NodeStageVolumeRequest__Output,
  dependencies: NodeDependencies,
): {
  readonly record: StageRecord;
  readonly credentials: CredentialsFile | undefined;
  readonly mountGroup: number | undefined;
} {
  const id = volumeId(request.volumeId);
  if (request.stagingTargetPath === "") {
    throw new CsiError("INVALID_ARGUMENT", `Volume ${id}: the staging target path is missing`);
  }
  const capability = mountCapability(request.volumeCapability);
  const parameters = parseParameters(request.volumeContext, "volume");
  const record: StageRecord = {
    format: 1,
    volumeId: id,
    stagingPath: request.stagingTargetPath,
    state: "staging",
    spec: volumeSpecOf(
      {
        ...{ id, parameters, readOnly: capability.readOnly },
        node: { name: dependencies.nodeId, isSingle: isSingleNode(capability.accessMode) },
      },
      dependencies.connections,
    ),
    accessMode: capability.accessMode,
    vfsFlags: capability.vfsFlags,
    nfsOptions: capability.nfsOptions,
    authenticationSource: parameters.authenticationSource ?? "driver",
    unpublishFlushTimeoutMs: parameters.unpublishFlushTimeout ?? 20_000,
    unstageFlushTimeoutMs: parameters.unstageFlushTimeout ?? 300_000,
    publications: [],
    references: volumeReferences(request.volumeContext),
  };
  const source = parameters.authenticationSource ?? "driver";
  const { mountGroup } = capability;
  return { record, credentials: credentialsFor(source, request.secrets), mountGroup };
}

/** What a repeated Stage must agree with; timeouts and defaults may have changed in between. */
const fixed = (record: StageRecord) => ({
  stagingPath: record.stagingPath,
  accessMode: record.accessMode,
  bucket: record.spec.bucket,
  prefix: record.spec.prefix,
  cacheMode: record.spec.cacheMode,
  readOnly: record.spec.readOnly,
  vfsFlags: record.vfsFlags,
  nfsOptions: record.nfsOptions,
});

/**
 * Starts the volume's server and mounts it at the staging path: journal, server, mount, check, journal. A
 * repeat after a crash finds each step done and goes on. A Stage that fails takes back what it began, unless
 * only its time ran out, and then the next one continues, or the volume was mounted or staged before.
 * @throws {CsiError} INVALID_ARGUMENT, ALREADY_EXISTS, FAILED_PRECONDITION, RESOURCE_EXHAUSTED, INTERNAL; ABORTED
 * while another node has a single-node volume; from S3 through the server
 * PERMISSION_DENIED, UNAUTHENTICATED, NOT_FOUND (no such bucket), UNAVAILABLE.
 */
export async function stageVolume(
  request: NodeStageVolumeRequest__Output,
  dependencies: NodeDependencies & RpcCall,
): Promise<Record<string, never>> {
  const { record, credentials, mountGroup } = judge(request, dependencies);
  const { journal, mounter, signal } = dependencies;
  const target = await mounter.canonicalPath(record.stagingPath);
  const before = await journal.read(record.volumeId);
  const mounted = mountAt(await mounter.mounts(), target);
  if (before === undefined && mounted !== undefined) {
    throw new CsiError(
      "FAILED_PRECONDITION",
      `Volume ${record.volumeId}: ${target} is the mount point of ${mounted.source} (${mounted.fsType})`,
    );
  }
  if (before !== undefined && !isDeepStrictEqual(fixed(before), fixed(record))) {
    // CSI spec, NodeStageVolume: staged already, with something else.
    const old = mountAt(await mounter.mounts(), await mounter.canonicalPath(before.stagingPath));
    if (old !== undefined && isVolumeMount(old)) {
      throw new CsiError(
        "ALREADY_EXISTS",
        `Volume ${record.volumeId} is staged at ${before.stagingPath} with another capability or other attributes`,
      );
    }
  }
  const { maxVolumesPerNode: most } = dependencies;
  if (most > 0 && mounted === undefined && mountedVolumes(await mounter.mounts()) >= most) {
    throw new CsiError(
      "RESOURCE_EXHAUSTED",
      `Volume ${record.volumeId}: this node has its ${most} volumes`,
    );
  }
  // Pods may be using what an earlier Stage made: a repeat that fails must not take it from them.
  const wasUp =
    mounted !== undefined ||
    (before !== undefined && (await mountedTargets(before, mounter)).length > 0);
  const began = before?.state ?? "staging";
  const publications = before?.publications ?? [];
  await journal.write({ ...record, state: began, publications });
  let sharedWith: readonly string[];
  try {
    const groups = [
      ...groupsOf({ publications }),
      ...(mountGroup === undefined ? [] : [mountGroup]),
    ];
    const how = { target, credentials, groups: [...new Set(groups)] };
    sharedWith = await bringUp(record, { ...dependencies, ...how });
  } catch (error) {
    if (began === "staging" && !wasUp && !signal.aborted) {
      await takeBack(record, target, dependencies);
    }
    throw error;
  }
  const staged: StageRecord = { ...record, state: "staged", publications, sharedWith };
  await journal.write(staged);
  tellShared(staged, staged.references ?? [], dependencies);
  return {};
}

async function bringUp(
  record: StageRecord,
  dependencies: NodeDependencies &
    RpcCall & {
      readonly target: string;
      readonly credentials: CredentialsFile | undefined;
      readonly groups: readonly number[];
    },
): Promise<readonly string[]> {
  const { servers, mounter, signal, target, credentials, groups } = dependencies;
  const { pin, sharedWith } = await start(record, credentials, dependencies);
  // Before the kernel asks for the attributes of the root, which it then keeps for a while.
  if (groups.length > 0) await servers.setGroups(record.volumeId, groups, signal);
  if (mountAt(await mounter.mounts(), target) === undefined) {
    // Mode 0000: if the mount is ever missing, nobody writes onto the node's disk in its place.
    await mounter.makeDirectory(target, 0o000);
    signal.throwIfAborted();
    const { vfsFlags, nfsOptions } = record;
    const readOnly = record.spec.readOnly;
    await mounter.mountVolume({ pin, target, readOnly, vfsFlags, nfsOptions });
  }
  const entry = mountAt(await mounter.mounts(), target);
  if (entry === undefined || !isVolumeMount(entry)) {
    throw new CsiError("INTERNAL", `Volume ${record.volumeId}: ${target} did not become its mount`);
  }
  return sharedWith ?? [];
}

async function start(
  record: StageRecord,
  credentials: CredentialsFile | undefined,
  { servers, events, signal }: NodeDependencies & RpcCall,
): ReturnType<NodeDependencies["servers"]["start"]> {
  try {
    return await servers.start({ spec: record.spec, credentials }, signal);
  } catch (error) {
    if (error instanceof VolumeServerError && error.code === "elsewhere") {
      for (const object of record.references ?? []) {
        const { message } = error;
        events.emit({ object, type: "Warning", reason: "WaitingForOtherNode", message });
      }
    }
    throw error;
  }
}

async function takeBack(
  record: StageRecord,
  target: string,
  { journal, servers, mounter, log }: NodeDependencies & RpcCall,
): Promise<void> {
  try {
    const entry = mountAt(await mounter.mounts(), target);
    if (entry !== undefined && isVolumeMount(entry)) await mounter.unmount(target);
    const budget = AbortSignal.timeout(cleanUpBudgetMs);
    await servers.leave(record.volumeId, budget);
    await servers.stop(record.volumeId, budget);
    await journal.remove(record.volumeId);
  } catch (cause) {
    // The record stays: the next Stage or Unstage goes on from it.
    log.warn("Failed Stage could not be taken back", { volumeId: record.volumeId, cause });
  }
}
