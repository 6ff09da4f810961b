import { runAlone, runTogether } from "./histories.ts";
import { runNodes } from "./nodes.ts";

/** A few new histories in every run; `npm run sim` runs more, and repeats one. */
const count = 6;
const steps = 60;

describe("the volume and its bucket", () => {
  for (const [what, run] of [
    ["end as the model does after local changes, faults and kills", runAlone],
    ["end as one, with nothing lost, when others change the bucket too", runTogether],
    ["end as one when two nodes share the bucket, hard links included", runNodes],
  ] as const) {
    it(what, async function () {
      this.timeout(120_000);
      const first = Math.floor(Math.random() * 1e9);
      for (let seed = first; seed < first + count; seed++) {
        try {
          await run({ seed, steps });
        } catch (error) {
          throw new Error(`npm run sim -- --seed ${seed} --steps ${steps}`, { cause: error });
        }
      }
    });
  }
});
