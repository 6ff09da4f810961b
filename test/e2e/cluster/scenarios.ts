import { manyPods } from "./scenarios/access.ts";
import { causes } from "./scenarios/causes.ts";
import { chart } from "./scenarios/chart.ts";
import { deletion } from "./scenarios/deletion.ts";
import { firstVolume } from "./scenarios/first-volume.ts";
import { manyVolumes } from "./scenarios/many.ts";
import { outages } from "./scenarios/outages.ts";
import { restarts } from "./scenarios/restarts.ts";
import { twoNodes } from "./scenarios/two-nodes.ts";
import type { Space } from "./space.ts";

/** Something that must hold on every cluster, by kubectl and the store alone where that can show it. */
export interface Scenario {
  /** A sentence about behaviour. */
  readonly title: string;
  /** Name of its namespace. */
  readonly name: string;
  /** How many nodes it takes. Default 1. */
  readonly nodes?: number;
  /** Whether it takes what only a cluster of the tests' own can do, see `Target.laboratory`. */
  readonly needsLaboratory?: boolean;
  /** Whether it disturbs what others use. */
  readonly isAlone?: boolean;
  run(space: Space): Promise<void>;
}

/** All scenarios, in the order in which they run: every cluster runs those of this list for which it has what they need. */
export const scenarios: readonly Scenario[] = [
  ...firstVolume,
  ...manyPods,
  ...deletion,
  ...causes,
  ...restarts,
  ...twoNodes,
  ...manyVolumes,
  ...outages,
  ...chart,
];

/** How many scenarios share a cluster at a time: most of each is waiting. */
const together = 3;

/** The scenarios in their order, those side by side in one batch that may run at the same time. */
export function batches(wanted: readonly Scenario[]): readonly (readonly Scenario[])[] {
  const found: Scenario[][] = [];
  for (const scenario of wanted) {
    const last = found.at(-1);
    const [first] = last ?? [];
    if (
      last !== undefined &&
      last.length < together &&
      first?.isAlone !== true &&
      scenario.isAlone !== true
    ) {
      last.push(scenario);
    } else {
      found.push([scenario]);
    }
  }
  return found;
}
