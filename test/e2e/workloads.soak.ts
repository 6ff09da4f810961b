import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProvisionedVolume } from "../support/csi-client.ts";
import { GuestDriver } from "../support/guest-driver.ts";
import { defineGuestSuite } from "../support/guest-tests.ts";
import { NetworkS3 } from "../support/network-s3.ts";

const name = "workloads";
/** `make soak` takes 100,000 of either seed. */
const randomOperations = process.env["S3FILES_RANDOM_IO"] ?? "5000";
const filesEach = process.env["S3FILES_FILES_EACH"] ?? "5";
/** Between two deaths of the server, so that each program meets some. */
const killEveryMs = 40_000;

let s3: NetworkS3 | undefined;
let driver: GuestDriver | undefined;
let volume: ProvisionedVolume | undefined;
let killing: Promise<number> | undefined;
const done = new AbortController();

/** Kills the server again and again, each time with a changing compound under way when there is one. */
async function keepKilling(at: GuestDriver, volumeId: string): Promise<number> {
  let kills = 0;
  while (!done.signal.aborted) {
    await sleep(killEveryMs, undefined, { signal: done.signal }).catch(() => undefined);
    if (done.signal.aborted) break;
    const { pid } = await at.killServer(volumeId);
    await at.restarted(volumeId, pid);
    kills++;
  }
  return kills;
}

defineGuestSuite({
  title: `real programs, with a server that is killed every ${killEveryMs / 1000} s`,
  files: ["workloads.guest.ts", "random-io.guest.ts"],
  // The driver and the local runs share a disk: tmpfs of this kernel has no extended attributes.
  guest: { name, network: "tap", lifetimeSeconds: 10_800, disk: { sizeBytes: 8 * 2 ** 30 } },
  timeoutMs: 10_800_000,
  async prepare(guest) {
    if (guest.network === undefined) throw new Error("The guest has no network");
    s3 = await NetworkS3.start(guest.network);
    driver = await GuestDriver.start(guest, { s3: s3.access });
    volume = await driver.provision(name, { writeBackDelay: "5s" });
    const mount = await driver.mount(volume, name);
    killing = keepKilling(driver, volume.volumeId);
    killing.catch(() => undefined);
    return {
      MOUNT: mount,
      LOCAL: "/var/lib/s3files",
      S3FILES_RANDOM_IO: randomOperations,
      S3FILES_FILES_EACH: filesEach,
    };
  },
  async finish() {
    await using _s3 = s3;
    if (s3 === undefined || driver === undefined || volume === undefined) return;
    done.abort();
    const kills = (await killing) ?? 0;
    process.stdout.write(`      the server was killed ${kills} times\n`);
    assert.ok(kills > 0);
    const [bucket = ""] = await s3.buckets();
    await driver.flush(volume.volumeId);
    assert.deepEqual(
      (await s3.keys(bucket, "")).filter((key) => !key.startsWith(".s3files/")),
      [],
    );
    await driver.unmount(volume.volumeId, name);
    await driver.deprovision(volume.volumeId);
    await driver.stop();
  },
});
