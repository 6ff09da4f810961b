import type { ObjectReference } from "../kubernetes/events.ts";
import type { NodeDependencies } from "./node-dependencies.ts";
import type { StageRecord } from "./stage-journal.ts";
import type { Pending } from "./volume-servers.ts";

/** Tells who is concerned that pods on several nodes see each other's changes late, and not each other's locks. */
export function tellShared(
  record: StageRecord,
  objects: readonly ObjectReference[],
  { events, nodeId }: NodeDependencies,
): void {
  const { sharedWith = [], volumeId: id } = record;
  if (sharedWith.length === 0) return;
  const nodes = [...sharedWith, nodeId].join(", ");
  const message = `Volume ${id} is on several nodes (${nodes}): locks hold within a node, and a node sees the others' changes when S3 has them`;
  for (const object of objects) {
    events.emit({ object, type: "Warning", reason: "SharedAcrossNodes", message });
  }
}

/** Tells who is concerned that the last pod has gone and its node still has what S3 does not. */
export function tellPending(
  record: StageRecord,
  targetPath: string,
  pending: Pending,
  { events, nodeId }: NodeDependencies,
): void {
  const { pendingBytes, oldestPendingMs } = pending;
  const message = `Volume ${record.volumeId}: ${pendingBytes} bytes of changes, the oldest ${Math.round(oldestPendingMs / 1000)} s old, are on node ${nodeId} and not yet in S3; they are exported from there`;
  const pod = record.publications.find((one) => one.targetPath === targetPath)?.pod;
  const objects = [...(record.references ?? []), ...(pod === undefined ? [] : [pod])];
  for (const object of objects) {
    events.emit({ object, type: "Warning", reason: "ChangesPending", message });
  }
}
