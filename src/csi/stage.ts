import { isDeepStrictEqual } from "node:util";
import type { CredentialsFile } from "../control/volume-spec.ts";
import { isSingleNode, mountCapability } from "./capability.ts";
import { CsiError } from "./error.ts";
import type { NodeStageVolumeRequest__Output } from "./gen/csi/v1/NodeStageVolumeRequest.ts";
import { isVolumeMount, mountAt } from "./mountinfo.ts";
import type { NodeDependencies } from "./node-dependencies.ts";
import { parseParameters } from "./parameters.ts";
import { mountedTargets } from "./publish.ts";
import { credentialsFor } from "./secrets.ts";
import type { StageRecord } from "./stage-journal.ts";
import type { RpcCall } from "./unary.ts";
import { volumeId } from "./volume-id.ts";
import { volumeSpecOf } from "./volume-spec-of.ts";

const cleanUpBudgetMs = 20_000;

/** The record that the request asks for. Volume attributes pass the same schema as a class's parameters. */
function judge(
  request: NodeStageVolumeRequest__Output,
  dependencies: NodeDependencies,
): { readonly record: StageRecord; readonly credentials: CredentialsFile | undefined } {
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
    unpublishFlushTimeoutMs: parameters.unpublishFlushTimeout ?? 20_000,
    unstageFlushTimeoutMs: parameters.unstageFlushTimeout ?? 300_000,
    publications: [],
  };
  const source = parameters.authenticationSource ?? "driver";
  return { record, credentials: credentialsFor(source, request.secrets) };
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
 * @throws {CsiError} INVALID_ARGUMENT, ALREADY_EXISTS, FAILED_PRECONDITION, INTERNAL; from S3 through the server
 * PERMISSION_DENIED, UNAUTHENTICATED, NOT_FOUND (no such bucket), UNAVAILABLE.
 */
export async function stageVolume(
  request: NodeStageVolumeRequest__Output,
  dependencies: NodeDependencies & RpcCall,
): Promise<Record<string, never>> {
  const { record, credentials } = judge(request, dependencies);
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
  // Pods may be using what an earlier Stage made: a repeat that fails must not take it from them.
  const wasUp =
    mounted !== undefined ||
    (before !== undefined && (await mountedTargets(before, mounter)).length > 0);
  const began = before?.state ?? "staging";
  const publications = before?.publications ?? [];
  await journal.write({ ...record, state: began, publications });
  try {
    await bringUp(record, { ...dependencies, target, credentials });
  } catch (error) {
    if (began === "staging" && !wasUp && !signal.aborted) {
      await takeBack(record, target, dependencies);
    }
    throw error;
  }
  await journal.write({ ...record, state: "staged", publications });
  return {};
}

async function bringUp(
  record: StageRecord,
  dependencies: NodeDependencies &
    RpcCall & { readonly target: string; readonly credentials: CredentialsFile | undefined },
): Promise<void> {
  const { servers, mounter, signal, target, credentials } = dependencies;
  const { pin } = await servers.start({ spec: record.spec, credentials }, signal);
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
