import type { Events } from "../kubernetes/events.ts";
import { describePlace, type VolumeBucket } from "./bucket-volumes.ts";
import type { ControllerDependencies } from "./create-volume.ts";
import { CsiError } from "./error.ts";
import { openVolume, type VolumeRequest } from "./open-volume.ts";
import type { OwnershipMark } from "./ownership-mark.ts";
import type { RpcCall } from "./unary.ts";

/** What a policy makes of the mark, in one conditional write: what follows, if anything, can be cut off anywhere. */
const stateAfter = {
  delete: "deleting",
  retain: "released",
  archive: "archived",
} as const satisfies Record<OwnershipMark["onDelete"], OwnershipMark["state"]>;

/** How long a deletion waits for nodes that have the volume: longer than Unstage waits for S3 unless told otherwise. */
const nodesPatienceMs = 10 * 60_000;

/**
 * Deletes, releases or archives the volume, as its mark says. Only what carries the mark of this very volume is
 * touched; a volume that does not exist has been deleted (CSI spec, DeleteVolume). What is not removed within the
 * call's time is removed by its repeats.
 * @throws {CsiError} INVALID_ARGUMENT; ABORTED when somebody else works on the volume or still writes;
 * DEADLINE_EXCEEDED; PERMISSION_DENIED, UNAUTHENTICATED, UNAVAILABLE from the store.
 */
export async function deleteVolume(
  request: VolumeRequest,
  dependencies: ControllerDependencies & RpcCall,
): Promise<Record<string, never>> {
  const volume = openVolume(request, dependencies);
  if (volume === undefined) return {};
  try {
    return await deleteFrom(volume, request, dependencies);
  } catch (error) {
    // The other replica was faster, and the bucket is gone.
    if (error instanceof CsiError && error.code === "NOT_FOUND") return {};
    throw error;
  }
}

async function deleteFrom(
  volume: VolumeBucket,
  request: VolumeRequest,
  dependencies: ControllerDependencies & RpcCall,
): Promise<Record<string, never>> {
  const { log } = dependencies;
  const found = await volume.readMark();
  switch (found.kind) {
    case "noSuchBucket":
      return {};
    case "foreign":
      log.warn("Kept: the bucket or prefix does not carry this volume's mark");
      return {};
    case "unmarked":
      // A crash between removing the mark and removing the bucket, or the index entry.
      if (await volume.isLeftover()) await volume.removeBucket();
      await volume.removeFromIndex();
      return {};
    case "marked": {
      const { mark, etag } = found;
      if (mark.volumeId !== request.volumeId) {
        // Released, and taken over by another volume since.
        log.warn("Kept: the bucket or prefix belongs to another volume", { owner: mark.volumeId });
        return {};
      }
      const isOver = mark.state === "released" || mark.state === "archived";
      if (!isOver) {
        if (mark.state === "owned") await waitForNodes(volume, mark, etag, dependencies);
        await changeState(volume, mark, etag);
        if (mark.onDelete === "delete") await volume.remove(mark);
        else tell(volume, mark, dependencies.events);
      }
      await volume.removeFromIndex();
      return {};
    }
  }
}

/** The first request's time is kept in the mark: the wait ends, whichever replica is asked, and however often it restarts. */
async function waitForNodes(
  volume: VolumeBucket,
  mark: OwnershipMark,
  etag: string,
  { clock, log }: ControllerDependencies & RpcCall,
): Promise<void> {
  const nodes = await volume.stagedOn();
  if (nodes.length === 0) return;
  const nowMs = Number(clock.nowNs() / 1_000_000n);
  const askedMs = Date.parse(mark.deletionAskedAt ?? "");
  if (Number.isNaN(askedMs)) {
    const deletionAskedAt = new Date(nowMs).toISOString();
    await volume.writeMark({ ...mark, deletionAskedAt }, etag);
  }
  const leftMs = (Number.isNaN(askedMs) ? nowMs : askedMs) + nodesPatienceMs - nowMs;
  if (leftMs > 0) {
    throw volume.error(
      "ABORTED",
      `still staged on node ${nodes.join(", ")}; it is deleted once it is unstaged there, or in ${Math.ceil(leftMs / 1000)} s`,
    );
  }
  log.warn("Deleted although nodes have the volume: what is pending there goes nowhere", { nodes });
}

function tell(volume: VolumeBucket, mark: OwnershipMark, events: Events): void {
  const isArchived = mark.onDelete === "archive";
  events.emit({
    // The volume's CSI name is that of the PersistentVolume.
    object: { kind: "PersistentVolume", name: mark.name },
    type: "Normal",
    reason: isArchived ? "VolumeArchived" : "VolumeReleased",
    message: `${describePlace(volume.place)}: the data stays, as onDelete: ${mark.onDelete} says${isArchived ? "; no volume takes its place" : ""}`,
  });
}

async function changeState(volume: VolumeBucket, mark: OwnershipMark, etag: string): Promise<void> {
  const state = stateAfter[mark.onDelete];
  if (mark.state === state) return;
  const now = await volume.writeMark({ ...mark, state }, etag);
  if (now.state === state && now.volumeId === mark.volumeId) return;
  throw volume.error("ABORTED", "the ownership mark changed while the volume was being deleted");
}
