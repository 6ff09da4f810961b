import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import type { ProvisionedVolume } from "../support/csi-client.ts";
import { createDisk } from "../support/guest-disk.ts";
import { GuestDriver } from "../support/guest-driver.ts";
import { baseObjects, verifyLoads } from "../support/guest-loads.ts";
import { createGuestNetwork, type GuestNetwork } from "../support/guest-network.ts";
import { checkWritten, replay } from "../support/load-check.ts";
import type { LoadOptions } from "../support/load-script.ts";
import { NetworkS3 } from "../support/network-s3.ts";
import { assertSameDigests, objectDigests } from "../support/objects-and-files.ts";
import { type CutStand, cutPower } from "../support/power-cut.ts";
import { bootGuest, projectDir, type UmlGuest } from "../support/uml.ts";

/** `make soak` takes 20. */
const cuts = Number(process.env["S3FILES_POWER_CUTS"] ?? "4");
const seed = Number(process.env["S3FILES_SEED"] ?? Date.now() % 1_000_000);
const fsProbe = join(projectDir, "build/bin/fs-probe");
const diskAt = "/var/lib/s3files";
const name = "volume";

/** The driver on a disk that outlives the power; store and volume outlive it too. */
async function driverStand(
  network: GuestNetwork,
  loads: readonly LoadOptions[],
): Promise<CutStand & { readonly s3: NetworkS3 }> {
  const s3 = await NetworkS3.start(network);
  let volume: ProvisionedVolume | undefined;
  let driver: GuestDriver | undefined;
  const bucket = async () => (await s3.buckets())[0] ?? "";
  return {
    s3,
    diskAt,
    async start(guest) {
      driver = await GuestDriver.start(guest, {
        s3: s3.access,
        withController: volume === undefined,
      });
      if (volume === undefined) {
        volume = await driver.provision(name, { writeBackDelay: "1s" });
        for (const { key, bytes } of loads.flatMap(baseObjects)) {
          await s3.put(await bucket(), key, bytes);
        }
      }
      return await driver.mount(volume, name);
    },
    async recovered(jobs) {
      const last = jobs.at(-1);
      if (last === undefined) return;
      const script = replay(last.options, last.record);
      const prefix = `${last.options.name}/`;
      for (const key of await s3.keys(await bucket(), prefix)) {
        if (key.endsWith("/")) continue;
        const { bytes } = await s3.get(await bucket(), key);
        assert.deepEqual(checkWritten(script, key, bytes), []);
      }
    },
    async finish(guest, mount, jobs) {
      assert.ok(volume !== undefined && driver !== undefined);
      await driver.flush(volume.volumeId);
      const { digests } = await verifyLoads(guest, jobs, { check: false });
      const files = new Map(
        Object.entries(digests).map(([path, digest]) => [path.slice(mount.length + 1), digest]),
      );
      assertSameDigests(await objectDigests(s3, await bucket()), files);
      for (const job of jobs) {
        const script = replay(job.options, job.record);
        for (const key of await s3.keys(await bucket(), `${job.options.name}/`)) {
          if (key.endsWith("/")) continue;
          const { bytes } = await s3.get(await bucket(), key);
          assert.deepEqual(checkWritten(script, key, bytes), []);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await s3[Symbol.asyncDispose]();
    },
  };
}

describe(`a power cut (seed ${seed})`, function () {
  this.timeout(cuts * 150_000 + 300_000);
  it(`keeps every synchronised byte and exports none that was never written, ${cuts} times`, async () => {
    await cutPower({ name: "power-cut", cuts, seed, stand: driverStand }, (line) =>
      process.stdout.write(`      ${line}\n`),
    );
  });

  it("keeps names that are a second old, in order, whether or not their directory was synchronised", async () => {
    using disk = createDisk(2 ** 29);
    using network = createGuestNetwork();
    await using stand = await driverStand(network, []);
    const boot = (): Promise<UmlGuest> =>
      bootGuest({ kind: "uml", name: "power-cut-names", disk, diskAt, network, memoryMb: 700 });
    const old = ["a", "b", "c"];
    const young = ["d", "e", "f", "g"];
    const make = (names: readonly string[]) =>
      names.map((entry) => `mkdir ${entry}; ${fsProbe} fsyncdir .`).join("\n");
    const first = await boot();
    const mount = await stand.start(first);
    await first.check(`cd ${mount}\n${make(old)}`);
    await after(2500);
    await first.check(`cd ${mount}\n${make(young)}`);
    await first.kill();

    await using second = await boot();
    assert.equal(await stand.start(second), mount);
    const found = (await second.check(`ls ${mount}`)).split("\n").filter((entry) => entry !== "");
    assert.deepEqual(found, [...old, ...young].slice(0, found.length));
    assert.ok(found.length >= old.length, `found only ${found.join(" ")}`);
  });
});
