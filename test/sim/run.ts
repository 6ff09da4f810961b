// Runs histories until one fails: npm run sim -- [--seed N] [--runs N] [--steps N] [--mutant NAME]
import { parseArgs } from "node:util";
import { runAlone, runTogether } from "./histories.ts";
import { mutants } from "./mutants.ts";
import { runNodes } from "./nodes.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    runs: { type: "string" },
    steps: { type: "string", default: "200" },
    mutant: { type: "string" },
  },
});
const first = Number(values.seed ?? Math.floor(Math.random() * 1e9));
const runs = Number(values.runs ?? (values.seed === undefined ? 100 : 1));
const steps = Number(values.steps);
const mutate = values.mutant === undefined ? undefined : mutants[values.mutant];
if (values.mutant !== undefined && mutate === undefined) {
  throw new Error(`No such mutant; there are:\n${Object.keys(mutants).join("\n")}`);
}
for (let seed = first; seed < first + runs; seed++) {
  for (const run of [runAlone, runTogether, runNodes]) {
    try {
      await run({ seed, steps, ...(mutate === undefined ? {} : { mutate }) });
    } catch (error) {
      throw new Error(`${run.name}: npm run sim -- --seed ${seed} --steps ${steps}`, {
        cause: error,
      });
    }
  }
}
process.stdout.write(`${runs * 3} histories of ${steps} steps from seed ${first}: all is well\n`);
