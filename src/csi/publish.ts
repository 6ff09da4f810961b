import { isDeepStrictEqual } from "node:util";
import { mountCapability } from "./capability.ts";
import { CsiError } from "./error.ts";
import type { NodePublishVolumeRequest__Output } from "./gen/csi/v1/NodePublishVolumeRequest.ts";
import type { NodeUnpublishVolumeRequest__Output } from "./gen/csi/v1/NodeUnpublishVolumeRequest.ts";
import { mountedTargets, unmountVolume } from "./mounted.ts";
import { isVolumeMount, type MountEntry, mountAt } from "./mountinfo.ts";
import type { NodeDependencies } from "./node-dependencies.ts";
import { podReference } from "./references.ts";
import { credentialsFor } from "./secrets.ts";
import { groupsOf, type Publication, type StageRecord } from "./stage-journal.ts";
import type { RpcCall } from "./unary.ts";
import { tellPending, tellShared } from "./volume-events.ts";
import { volumeId } from "./volume-id.ts";
import { isPending, VolumeServerError } from "./volume-servers.ts";

/** Below the time of a call: the unmount has to follow. */
const mostFlushMs = 60_000;
/** A server that does not answer is waited for so much longer than the export that it was asked for. */
const answerMs = 2_000;

const without = (record: StageRecord, targetPath: string): StageRecord => ({
  ...record,
  publications: record.publications.filter((one) => one.targetPath !== targetPath),
});

/** CSI spec, NodePublishVolume: missing arguments are judged before the volume is looked up. */
function judge(request: NodePublishVolumeRequest__Output): Publication {
  const id = volumeId(request.volumeId);
  if (request.targetPath === "") {
    throw new CsiError("INVALID_ARGUMENT", `Volume ${id}: the target path is missing`);
  }
  const { accessMode, readOnly, vfsFlags, mountGroup } = mountCapability(request.volumeCapability);
  const pod = podReference(request.volumeContext);
  return {
    targetPath: request.targetPath,
    readOnly: readOnly || request.readonly,
    accessMode,
    vfsFlags,
    ...(mountGroup === undefined ? {} : { mountGroup }),
    ...(pod === undefined ? {} : { pod }),
  };
}

/** What a repeated Publish must agree with. */
const fixed = ({ pod: _, ...publication }: Publication) => publication;

/** The volume's record and mount. @throws {CsiError} FAILED_PRECONDITION when it is not staged at that path. */
async function staged(
  request: NodePublishVolumeRequest__Output,
  { journal, mounter }: NodeDependencies,
): Promise<{ readonly record: StageRecord; readonly source: string; readonly entry: MountEntry }> {
  const { volumeId: id, stagingTargetPath } = request;
  const record = await journal.read(id);
  if (record?.state !== "staged" || record.stagingPath !== stagingTargetPath) {
    const where = stagingTargetPath === "" ? "" : ` at ${stagingTargetPath}`;
    throw new CsiError("FAILED_PRECONDITION", `Volume ${id} is not staged${where}`);
  }
  const source = await mounter.canonicalPath(stagingTargetPath);
  const entry = mountAt(await mounter.mounts(), source);
  if (entry === undefined || !isVolumeMount(entry)) {
    // After a reboot the record outlives the mount; kubelet stages again.
    throw new CsiError("FAILED_PRECONDITION", `Volume ${id} is no longer mounted at ${source}`);
  }
  return { record, source, entry };
}

/**
 * Hands a Secret's keys on that came with the Publish: they may be newer than those of the Stage, which comes once. The
 * server that has them already is left alone.
 */
async function renewKeys(
  { secrets }: NodePublishVolumeRequest__Output,
  { spec, authenticationSource }: StageRecord,
  { servers, signal }: NodeDependencies & RpcCall,
): Promise<void> {
  if (authenticationSource !== "secret" || Object.keys(secrets).length === 0) return;
  await servers.start({ spec, credentials: credentialsFor("secret", secrets) }, signal);
}

/**
 * Shows the staged volume at the target path: journal, directory, bind mount, check. Repeats are answered
 * from mountinfo; a first publish that fails leaves neither mount nor directory.
 * @throws {CsiError} INVALID_ARGUMENT; FAILED_PRECONDITION when not staged, or for a second target of a volume
 * with a single writer; ALREADY_EXISTS when published there in another way; INTERNAL.
 */
