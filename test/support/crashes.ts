import assert from "node:assert/strict";
import { setTimeout as after } from "node:timers/promises";
import type { ProvisionedVolume } from "./csi-client.ts";
import type { Guest } from "./guest.ts";
import { GuestDriver } from "./guest-driver.ts";
import type { Kill } from "./guest-driver-agent.ts";
import { baseObjects, GuestLoad, verifyLoads } from "./guest-loads.ts";
import { Dice } from "./load-content.ts";
import type { LoadOptions } from "./load-script.ts";
import type { VerifyJob } from "./load-verify.ts";
import { NetworkS3 } from "./network-s3.ts";
import { assertSameDigests, objectDigests } from "./objects-and-files.ts";
import { bootGuest } from "./uml.ts";

/** What the crashes happen to. */
export interface CrashPlace {
  readonly guest: Guest;
  readonly driver: GuestDriver;
  readonly s3: NetworkS3;
}

/** Runs `test` in a guest with a store and the driver. */
export async function withDriver(
  name: string,
  supervisorArguments: readonly string[],
  test: (place: CrashPlace) => Promise<void>,
): Promise<void> {
  await using guest = await bootGuest({ name, network: "tap", memoryMb: 1500 });
  if (guest.network === undefined) throw new Error("The guest has no network");
  await using s3 = await NetworkS3.start(guest.network);
  const driver = await GuestDriver.start(guest, { s3: s3.access, supervisorArguments });
  await test({ guest, driver, s3 });
}

/** The loads of a test, all with the same two objects to begin with. */
export function crashLoads(count: number, seed: number): LoadOptions[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `load-${i}`,
    seed: seed + i,
    durable: "each",
    longestWrite: 2048,
    base: [
      { path: "base-small", lines: 500 },
      { path: "base-large", lines: 150_000 },
    ],
  }));
}

/** Makes a volume whose bucket holds the loads' objects, and mounts it. */
export async function volumeForLoads(
  place: CrashPlace,
  name: string,
  parameters: Readonly<Record<string, string>>,
  loads: readonly LoadOptions[],
): Promise<{
  readonly volume: ProvisionedVolume;
  readonly bucket: string;
  readonly mount: string;
}> {
  const before = await place.s3.buckets();
  const volume = await place.driver.provision(name, parameters);
  const bucket = (await place.s3.buckets()).find((found) => !before.includes(found));
  if (bucket === undefined) throw new Error(`CreateVolume of ${name} has made no bucket`);
  for (const { key, bytes } of loads.flatMap(baseObjects)) await place.s3.put(bucket, key, bytes);
  return { volume, bucket, mount: await place.driver.mount(volume, name) };
}

/**
 * Kills the server of a volume so many times under load, in every other round the load too. Reports each kill.
 * Resolves to the loads, all ended, to be checked.
 */
export async function killUnderLoad(
  place: CrashPlace,
  target: { readonly volumeId: string; readonly mount: string },
  options: {
    readonly kills: number;
    readonly seed: number;
    readonly loads: readonly LoadOptions[];
  },
): Promise<{ readonly jobs: VerifyJob[]; readonly kills: Kill[] }> {
  const { guest, driver } = place;
  const { volumeId, mount } = target;
  const dice = new Dice(options.seed);
  const waiting = [...options.loads];
  const jobs: VerifyJob[] = [];
  const kills: Kill[] = [];
  let load: GuestLoad | undefined;
  for (let round = 1; round <= options.kills; round++) {
    if (load === undefined) {
      const next = waiting.shift();
      if (next === undefined) throw new Error("There are too few loads");
      load = new GuestLoad(guest, mount, next);
    }
    await load.progress(3);
    await after(dice.below(700));
    const kill = await driver.killServer(volumeId);
    kills.push(kill);
    if (round % 2 === 0) {
      await load.kill();
      jobs.push(load.job());
      load = undefined;
    }
    await driver.restarted(volumeId, kill.pid);
  }
  if (load !== undefined) {
    await load.progress(3);
    await load.finish();
    jobs.push(load.job());
  }
  return { jobs, kills };
}

/**
 * Asserts that what the loads were told is done is there: in the files as the server has them, after a flush in the
 * objects, and through a fresh mount; and that lost+found is empty.
 */
export async function assertNothingLost(
  place: CrashPlace,
  target: {
    readonly name: string;
    readonly volume: ProvisionedVolume;
    readonly bucket: string;
    readonly mount: string;
  },
  jobs: readonly VerifyJob[],
): Promise<void> {
  const { guest, driver, s3 } = place;
  const { name, volume, bucket, mount } = target;
  const before = await verifyLoads(guest, jobs);
  assert.deepEqual(before.problems, []);
  await driver.flush(volume.volumeId);
  const objects = await objectDigests(s3, bucket);
  const below = (digests: Readonly<Record<string, string>>) =>
    new Map(
      Object.entries(digests).map(([path, digest]) => [path.slice(mount.length + 1), digest]),
    );
  assertSameDigests(objects, below(before.digests));
  const listing = () => guest.check(`ls -A ${mount}`);
  assert.doesNotMatch(await listing(), /lost\+found/);

  await driver.unmount(volume.volumeId, name);
  assert.equal(await driver.mount(volume, name), mount);
  const fresh = await verifyLoads(guest, jobs);
  assert.deepEqual(fresh.problems, []);
  assertSameDigests(objects, below(fresh.digests));
  assert.doesNotMatch(await listing(), /lost\+found/);
}
