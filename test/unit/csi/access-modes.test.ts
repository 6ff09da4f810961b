import assert from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { rejectsWith } from "../../sanity/conformance.ts";
import { type CsiClient, mountCapabilityOf } from "../../support/csi-client.ts";
import { FakeWorld, startFakeDriver } from "../../support/fake-driver.ts";

const stagingPath = "/csi-staging";
const targetPath = "/csi-mount/target";
const volume = { volumeId: "static", volumeContext: { bucket: "team" }, capacityBytes: 0 };

describe("Access modes and mount options", () => {
  let world: FakeWorld;
  let client: CsiClient;
  let close: () => Promise<void>;
  beforeEach(async () => {
    world = new FakeWorld();
    world.buckets.put("team", "file", "theirs");
    ({ client, close } = await startFakeDriver(world));
  });
  afterEach(() => close());

  const optionsAt = (path: string) =>
    world.mounter.table.find(({ mountPoint }) => mountPoint === path)?.options;
  const spec = () => world.servers.running.get("static");

  it("make a read-only volume read-only in server, mount and pod", async () => {
    const capability = mountCapabilityOf("MULTI_NODE_READER_ONLY");
    await client.stage(volume, { stagingPath, capability });
    await client.publish(volume, { stagingPath, targetPath, capability });
    assert.equal(spec()?.readOnly, true);
    assert.equal(spec()?.singleNode, undefined);
    assert.deepEqual([optionsAt(stagingPath)?.[0], optionsAt(targetPath)?.[0]], ["ro", "ro"]);
  });

  it("let one pod of a writable volume have it read-only", async () => {
    const capability = mountCapabilityOf("MULTI_NODE_MULTI_WRITER", ["noexec", "nconnect=2"]);
    await client.stage(volume, { stagingPath, capability });
    await client.publish(volume, { stagingPath, targetPath, capability, readonly: true });
    await client.publish(volume, { stagingPath, targetPath: "/other", capability });
    assert.equal(spec()?.readOnly, false);
    assert.deepEqual(optionsAt(targetPath), ["ro", "noexec"]);
    assert.deepEqual(optionsAt("/other"), ["rw", "noexec"]);
    const again = client.publish(volume, { stagingPath, targetPath, capability });
    await rejectsWith(again, status.ALREADY_EXISTS);
  });

  it("keep a second pod from ReadWriteOncePod, and a second node from every single-node mode", async () => {
    for (const mode of [
      "SINGLE_NODE_WRITER",
      "SINGLE_NODE_SINGLE_WRITER",
      "SINGLE_NODE_MULTI_WRITER",
    ] as const) {
      const capability = mountCapabilityOf(mode);
      await client.stage(volume, { stagingPath, capability });
      assert.equal(spec()?.singleNode, true, mode);
      await client.publish(volume, { stagingPath, targetPath, capability });
      const second = client.publish(volume, { stagingPath, targetPath: "/other", capability });
      if (mode === "SINGLE_NODE_SINGLE_WRITER")
        await rejectsWith(second, status.FAILED_PRECONDITION);
      else await second;
      for (const path of ["/other", targetPath]) await client.unpublish("static", path);
      await client.unstage("static", stagingPath);
    }
  });

  it("refuse options that would weaken the mount, and groups that are none", async () => {
    for (const flag of ["soft", "sec=krb5", "addr=10.0.0.1", "suid", "port=1"]) {
      const capability = mountCapabilityOf("SINGLE_NODE_WRITER", [flag]);
      await rejectsWith(client.stage(volume, { stagingPath, capability }), status.INVALID_ARGUMENT);
    }
    for (const volumeMountGroup of ["staff", "-1", "4294967295"]) {
      const capability = { ...mountCapabilityOf(), mount: { volumeMountGroup } };
      await rejectsWith(client.stage(volume, { stagingPath, capability }), status.INVALID_ARGUMENT);
    }
  });

  it("are confirmed for a static volume whose attributes name a bucket that is there", async () => {
    const volumeCapabilities = [mountCapabilityOf("MULTI_NODE_MULTI_WRITER")];
    const ask = (bucket: string) =>
      client.controller.ValidateVolumeCapabilities({
        volumeId: "a static one",
        volumeCapabilities,
        volumeContext: { bucket },
      });
    assert.equal((await ask("team")).confirmed?.volumeCapabilities.length, 1);
    await rejectsWith(ask("missing"), status.NOT_FOUND);
  });
});
