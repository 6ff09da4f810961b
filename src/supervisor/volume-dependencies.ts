import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { VolumeSpec } from "../control/volume-spec.ts";
import type { Launcher, ServerProgram } from "./launcher.ts";
import type { MemoryCgroups } from "./memory-cgroups.ts";
import type { VolumePaths } from "./volume-paths.ts";

/** What every volume of a supervisor works with. */
export interface VolumeDependencies {
  readonly launcher: Launcher;
  /** Undefined where servers have no memory limit of their own. */
  readonly cgroups: MemoryCgroups | undefined;
  /** The program that serves a volume. */
  readonly programOf: (spec: VolumeSpec, paths: VolumePaths) => ServerProgram;
  readonly clock: Clock;
  readonly log: Log;
  /** Takes the servers' own log lines, each a JSON object with its line feed. */
  readonly passOn: (line: string) => void;
}
