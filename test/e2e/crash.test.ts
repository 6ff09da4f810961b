import assert from "node:assert/strict";
import {
  assertNothingLost,
  crashLoads,
  killUnderLoad,
  volumeForLoads,
  withDriver,
} from "../support/crashes.ts";

/** An even number; `make soak` takes 20. */
const kills = Number(process.env["S3FILES_KILLS"] ?? "8");
/** A kill counts when a mutating compound was under way at most so long before. */
const nearMs = 50;
const seed = Number(process.env["S3FILES_SEED"] ?? Date.now() % 1_000_000);

const say = (line: string) => process.stdout.write(`      ${line}\n`);

describe(`a server killed with -9 (seed ${seed})`, function () {
  this.timeout(kills * 60_000 + 120_000);

  it(`loses nothing in ${kills} kills, with half of them before any export and half amid exports`, async () => {
    await withDriver("crash", [], async (place) => {
      for (const [at, writeBackDelay] of ["60s", "0s"].entries()) {
        const name = `crash-${writeBackDelay}`;
        const loads = crashLoads(Math.ceil(kills / 4), seed + at * 1000);
        const made = await volumeForLoads(place, name, { writeBackDelay }, loads);
        const target = { volumeId: made.volume.volumeId, mount: made.mount };
        const result = await killUnderLoad(place, target, {
          kills: kills / 2,
          seed: seed + at,
          loads,
        });
        const near = result.kills.filter(
          ({ outstanding, lateMs }) => outstanding > 0 && lateMs <= nearMs,
        );
        const calls = result.jobs.reduce((sum, { record }) => sum + record.returned, 0);
        say(
          `writeBackDelay ${writeBackDelay}: ${near.length} of ${result.kills.length} kills within ${nearMs} ms of a mutating compound under way, ${calls} calls returned`,
        );
        assert.equal(near.length, result.kills.length);
        await assertNothingLost(place, { name, ...made }, result.jobs);
        await place.driver.unmount(made.volume.volumeId, name);
      }
    });
  });
});
