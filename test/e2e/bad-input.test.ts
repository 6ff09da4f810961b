import assert from "node:assert/strict";
import { join } from "node:path";
import { DriverCallError, GuestDriver } from "../support/guest-driver.ts";
import { defineGuestSuite } from "../support/guest-tests.ts";
import { NetworkS3 } from "../support/network-s3.ts";
import { bootGuest, type UmlGuest } from "../support/uml.ts";

async function startAll(guest: UmlGuest): Promise<{ s3: NetworkS3; driver: GuestDriver }> {
  if (guest.network === undefined) throw new Error("The guest has no network");
  // On disk, so that the store can be away for a while.
  const s3 = await NetworkS3.start(guest.network, { directory: join(guest.sharedDir, "s3") });
  try {
    return { s3, driver: await GuestDriver.start(guest, { s3: s3.access }) };
  } catch (error) {
    await s3[Symbol.asyncDispose]();
    throw error;
  }
}

let attacked: NetworkS3 | undefined;

defineGuestSuite({
  title: "bad input from the network",
  files: ["bad-input.guest.ts"],
  guest: { name: "bad-input", network: "tap", memoryMb: 1500 },
  timeoutMs: 600_000,
  async prepare(guest) {
    const { s3, driver } = await startAll(guest);
    attacked = s3;
    const volume = await driver.provision("attacked", { writeBackDelay: "1s" });
    const mount = await driver.mount(volume, "attacked");
    const [served] = await driver.volumes();
    if (served?.pin === undefined) throw new Error("The volume is not served");
    return { MOUNT: mount, SERVER_PID: String(served.pid), NETWORK_NAMESPACE: served.pin };
  },
  async finish() {
    await attacked?.[Symbol.asyncDispose]();
  },
});

// gRPC status codes.
const invalidArgument = 3;
const notFound = 5;
const unavailable = 14;
const unauthenticated = 16;

describe("what a volume cannot have", function () {
  this.timeout(300_000);
  let guest: UmlGuest;
  let s3: NetworkS3;
  let driver: GuestDriver;

  before(async () => {
    // A disk of its own for the node's state, small enough to be filled.
    guest = await bootGuest({
      kind: "uml",
      name: "bad-driver",
      network: "tap",
      disk: { sizeBytes: 256 * 2 ** 20 },
    });
    ({ s3, driver } = await startAll(guest));
  });
  after(async () => {
    await guest?.shutdown();
    await s3?.[Symbol.asyncDispose]();
  });

  const refused = async (code: number, pattern: RegExp, attempt: Promise<unknown>) => {
    await assert.rejects(attempt, (error: unknown) => {
      assert.ok(error instanceof DriverCallError, String(error));
      assert.match(error.message, pattern);
      assert.equal(error.code, code, error.message);
      return true;
    });
  };
  const assertNothingMade = async () => {
    assert.deepEqual(await driver.volumes(), []);
    const left = await guest.check(
      "grep ' nfs4 ' /proc/mounts || true; ls /run/s3files/netns /run/s3files/credentials /var/lib/s3files/volumes /var/lib/s3files/node 2>/dev/null | grep -v -e : -e '^$' || true",
    );
    assert.equal(left, "");
  };
  const volumeOf = (attributes: Readonly<Record<string, string>>) => ({
    volumeId: "static",
    volumeContext: attributes,
    capacityBytes: 0,
  });
  const wrongKeys = { accessKeyId: "nobody", secretAccessKey: "nothing" };

  it("is refused with INVALID_ARGUMENT for an unknown parameter, with the nearest known one", async () => {
    await refused(
      invalidArgument,
      /cacheMod'.*cacheMode/,
      driver.provision("unknown", { cacheMod: "full" }),
    );
    await refused(
      invalidArgument,
      /cacheMod'/,
      driver.mount(volumeOf({ bucket: "some-bucket", cacheMod: "x" }), "static"),
    );
    assert.deepEqual(await s3.buckets(), []);
    await assertNothingMade();
  });

  it("is refused with NOT_FOUND for a bucket that is not there", async () => {
    await refused(
      notFound,
      /static.*no-such-bucket/,
      driver.mount(volumeOf({ bucket: "no-such-bucket" }), "static"),
    );
    await assertNothingMade();
  });

  it("is refused with UNAUTHENTICATED for keys that the store does not know", async () => {
    const parameters = { authenticationSource: "secret" };
    await refused(
      unauthenticated,
      /wrong-keys/,
      driver.provision("wrong-keys", parameters, wrongKeys),
    );
    await s3.createBucket("there");
    const volume = volumeOf({ ...parameters, bucket: "there" });
    await refused(unauthenticated, /static.*there/, driver.mount(volume, "static", [], wrongKeys));
    assert.deepEqual(await s3.buckets(), ["there"]);
    await assertNothingMade();
  });

  it("is refused with UNAVAILABLE for an endpoint that does not answer", async () => {
    const dead = s3.access.endpoint.replace(/:\d+$/, ":9");
    await refused(unavailable, /dead/, driver.provision("dead", { endpoint: dead }));
    await refused(
      unavailable,
      /static.*there/,
      driver.mount(volumeOf({ bucket: "there", endpoint: dead }), "static"),
    );
    await assertNothingMade();
  });

  it("with a full node disk and a dead store still unlinks, truncates, flushes and unmounts", async () => {
    const volume = await driver.provision("full", {
      writeBackDelay: "1s",
    });
    const mount = await driver.mount(volume, "full");
    await guest.check(
      `cd ${mount}; echo kept > kept; head -c 3000000 /dev/zero > large; head -c 1000000 /dev/zero > other; sync -f .`,
    );
    await driver.flush(volume.volumeId);
    await guest.check(`cd ${mount}; echo pending > pending; sync -f .`);
    await s3.down();
    const filled = await guest.run(
      `dd if=/dev/zero of=${mount}/filler bs=1M count=200 conv=fsync 2>&1; df -k /var/lib/s3files`,
      { timeoutMs: 180_000 },
    );
    assert.match(filled.output, /No space left on device/);
    // What the volume leaves, something else takes.
    await guest.run("dd if=/dev/zero of=/var/lib/s3files/foreign bs=64k 2>/dev/null");
    await guest.check(`cd ${mount}; rm other; truncate -s 1000 large; stat -c %s large`, {
      timeoutMs: 30_000,
    });
    const left = await driver.tryFlush(volume.volumeId, 2000);
    assert.ok(left !== null && left.oldestPendingMs > 0);
    await driver.unpublish(volume.volumeId, "full");
    assert.equal(await guest.check(`grep -c ' ${mount} ' /proc/mounts || true`), "0");

    await guest.check("rm /var/lib/s3files/foreign");
    await s3.up();
    await driver.flush(volume.volumeId);
    await driver.unmount(volume.volumeId, "full");
    const bucket = volume.volumeContext["bucket"] ?? "";
    const keys = (await s3.keys(bucket)).filter((key) => key !== "filler" && !key.startsWith("."));
    assert.deepEqual(keys, ["kept", "large", "pending"]);
    assert.equal((await s3.get(bucket, "pending")).bytes.toString(), "pending\n");
    assert.deepEqual((await s3.get(bucket, "large")).bytes, Buffer.alloc(1000));
    // A folder may stay that remembers a request whose outcome S3 never told; no data is in it.
    for (const { leftover } of await driver.volumes()) {
      assert.deepEqual([leftover?.pendingBytes, leftover?.oldestPendingMs], [0, 0]);
    }
    assert.equal(await guest.check("grep -c ' nfs4 ' /proc/mounts || true"), "0");
  });
});
