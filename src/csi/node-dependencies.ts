import type { Clock } from "../base/clock.ts";
import type { Events } from "../kubernetes/events.ts";
import type { Mounter } from "./mounter.ts";
import type { StageJournal } from "./stage-journal.ts";
import type { VolumeServers } from "./volume-servers.ts";
import type { Connections } from "./volume-spec-of.ts";

/** What the node service is given. */
export interface NodeDependencies {
  readonly nodeId: string;
  /** 0: kubelet sets no limit. */
  readonly maxVolumesPerNode: number;
  readonly connections: Connections;
  readonly journal: StageJournal;
  readonly servers: VolumeServers;
  readonly mounter: Mounter;
  readonly events: Events;
  readonly clock: Clock;
}
