import assert from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { jsonLog } from "../../../src/base/log.ts";
import { MountError } from "../../../src/csi/mounter.ts";
import { reportDrift } from "../../../src/csi/reconcile.ts";
import { VolumeServerError } from "../../../src/csi/volume-servers.ts";
import { rejectsWith } from "../../sanity/conformance.ts";
import type { CsiClient, ProvisionedVolume } from "../../support/csi-client.ts";
import { FakeWorld, startFakeDriver } from "../../support/fake-driver.ts";

const stagingPath = "/csi-staging";
const targetPath = "/csi-mount/target";
const down = () => new VolumeServerError("unavailable", "S3 does not answer");

describe("Repeated and failing calls", () => {
  let world: FakeWorld;
  let client: CsiClient;
  let close: () => Promise<void>;

  beforeEach(async () => {
    world = new FakeWorld();
    world.buckets.put("team", "file", "somebody's");
    ({ client, close } = await startFakeDriver(world));
  });
  afterEach(() => close());

  const provision = (name: string, parameters: Record<string, string> = {}) =>
    client.provision({ name, parameters });

  async function running(): Promise<ProvisionedVolume> {
    const volume = await provision("v-12345678-1234-1234-1234-123456789abc");
    await client.stage(volume, { stagingPath });
    await client.publish(volume, { stagingPath, targetPath });
    return volume;
  }

  it("a repeated Stage that fails again and again takes nothing from the pods", async () => {
    const volume = await running();
    for (let attempt = 0; attempt < 3; attempt++) {
      world.servers.startError = down();
      await rejectsWith(client.stage(volume, { stagingPath }), status.UNAVAILABLE);
    }
    assert.ok(world.servers.running.has(volume.volumeId));
    assert.deepEqual(
      world.mounter.table.map((entry) => entry.mountPoint),
      [stagingPath, targetPath],
    );
    await client.publish(volume, { stagingPath, targetPath: "/csi-mount/other" });
  });

  it("a first Stage that fails leaves neither server nor record", async () => {
    const volume = await provision("v-12345678-1234-1234-1234-123456789abc");
    world.mounter.fail.set("mountVolume", new MountError("no nfsv4"));
    await rejectsWith(client.stage(volume, { stagingPath }), status.INTERNAL);
    assert.equal(world.servers.running.size, 0);
    assert.equal(await world.journal.read(volume.volumeId), undefined);
  });

  it("a repeated Publish that fails leaves a running pod its mount", async () => {
    const volume = await running();
    world.mounter.fail.set("bind", new MountError("mount took over 10000 ms"));
    await rejectsWith(client.publish(volume, { stagingPath, targetPath }), status.INTERNAL);
    assert.ok(world.mounter.table.some((entry) => entry.mountPoint === targetPath));
  });

  it("a first Publish that fails leaves neither mount nor directory", async () => {
    const volume = await running();
    const other = "/csi-mount/other";
    world.mounter.fail.set("bind", new MountError("mount took over 10000 ms"));
    await rejectsWith(client.publish(volume, { stagingPath, targetPath: other }), status.INTERNAL);
    assert.equal(world.mounter.directories.has(other), false);
    assert.equal((await world.journal.read(volume.volumeId))?.publications.length, 1);
  });

  it("Unpublish gives up on a server that hangs when the time for its export is over", async () => {
    const { volumeId } = await running();
    const record = await world.journal.read(volumeId);
    assert.ok(record !== undefined);
    await world.journal.write({ ...record, unpublishFlushTimeoutMs: 0 });
    world.servers.flush = (_id, _waitMs, signal?: AbortSignal) =>
      new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      });
    await client.unpublish(volumeId, targetPath);
    assert.ok(!world.mounter.table.some((entry) => entry.mountPoint === targetPath));
  });

  it("Unstage lets go of a volume whose server never answers when unstageFlushTimeout is over", async () => {
    const volume = await running();
    await client.unpublish(volume.volumeId, targetPath);
    const record = await world.journal.read(volume.volumeId);
    assert.ok(record);
    const hung = () => Promise.reject(down());
    world.servers.flush = hung;
    await rejectsWith(client.unstage(volume.volumeId, stagingPath), status.UNAVAILABLE);
    await world.journal.write({ ...record, unstageBeganMs: 1 });
    await client.unstage(volume.volumeId, stagingPath);
    assert.equal(await world.journal.read(volume.volumeId), undefined);
  });

  it("Unstage keeps the mount until the kernel has handed over its dirty pages", async () => {
    const volume = await running();
    const { volumeId } = volume;
    await client.unpublish(volumeId, targetPath);
    world.mounter.fail.set("writeBack", new MountError("sync -f took over 30000 ms"));
    await rejectsWith(
      client.node.NodeUnstageVolume({ volumeId, stagingTargetPath: stagingPath }),
      status.ABORTED,
    );
    assert.ok(world.mounter.table.some((entry) => entry.mountPoint === stagingPath));
    assert.ok(world.servers.running.has(volumeId));
    await client.unstage(volumeId, stagingPath);
    const calls = world.mounter.calls.slice(-2);
    assert.deepEqual(calls, [`writeBack ${stagingPath}`, `unmount ${stagingPath}`]);
  });

  it("Unstage waits until this node's record is withdrawn, and only as long as it would for data", async () => {
    const volume = await running();
    const { volumeId } = volume;
    await client.unpublish(volumeId, targetPath);
    world.servers.leaveError = down();
    const once = () => client.node.NodeUnstageVolume({ volumeId, stagingTargetPath: stagingPath });
    await rejectsWith(once(), status.ABORTED);
    assert.ok(world.servers.running.has(volumeId));
    const record = await world.journal.read(volumeId);
    assert.ok(record);
    await world.journal.write({ ...record, unstageBeganMs: 1 });
    await once();
    assert.equal(world.servers.running.size, 0);
    assert.deepEqual([...world.servers.records], [volumeId]);
  });

  it("Stage says on which node a volume is that one node has at a time", async () => {
    const volume = await provision("v-12345678-1234-1234-1234-123456789abc");
    world.servers.startError = new VolumeServerError("elsewhere", "is on node two with 7 bytes");
    await rejectsWith(client.stage(volume, { stagingPath }), status.ABORTED);
    assert.equal(await world.journal.read(volume.volumeId), undefined);
    await client.stage(volume, { stagingPath });
    assert.equal(world.servers.running.get(volume.volumeId)?.singleNode, true);
    assert.equal(world.servers.running.get(volume.volumeId)?.nodeName, "node-1");
  });

  it("a Publish hands a Secret's new keys on, and one without them leaves the old", async () => {
    const keys = (secretAccessKey: string) => ({ accessKeyId: "AKIA", secretAccessKey });
    const parameters = { authenticationSource: "secret" };
    const name = "v-12345678-1234-1234-1234-123456789abc";
    const volume = await client.provision({ name, parameters, secrets: keys("one") });
    await client.stage(volume, { stagingPath, secrets: keys("one") });
    await client.publish(volume, { stagingPath, targetPath, secrets: keys("two") });
    const { volumeId } = volume;
    assert.equal(world.servers.credentials.get(volumeId)?.secretAccessKey, "two");
    await client.publish(volume, { stagingPath, targetPath });
    assert.equal(world.servers.credentials.get(volumeId)?.secretAccessKey, "two");
    world.servers.startError = new VolumeServerError("unauthenticated", "InvalidAccessKeyId");
    const wrong = client.publish(volume, { stagingPath, targetPath, secrets: keys("three") });
    await rejectsWith(wrong, status.UNAUTHENTICATED);
    assert.ok(world.mounter.table.some((entry) => entry.mountPoint === targetPath));
  });

  it("a server that is away for a moment leaves the figures that it told last", async () => {
    const { volumeId } = await running();
    const ask = () => client.node.NodeGetVolumeStats({ volumeId, volumePath: targetPath });
    world.servers.usage = () => Promise.reject(down());
    await rejectsWith(ask(), status.UNAVAILABLE);
    const counters = { capacityBytes: 0, usedBytes: 17, usedInodes: 3 };
    const pending = { pendingBytes: 0, oldestPendingMs: 0 };
    world.servers.usage = () => Promise.resolve({ ...counters, ...pending });
    await ask();
    world.servers.usage = () => Promise.reject(down());
    assert.equal((await ask()).usage[0]?.used, "17");
  });

  it("Unstage after a restart of the machine exports what is left and withdraws the node's record", async () => {
    const volume = await running();
    const { volumeId } = volume;
    const reboot = () => {
      world.servers.running.clear();
      world.mounter.table.length = 0;
    };
    reboot();
    const log = jsonLog({ level: "warn", fields: {} }, () => undefined);
    assert.equal(await reportDrift({ journal: world.journal, mounter: world.mounter }, log), 1);
    await client.unpublish(volumeId, targetPath);
    world.servers.startError = down();
    const once = () => client.node.NodeUnstageVolume({ volumeId, stagingTargetPath: stagingPath });
    await rejectsWith(once(), status.UNAVAILABLE);
    world.servers.pendingBytes.set(volumeId, 10);
    await rejectsWith(once(), status.ABORTED);
    assert.ok(world.servers.running.has(volumeId));
    reboot();
    world.servers.pendingBytes.clear();
    await once();
    assert.deepEqual([...world.servers.records, ...world.servers.running.keys()], []);
    assert.equal(await world.journal.read(volumeId), undefined);
    await client.stage(volume, { stagingPath });
    reboot();
    world.servers.startError = new VolumeServerError("elsewhere", "is on node two");
    await once();
    assert.equal(await world.journal.read(volumeId), undefined);
  });

  it("a CreateVolume that was cut off at any step is finished by its repeat", async () => {
    for (const [at, name] of [
      "data",
      "my-data",
      "x-12345678-1234-1234-1234-123456789abc",
    ].entries()) {
      for (let steps = 0; steps < 4; steps++) {
        world.buckets.crashAfter = world.buckets.calls.length + steps;
        await provision(`${name}${at}${steps}`).catch(() => undefined);
        world.buckets.crashAfter = Number.POSITIVE_INFINITY;
        const volume = await provision(`${name}${at}${steps}`);
        await client.deprovision(volume.volumeId);
      }
    }
    assert.deepEqual([...world.buckets.buckets.keys()], ["team"]);
  });

  it("no volume is made inside the prefix of another, where deleting that one would delete it", async () => {
    const outer = await provision("outer", { bucket: "team", prefix: "a/b" });
    await rejectsWith(
      provision("inner", { bucket: "team", prefix: "a/b/c/d" }),
      status.INVALID_ARGUMENT,
    );
    await provision("beside", { bucket: "team", prefix: "a/bc" });
    await client.deprovision(outer.volumeId);
    await provision("inner", { bucket: "team", prefix: "a/b/c/d" });
  });

  it("a late DeleteVolume of a released volume does not delete the one that took its place over", async () => {
    const place = { bucket: "team", prefix: "kept", onDelete: "retain" };
    const first = await provision("first", place);
    await client.deprovision(first.volumeId);
    const second = await provision("second", {
      bucket: "team",
      prefix: "kept",
      region: "eu-west-1",
    });
    assert.notEqual(second.volumeId, first.volumeId);
    world.buckets.put("team", "kept/file", "new");
    await client.deprovision(first.volumeId);
    assert.ok(world.buckets.buckets.get("team")?.has("kept/.s3files/volume.json"));
  });

  it("DeleteVolume of a bucket that is still written to can be repeated until the bucket is gone", async () => {
    const volume = await provision("v-12345678-1234-1234-1234-123456789abc");
    const { bucket = "" } = volume.volumeContext;
    const removal = world.buckets.deleteBucket.bind(world.buckets);
    world.buckets.deleteBucket = async (name) => {
      world.buckets.deleteBucket = removal;
      world.buckets.put(name, "late", "bytes");
      return await removal(name);
    };
    await rejectsWith(client.deprovision(volume.volumeId), status.ABORTED);
    await client.deprovision(volume.volumeId);
    assert.equal(world.buckets.buckets.has(bucket), false);
  });
});