export async function publishVolume(
  request: NodePublishVolumeRequest__Output,
  dependencies: NodeDependencies & RpcCall,
): Promise<Record<string, never>> {
  const wanted = judge(request);
  const { journal, mounter, log } = dependencies;
  const { record, source, entry } = await staged(request, dependencies);
  await renewKeys(request, record, dependencies);
  const publication: Publication = {
    ...wanted,
    readOnly: wanted.readOnly || record.spec.readOnly,
  };
  const { targetPath } = publication;
  const target = await mounter.canonicalPath(targetPath);
  const others = (await mountedTargets(record, mounter)).filter((path) => path !== targetPath);
  const modes = [publication, ...record.publications.filter((p) => others.includes(p.targetPath))];
  if (others.length > 0 && modes.some((one) => one.accessMode === "SINGLE_NODE_SINGLE_WRITER")) {
    throw new CsiError(
      "FAILED_PRECONDITION",
      `Volume ${record.volumeId} has a single writer and is published at ${others[0]}`,
    );
  }
  const known = record.publications.find((one) => one.targetPath === targetPath);
  const there = mountAt(await mounter.mounts(), target);
  if (there !== undefined && (known === undefined || !isVolumeMount(there))) {
    throw new CsiError(
      "FAILED_PRECONDITION",
      `Volume ${record.volumeId}: ${target} is the mount point of ${there.source} (${there.fsType})`,
    );
  }
  const isSame = known !== undefined && isDeepStrictEqual(fixed(known), fixed(publication));
  if (there !== undefined && !isSame) {
    throw new CsiError(
      "ALREADY_EXISTS",
      `Volume ${record.volumeId} is published at ${targetPath} with another capability or readonly`,
    );
  }
  // A repeat for a running pod: whatever fails now, its mount stays.
  const isInUse = there?.device === entry.device;
  const kept = without(record, targetPath);
  const now = { ...kept, publications: [...kept.publications, publication] };
  await journal.write(now);
  try {
    await dependencies.servers.setGroups(record.volumeId, groupsOf(now), dependencies.signal);
    // A mount of an earlier superblock of this volume is dead weight: the pod behind it is gone.
    if (there !== undefined && !isInUse) await unmountVolume(target, mounter);
    if (mountAt(await mounter.mounts(), target) === undefined) {
      await mounter.makeDirectory(target, 0o000);
    }
    await mounter.bind({ ...publication, source, target });
    const bound = mountAt(await mounter.mounts(), target);
    if (bound?.device !== entry.device || (publication.readOnly && !bound.options.includes("ro"))) {
      throw new CsiError("INTERNAL", `Volume ${record.volumeId}: ${target} is not its mount`);
    }
  } catch (error) {
    if (isInUse) throw error;
    try {
      await unmountVolume(target, mounter);
      await mounter.removeDirectory(target);
      await journal.write(kept);
    } catch (cause) {
      // The record keeps the target: Unpublish finds it.
      log.warn("Failed Publish could not be taken back", { volumeId: record.volumeId, cause });
    }
    throw error;
  }
  tellShared(record, publication.pod === undefined ? [] : [publication.pod], dependencies);
  return {};
}

/** A group that outlives its pods until the next Publish lets nobody in who is not in it: no reason to fail. */
async function dropGroups(
  before: StageRecord,
  left: StageRecord,
  { servers, log, signal }: NodeDependencies & RpcCall,
): Promise<void> {
  const gids = groupsOf(left);
  if (isDeepStrictEqual(gids, groupsOf(before))) return;
  try {
    await servers.setGroups(left.volumeId, gids, signal);
  } catch (error) {
    if (!(error instanceof VolumeServerError)) throw error;
    log.warn("The volume keeps the group of a pod that is gone", { gids, error });
  }
}

/**
 * Takes the volume away from the target path and removes the empty directory. The last target of a volume is
 * first exported, for at most `unpublishFlushTimeout`; S3 being away, or a server that hangs, delays a pod's end no longer.
 * @throws {CsiError} INVALID_ARGUMENT; FAILED_PRECONDITION when something of others is mounted there; INTERNAL.
 */
export async function unpublishVolume(
  request: NodeUnpublishVolumeRequest__Output,
  dependencies: NodeDependencies & RpcCall,
): Promise<Record<string, never>> {
  const id = volumeId(request.volumeId);
  const { targetPath } = request;
  if (targetPath === "") {
    throw new CsiError("INVALID_ARGUMENT", `Volume ${id}: the target path is missing`);
  }
  const { journal, servers, mounter, log, signal } = dependencies;
  const record = await journal.read(id);
  const target = await mounter.canonicalPath(targetPath);
  const entry = mountAt(await mounter.mounts(), target);
  if (entry !== undefined && !isVolumeMount(entry)) {
    throw new CsiError(
      "FAILED_PRECONDITION",
      `Volume ${id}: ${target} is the mount point of ${entry.source} (${entry.fsType}), not of a volume`,
    );
  }
  if (entry !== undefined && record !== undefined) {
    const targets = await mountedTargets(record, mounter);
    if (targets.every((path) => path === targetPath)) {
      try {
        const waitMs = Math.min(record.unpublishFlushTimeoutMs, mostFlushMs);
        const limit = AbortSignal.any([signal, AbortSignal.timeout(waitMs + answerMs)]);
        const pending = await servers.flush(id, waitMs, limit);
        if (pending !== undefined && isPending(pending)) {
          log.warn("Unpublished with changes pending", { ...pending });
          tellPending(record, targetPath, pending, dependencies);
        }
      } catch (cause) {
        // The data is safe on this node's disk; NodeUnstage is where it is waited for.
        log.warn("Could not export before unpublish", { volumeId: id, cause });
      }
    }
  }
  await unmountVolume(target, mounter);
  await mounter.removeDirectory(target);
  if (record !== undefined) {
    const left = without(record, targetPath);
    // While the record still names the pod: a repeat would not know that its group is to go.
    await dropGroups(record, left, dependencies);
    await journal.write(left);
  }
  return {};
}
