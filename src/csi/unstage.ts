import { CsiError } from "./error.ts";
import type { NodeUnstageVolumeRequest__Output } from "./gen/csi/v1/NodeUnstageVolumeRequest.ts";
import { mountedTargets, unmountVolume } from "./mounted.ts";
import { MountError } from "./mounter.ts";
import { isVolumeMount, mountAt } from "./mountinfo.ts";
import type { NodeDependencies } from "./node-dependencies.ts";
import type { StageRecord } from "./stage-journal.ts";
import type { RpcCall } from "./unary.ts";
import { volumeId } from "./volume-id.ts";
import { isPending, type Pending, VolumeServerError } from "./volume-servers.ts";

/** One call waits this long at most; kubelet repeats it until `unstageFlushTimeout` is over. */
const flushPerCallMs = 30_000;

/**
 * Has the kernel hand its last dirty pages to the server, unmounts the staging path, exports what is pending,
 * and ends the server.
 * @throws {CsiError} INVALID_ARGUMENT; FAILED_PRECONDITION while a target is mounted; ABORTED while data is
 * pending and `unstageFlushTimeout` has not passed: afterwards the data stays on this node's disk and the
 * volume is let go, with an error in the log.
 */
export async function unstageVolume(
  request: NodeUnstageVolumeRequest__Output,
  dependencies: NodeDependencies & RpcCall,
): Promise<Record<string, never>> {
  const id = volumeId(request.volumeId);
  if (request.stagingTargetPath === "") {
    throw new CsiError("INVALID_ARGUMENT", `Volume ${id}: the staging target path is missing`);
  }
  const { journal, servers, mounter, signal } = dependencies;
  const record = await journal.read(id);
  const path = record?.stagingPath ?? request.stagingTargetPath;
  const staged = await mounter.canonicalPath(path);
  // Nothing recorded: the server was stopped before its record was removed, or there never was one.
  if (record === undefined) {
    await unmountVolume(staged, mounter);
    return {};
  }
  const [busy] = await mountedTargets(record, mounter);
  if (busy !== undefined) {
    throw new CsiError("FAILED_PRECONDITION", `Volume ${id} is still published at ${busy}`);
  }
  const patience = await patienceOf(record, dependencies);
  const entry = mountAt(await mounter.mounts(), staged);
  if (entry !== undefined && isVolumeMount(entry)) {
    await writeBack(staged, patience, dependencies);
    await unmountVolume(staged, mounter);
  }
  await exportPending(record, patience, dependencies);
  await withdraw(record, patience, dependencies);
  await servers.stop(id, signal);
  await journal.remove(id);
  return {};
}

/** What is left of `unstageFlushTimeout`, in milliseconds; the first call of an Unstage starts it, durably. */
type Patience = () => number;

async function patienceOf(
  record: StageRecord,
  { journal, clock }: NodeDependencies,
): Promise<Patience> {
  const nowMs = () => Number(clock.nowNs() / 1_000_000n);
  const beganMs = record.unstageBeganMs ?? nowMs();
  if (record.unstageBeganMs === undefined) {
    await journal.write({ ...record, unstageBeganMs: beganMs });
  }
  return () => beganMs + record.unstageFlushTimeoutMs - nowMs();
}

/**
 * Before the unmount and not by it: an unmount has taken the mount away before it writes, and drops what is left
 * when its time is over.
 */
async function writeBack(
  staged: string,
  patience: Patience,
  { mounter, log }: NodeDependencies & RpcCall,
): Promise<void> {
  try {
    await mounter.writeBack(staged);
  } catch (cause) {
    if (!(cause instanceof MountError)) throw cause;
    const what = `the kernel still has changes below ${staged} that the server does not take`;
    if (patience() > 0) {
      throw new CsiError("ABORTED", `${what}: ${cause.message}`, { cause });
    }
    log.error("Unmounted with changes that no server has", { what, cause });
  }
}

/** Another node may have the volume from here on, unless this one keeps changes that S3 does not have. */
async function withdraw(
  { volumeId: id }: StageRecord,
  patience: Patience,
  { servers, log, signal }: NodeDependencies & RpcCall,
): Promise<void> {
  try {
    if (await servers.leave(id, signal)) return;
    log.error("This node's record of the volume stands: other nodes wait for what is pending here");
  } catch (cause) {
    if (!(cause instanceof VolumeServerError)) throw cause;
    if (patience() > 0) {
      const what = `this node's record of the volume cannot be withdrawn: ${cause.message}`;
      throw new CsiError("ABORTED", `Volume ${id}: ${what}`, { cause });
    }
    log.error("This node's record of the volume stands: other nodes wait for it", { cause });
  }
}

/**
 * Starts the server of a volume that has none, as after a restart of the machine: what it left on the
 * disk is to be exported, and this node's record withdrawn. False when its keys are gone.
 */
async function revive(
  record: StageRecord,
  { servers, log, signal }: NodeDependencies & RpcCall,
): Promise<boolean> {
  if (record.authenticationSource !== "driver") {
    log.error(
      "Unstaged without its server: the keys of its Secret are gone, and what is here waits",
    );
    return false;
  }
  await servers.start({ spec: record.spec, credentials: undefined }, signal);
  return true;
}

async function exportPending(
  record: StageRecord,
  patience: Patience,
  dependencies: NodeDependencies & RpcCall,
): Promise<void> {
  const { servers, events, nodeId, log, signal } = dependencies;
  const { volumeId: id } = record;
  const leftMs = patience();
  const waitMs = Math.max(0, Math.min(leftMs, flushPerCallMs));
  let pending: Pending | undefined;
  try {
    pending = await servers.flush(id, waitMs, signal);
    if (pending === undefined && (await revive(record, dependencies))) {
      pending = await servers.flush(id, waitMs, signal);
    }
  } catch (cause) {
    const code = cause instanceof VolumeServerError ? cause.code : undefined;
    if (code === "elsewhere" || code === "noSuchBucket") {
      log.error("The volume is no longer this node's: what is here stays here", { cause });
      return;
    }
    if (!(cause instanceof VolumeServerError) || leftMs > 0) throw cause;
    // A server that never comes up again must not keep the volume here for ever; its state stays on the disk.
    log.error("Unstaged without an answer of its server", { volumeId: id, cause });
    return;
  }
  if (pending === undefined || !isPending(pending)) return;
  const { pendingBytes, oldestPendingMs } = pending;
  const where = `bucket '${record.spec.bucket}' at ${record.spec.endpoint ?? "AWS S3"}`;
  const what = `${pendingBytes} bytes of changes, the oldest ${Math.round(oldestPendingMs / 1000)} s old, are not yet in ${where}`;
  if (patience() > 0) {
    throw new CsiError("ABORTED", `Volume ${id}: ${what}`);
  }
  log.error("Unstaged with data that is only on this node's disk", { what });
  for (const object of record.references ?? []) {
    const message = `Volume ${id} was unstaged, and ${what}: they stay on the disk of node ${nodeId} until the volume is used there again`;
    events.emit({ object, type: "Warning", reason: "ChangesKeptOnNode", message });
  }
}
