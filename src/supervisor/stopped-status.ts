import { ControlError } from "../control/error.ts";
import type { VolumeStatus } from "../control/messages.ts";
import { readLeftover, readVolumeRecord } from "../control/volume-folder.ts";

/** What the folder of a stopped volume says; undefined when it holds none. */
export function stoppedStatus(folder: string): VolumeStatus | undefined {
  const common = { folder, state: "stopped", restarts: 0 } as const;
  try {
    const record = readVolumeRecord(folder);
    if (record === undefined) return undefined;
    const { volumeId, bucket, prefix } = record.spec;
    const leftover = readLeftover(folder);
    return { volumeId, bucket, prefix, ...common, ...(leftover === undefined ? {} : { leftover }) };
  } catch (error) {
    // One damaged folder must not hide the other volumes.
    if (!(error instanceof ControlError)) throw error;
    return { volumeId: "", bucket: "", prefix: "", ...common, lastError: error.message };
  }
}
