import assert from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { jsonLog } from "../../../src/base/log.ts";
import { VolumeServerError } from "../../../src/csi/volume-servers.ts";
import { rejectsWith } from "../../sanity/conformance.ts";
import { type CsiClient, mountCapabilityOf } from "../../support/csi-client.ts";
import { FakeWorld, startFakeDriver } from "../../support/fake-driver.ts";

const stagingPath = "/csi-staging";
const targetPath = "/csi-mount/target";
const name = "pvc-12345678-1234-1234-1234-123456789abc";

describe("What the driver says to the cluster and its log", () => {
  let world: FakeWorld;
  let client: CsiClient;
  let close: () => Promise<void>;
  let lines: Record<string, unknown>[];

  beforeEach(async () => {
    world = new FakeWorld();
    lines = [];
    const log = jsonLog({ level: "debug", fields: {} }, (line) => lines.push(JSON.parse(line)));
    ({ client, close } = await startFakeDriver(world, log));
  });
  afterEach(() => close());

  const said = () =>
    world.said.map(({ reason, object }) => `${reason} ${object.kind} ${object.name}`);

  it("names pod, claim and volume when several nodes have a volume", async () => {
    const capability = mountCapabilityOf("MULTI_NODE_MULTI_WRITER");
    const volume = await client.provision({ name, parameters: {}, capability });
    world.servers.sharedWith = ["node-7"];
    await client.stage(volume, { stagingPath, capability });
    await client.publish(volume, { stagingPath, targetPath, capability });
    assert.deepEqual(said(), [
      `SharedAcrossNodes PersistentVolumeClaim ${name}`,
      `SharedAcrossNodes PersistentVolume ${name}`,
      "SharedAcrossNodes Pod pod",
    ]);
    assert.match(world.said[0]?.message ?? "", /on several nodes \(node-7, node-1\)/);
  });

  it("says why a volume waits for another node", async () => {
    const volume = await client.provision({ name, parameters: {} });
    world.servers.startError = new VolumeServerError("elsewhere", "is on node node-7");
    await rejectsWith(client.stage(volume, { stagingPath }), status.ABORTED);
    assert.deepEqual(said(), [
      `WaitingForOtherNode PersistentVolumeClaim ${name}`,
      `WaitingForOtherNode PersistentVolume ${name}`,
    ]);
  });

  it("says what stays on a node, first when the pod goes and then when the volume does", async () => {
    const volume = await client.provision({ name, parameters: { unstageFlushTimeout: "0s" } });
    await client.stage(volume, { stagingPath });
    await client.publish(volume, { stagingPath, targetPath });
    world.servers.pendingBytes.set(volume.volumeId, 4096);
    await client.unpublish(volume.volumeId, targetPath);
    assert.deepEqual(said().splice(0), [
      `ChangesPending PersistentVolumeClaim ${name}`,
      `ChangesPending PersistentVolume ${name}`,
      "ChangesPending Pod pod",
    ]);
    world.said.length = 0;
    await client.unstage(volume.volumeId, stagingPath);
    assert.deepEqual(said(), [
      `ChangesKeptOnNode PersistentVolumeClaim ${name}`,
      `ChangesKeptOnNode PersistentVolume ${name}`,
    ]);
  });

  it("says that data is kept when the claim is gone", async () => {
    const { volumeId } = await client.provision({ name, parameters: { onDelete: "archive" } });
    await client.deprovision(volumeId);
    assert.deepEqual(said(), [`VolumeArchived PersistentVolume ${name}`]);
  });

  it("puts the volume on every line of a call's log, and no secret on any", async () => {
    const secrets = { accessKeyId: "AKIA", secretAccessKey: "hunter2" };
    const parameters = { authenticationSource: "secret" };
    const volume = await client.provision({ name, parameters, secrets });
    await client.stage(volume, { stagingPath, secrets });
    await client.unstage(volume.volumeId, stagingPath);
    await client.deprovision(volume.volumeId, secrets);
    await rejectsWith(client.stage(volume, { stagingPath }), status.INVALID_ARGUMENT);
    const calls = lines.filter((line) => "rpc" in line);
    assert.equal(calls.length, 5);
    for (const line of calls) assert.equal(line["volumeId"], volume.volumeId);
    assert.ok(!JSON.stringify(lines).includes("hunter2"));
  });

  it("refuses a volume more than the node may have, and stages those again that it has", async () => {
    world.maxVolumesPerNode = 1;
    await close();
    ({ client, close } = await startFakeDriver(world));
    const one = await client.provision({ name: "one", parameters: {} });
    const two = await client.provision({ name: "two", parameters: {} });
    assert.equal((await client.node.NodeGetInfo({})).maxVolumesPerNode, "1");
    await client.stage(one, { stagingPath });
    await client.stage(one, { stagingPath });
    const refused = client.stage(two, { stagingPath: "/other" });
    await rejectsWith(refused, status.RESOURCE_EXHAUSTED);
  });
});
