import assert from "node:assert/strict";
import { assertNothingLost, crashLoads, volumeForLoads, withDriver } from "../support/crashes.ts";
import { GuestLoad } from "../support/guest-loads.ts";

const seed = Number(process.env["S3FILES_SEED"] ?? Date.now() % 1_000_000);
const calls = Number(process.env["S3FILES_CALLS"] ?? 20);

const say = (line: string) => process.stdout.write(`      ${line}\n`);

describe(`a server with a failpoint (seed ${seed})`, function () {
  this.timeout(1_800_000);

  it("loses nothing when it dies after each upload, before it has recorded it", async () => {
    await withDriver("crash-failpoint", ["--failpoint", "sync.uploaded"], async (place) => {
      const [load] = crashLoads(1, seed);
      assert.ok(load !== undefined);
      const options = { ...load, longestWrite: 300 };
      const name = "crash-failpoint";
      const made = await volumeForLoads(place, name, { writeBackDelay: "0s" }, [options]);
      const running = new GuestLoad(place.guest, made.mount, options, calls);
      await running.ended();
      // Each flush ends with its server, until nothing is left to upload.
      for (let tries = 0; ; tries++) {
        try {
          await place.driver.flush(made.volume.volumeId, 30_000);
          break;
        } catch (error) {
          if (tries === 60) throw error;
        }
      }
      const restarts = await place.driver.restarts(made.volume.volumeId);
      say(`the server died ${restarts} times after an upload`);
      assert.ok(restarts > 0);
      await assertNothingLost(place, { name, ...made }, [running.job()]);
    });
  });
});
