import assert from "node:assert/strict";
import { runAlone, runTogether } from "./histories.ts";
import { mutants } from "./mutants.ts";

/** Histories within which each has to be found. */
const most = 24;
const steps = 200;

describe("the simulator finds an engine that", () => {
  for (const [name, mutate] of Object.entries(mutants)) {
    it(name, async function () {
      this.timeout(600_000);
      for (let seed = 1; seed <= most / 2; seed++) {
        for (const run of [runAlone, runTogether]) {
          try {
            await run({ seed, steps, mutate });
          } catch {
            return; // whatever the oracle says: it is not well
          }
        }
      }
      assert.fail(`${most} histories of ${steps} steps found nothing`);
    });
  }
});
