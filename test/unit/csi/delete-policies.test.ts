import assert from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import type { OwnershipMark } from "../../../src/csi/ownership-mark.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { rejectsWith } from "../../sanity/conformance.ts";
import type { CsiClient } from "../../support/csi-client.ts";
import { FakeWorld, startFakeDriver } from "../../support/fake-driver.ts";

const name = "v-12345678-1234-1234-1234-123456789abc";

describe("Deleting volumes", () => {
  let world: FakeWorld;
  let client: CsiClient;
  let close: () => Promise<void>;
  let clock: FakeClock;

  beforeEach(async () => {
    world = new FakeWorld();
    world.buckets.put("team", "file", "somebody's");
    clock = new FakeClock();
    world.controllerClock = clock;
    ({ client, close } = await startFakeDriver(world));
  });
  afterEach(() => close());

  const keys = (bucket: string) => [...(world.buckets.buckets.get(bucket)?.keys() ?? [])].sort();
  const markAt = (bucket: string, prefix: string): OwnershipMark =>
    JSON.parse(world.buckets.buckets.get(bucket)?.get(`${prefix}.s3files/volume.json`) ?? "null");
  const listed = async () =>
    (await client.controller.ListVolumes({})).entries.map(({ volume }) => volume?.volumeId);

  it("keeps an archived prefix as it is, and lets no volume take its place", async () => {
    const parameters = { bucket: "team", prefix: "old", onDelete: "archive" };
    const { volumeId } = await client.provision({ name, parameters });
    world.buckets.put("team", "old/data", "kept");
    for (let repeat = 0; repeat < 2; repeat++) await client.deprovision(volumeId);
    assert.equal(markAt("team", "old/").state, "archived");
    assert.deepEqual(keys("team"), ["file", "old/.s3files/volume.json", "old/data"]);
    assert.deepEqual(await listed(), []);
    const again = client.provision({ name: "another", parameters });
    await rejectsWith(again, status.ALREADY_EXISTS);
    await rejectsWith(client.controller.ControllerGetVolume({ volumeId }), status.NOT_FOUND);
  });

  it("keeps an archived bucket, whatever else happens to its volume", async () => {
    const parameters = { onDelete: "archive" };
    const { volumeId } = await client.provision({ name, parameters });
    await client.deprovision(volumeId);
    assert.ok(world.buckets.buckets.has(name));
    await rejectsWith(client.provision({ name, parameters }), status.ALREADY_EXISTS);
  });

  it("says in the mark that a deletion has begun, and makes no volume of what is being deleted", async () => {
    const { volumeId } = await client.provision({ name, parameters: {} });
    world.buckets.put(name, "data", "x");
    // Mark and records read, mark replaced and read back: the crash comes before anything is removed.
    world.buckets.crashAfter = world.buckets.calls.length + 4;
    await rejectsWith(client.deprovision(volumeId), status.INTERNAL);
    world.buckets.crashAfter = Number.POSITIVE_INFINITY;
    assert.equal(markAt(name, "").state, "deleting");
    assert.deepEqual(await listed(), [volumeId]);
    await rejectsWith(client.provision({ name, parameters: {} }), status.ABORTED);
    await client.deprovision(volumeId);
    assert.deepEqual([...world.buckets.buckets.keys()], ["team"]);
  });

  it("ends in the right state after a crash at any step, for every policy and kind of volume", async () => {
    for (const onDelete of ["delete", "retain", "archive"]) {
      for (const place of [{}, { bucket: "team", prefix: `p-${onDelete}` }]) {
        for (let steps = 0; steps < 12; steps++) {
          const parameters = { onDelete, ...place };
          const own = `${onDelete}-${steps}-12345678-1234-1234-1234-123456789abc`;
          const at =
            "bucket" in place ? { ...parameters, prefix: `${place.prefix}-${steps}` } : parameters;
          const { volumeId, volumeContext } = await client.provision({ name: own, parameters: at });
          const { bucket = "", prefix = "" } = volumeContext;
          world.buckets.put(bucket, `${prefix}data`, "x");
          world.buckets.crashAfter = world.buckets.calls.length + steps;
          await client.deprovision(volumeId).catch(() => undefined);
          world.buckets.crashAfter = Number.POSITIVE_INFINITY;
          await client.deprovision(volumeId);
          const left = keys(bucket).filter((key) => key.includes(prefix) && key !== "file");
          const kept = [`${prefix}.s3files/volume.json`, `${prefix}data`];
          assert.deepEqual(left, onDelete === "delete" ? [] : kept, `${own}${prefix}`);
        }
      }
    }
    assert.deepEqual(await listed(), []);
  });

  it("works on a volume alone, whether a call names it by name or by handle", async () => {
    const { volumeId } = await client.provision({ name, parameters: {} });
    const { promise, resolve } = Promise.withResolvers<void>();
    const removal = world.buckets.deleteBucket.bind(world.buckets);
    world.buckets.deleteBucket = async (bucket) => {
      await promise;
      return await removal(bucket);
    };
    const deletion = client.deprovision(volumeId);
    while (!world.buckets.calls.some((call) => call === `empty ${name}/.s3files/volume.json`)) {
      await new Promise((wake) => setImmediate(wake));
    }
    await rejectsWith(client.provision({ name, parameters: {} }), status.ABORTED);
    resolve();
    await deletion;
    await client.provision({ name, parameters: {} });
  });

  it("leaves objects that were there before a volume was, and removes what nodes recorded of it", async () => {
    world.buckets.put("team", "shared/theirs", "x");
    const parameters = { bucket: "team", prefix: "shared" };
    const { volumeId } = await client.provision({ name, parameters });
    world.buckets.put("team", "shared/.s3files/nodes/n1.json", "{}");
    await rejectsWith(client.deprovision(volumeId), status.ABORTED);
    await clock.advance(600_000);
    await client.deprovision(volumeId);
    assert.deepEqual(keys("team"), ["file", "shared/theirs"]);
  });

  it("waits while a node has the volume, and says which; not for ever, over a restart too", async () => {
    for (const onDelete of ["delete", "retain"]) {
      const own = `${onDelete}-12345678-1234-1234-1234-123456789abc`;
      const { volumeId } = await client.provision({ name: own, parameters: { onDelete } });
      world.buckets.put(own, "data", "x");
      world.buckets.put(own, ".s3files/nodes/node%2F1.json", "{}");
      await assert.rejects(client.deprovision(volumeId), /still staged on node node\/1;.* 600 s/);
      await clock.advance(599_000);
      await close();
      ({ client, close } = await startFakeDriver(world));
      await assert.rejects(client.deprovision(volumeId), /node\/1;.* in 1 s/);
      assert.equal(markAt(own, "").state, "owned");
      if (onDelete === "delete") await clock.advance(1_000);
      else world.buckets.buckets.get(own)?.delete(".s3files/nodes/node%2F1.json");
      await client.deprovision(volumeId);
      assert.equal(world.buckets.buckets.has(own), onDelete === "retain");
    }
  });
});

describe("Connections of the driver's configuration", () => {
  it("are chosen by name, held by the handle, and unknown ones are refused", async () => {
    const world = new FakeWorld();
    const { client, close } = await startFakeDriver(world);
    const volume = await client.provision({ name: "a", parameters: { connection: "backup" } });
    assert.match(volume.volumeId, /\?n=backup$/);
    assert.equal(world.opened.at(-1)?.[0].connectionName, "backup");
    assert.equal(world.opened.at(-1)?.[0].endpoint, "http://127.0.0.1:9001");
    await client.stage(volume, { stagingPath: "/staging" });
    const spec = world.servers.running.get(volume.volumeId);
    assert.equal(spec?.connectionName, "backup");
    assert.equal(spec?.region, "eu-west-1");
    const { entries } = await client.controller.ListVolumes({});
    assert.deepEqual(
      entries.map((one) => one.volume?.volumeId),
      [volume.volumeId],
    );
    await client.unstage(volume.volumeId, "/staging");
    await client.deprovision(volume.volumeId);
    const none = client.provision({ name: "b", parameters: { connection: "none" } });
    await assert.rejects(none, /INVALID_ARGUMENT.*has no 'none'; it has default, backup/);
    await close();
  });
});
