import { manyPods } from "./scenarios/access.ts";
import { causes } from "./scenarios/causes.ts";
import { deletion } from "./scenarios/deletion.ts";
import { firstVolume } from "./scenarios/first-volume.ts";
import { restarts } from "./scenarios/restarts.ts";
import type { Space } from "./space.ts";

/** Something that must hold on every cluster, by kubectl and the store alone where that can show it. */
export interface Scenario {
  /** A sentence about behaviour. */
  readonly title: string;
  /** Name of its namespace. */
  readonly name: string;
  run(space: Space): Promise<void>;
}

/** All scenarios, in the order in which they run: the local cluster and kind run the same list. */
export const scenarios: readonly Scenario[] = [
  ...firstVolume,
  ...manyPods,
  ...deletion,
  ...causes,
  ...restarts,
];
