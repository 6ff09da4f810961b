import { CsiError } from "./error.ts";
import type { NodeUnstageVolumeRequest__Output } from "./gen/csi/v1/NodeUnstageVolumeRequest.ts";
import { isVolumeMount, mountAt } from "./mountinfo.ts";
import type { NodeDependencies } from "./node-dependencies.ts";
import { mountedTargets, unmountVolume } from "./publish.ts";
import type { StageRecord } from "./stage-journal.ts";
import type { RpcCall } from "./unary.ts";
import { volumeId } from "./volume-id.ts";
import { isPending } from "./volume-servers.ts";

/** One call waits this long at most; kubelet repeats it until `unstageFlushTimeout` is over. */
const flushPerCallMs = 30_000;

/**
 * Unmounts the staging path, which hands the kernel's last dirty pages to the server, exports what is
 * pending, and ends the server.
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
  if (record !== undefined) {
    const [busy] = await mountedTargets(record, mounter);
    if (busy !== undefined) {
      throw new CsiError("FAILED_PRECONDITION", `Volume ${id} is still published at ${busy}`);
    }
  }
  const entry = mountAt(await mounter.mounts(), staged);
  if (entry !== undefined && isVolumeMount(entry)) await unmountVolume(staged, mounter);
  // Nothing recorded: the server was stopped before its record was removed, or there never was one.
  if (record === undefined) return {};
  await exportPending(record, dependencies);
  await servers.stop(id, signal);
  await journal.remove(id);
  return {};
}

async function exportPending(
  record: StageRecord,
  { journal, servers, clock, log, signal }: NodeDependencies & RpcCall,
): Promise<void> {
  const { volumeId: id, unstageFlushTimeoutMs } = record;
  const nowMs = () => Number(clock.nowNs() / 1_000_000n);
  const beganMs = record.unstageBeganMs ?? nowMs();
  if (record.unstageBeganMs === undefined) {
    await journal.write({ ...record, unstageBeganMs: beganMs });
  }
  const leftMs = beganMs + unstageFlushTimeoutMs - nowMs();
  const waitMs = Math.max(0, Math.min(leftMs, flushPerCallMs));
  const pending = await servers.flush(id, waitMs, signal);
  if (pending === undefined || !isPending(pending)) return;
  const { pendingBytes, oldestPendingMs } = pending;
  const where = `bucket '${record.spec.bucket}' at ${record.spec.endpoint ?? "AWS S3"}`;
  const what = `${pendingBytes} bytes of changes, the oldest ${Math.round(oldestPendingMs / 1000)} s old, are not yet in ${where}`;
  if (beganMs + unstageFlushTimeoutMs > nowMs()) {
    throw new CsiError("ABORTED", `Volume ${id}: ${what}`);
  }
  log.error("Unstaged with data that is only on this node's disk", { volumeId: id, what });
}
