import assert from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { type CsiClient, mountCapabilityOf } from "../support/csi-client.ts";

/** A running driver as the suite needs it. */
export interface DriverUnderTest {
  readonly client: CsiClient;
  readonly stagingPath: string;
  /** Does not exist before; the suite publishes here. */
  readonly targetPath: string;
  readonly otherTargetPath: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** Whether a path exists, whatever it is. */
  exists(path: string): Promise<boolean>;
}

const gib = 2 ** 30;
/** Rejects with this gRPC status and a message. */
export async function rejectsWith(promise: Promise<unknown>, code: status): Promise<void> {
  await assert.rejects(promise, (error: { code?: number; details?: string }) => {
    assert.equal(status[error.code ?? -1], status[code], `${error.details}`);
    assert.notEqual(error.details, "");
    return true;
  });
}

/**
 * What csi-sanity 5.5 demands of a driver with these capabilities (facts/csi.md §6.4), as a mocha suite that
 * runs against any driver that `open` starts; `close` ends it after each test.
 */
export function csiConformance(
  open: () => Promise<DriverUnderTest>,
  close: () => Promise<void>,
): void {
  let driver: DriverUnderTest;
  let volumes: string[];
  let names = 0;
  const uniqueName = () => `sanity-${++names}-A1B2C3D4-${process.pid}`;

  beforeEach(async () => {
    driver = await open();
    volumes = [];
  });
  afterEach(async () => {
    // csi-sanity's own clean-up: no secrets, no context, also for what was never staged, also twice.
    for (const volumeId of volumes.reverse()) {
      await driver.client.unpublish(volumeId, driver.targetPath);
      await driver.client.unstage(volumeId, driver.stagingPath);
      await driver.client.deprovision(volumeId);
    }
    driver.client[Symbol.dispose]();
    await close();
  });

  async function provision(
    name = uniqueName(),
    extra: Partial<Parameters<CsiClient["provision"]>[0]> = {},
  ) {
    const volume = await driver.client.provision({
      name,
      parameters: driver.parameters,
      capacityBytes: 10 * gib,
      ...extra,
    });
    volumes.push(volume.volumeId);
    return volume;
  }

  describe("Identity", () => {
    it("names itself as the specification allows", async () => {
      const { name, vendorVersion } = await driver.client.identity.GetPluginInfo({});
      assert.match(name, /^[A-Za-z][A-Za-z0-9._-]{0,61}[A-Za-z]$/);
      assert.notEqual(vendorVersion, "");
    });
    it("reports only capabilities of known kinds", async () => {
      const { capabilities } = await driver.client.identity.GetPluginCapabilities({});
      assert.deepEqual(
        capabilities.map((one) => one.service?.type),
        ["CONTROLLER_SERVICE"],
      );
    });
    it("is ready when probed", async () => {
      assert.equal((await driver.client.identity.Probe({})).ready?.value, true);
    });
  });

  describe("Controller", () => {
    it("reports only capabilities with a known RPC type", async () => {
      const { capabilities } = await driver.client.controller.ControllerGetCapabilities({});
      assert.ok(capabilities.length > 0);
      for (const { rpc } of capabilities) assert.notEqual(rpc?.type ?? "UNKNOWN", "UNKNOWN");
    });
    it("answers UNIMPLEMENTED for what it does not advertise", async () => {
      await rejectsWith(driver.client.controller.GetCapacity({}), status.UNIMPLEMENTED);
    });
    it("lists a volume from its creation to its deletion, and knows no foreign token", async () => {
      const { controller } = driver.client;
      const ids = async () =>
        (await controller.ListVolumes({})).entries.map(({ volume }) => volume?.volumeId);
      assert.deepEqual(await ids(), []);
      const { volumeId } = await provision();
      assert.deepEqual(await ids(), [volumeId]);
      await driver.client.deprovision(volumeId);
      assert.deepEqual(await ids(), []);
      await rejectsWith(controller.ListVolumes({ startingToken: "invalid-token" }), status.ABORTED);
    });
    it("lists volumes page by page, each once, also when one goes between two pages", async () => {
      const { controller } = driver.client;
      for (let i = 0; i < 5; i++) await provision();
      const first = await controller.ListVolumes({ maxEntries: 2 });
      assert.equal(first.entries.length, 2);
      await driver.client.deprovision(first.entries[1]?.volume?.volumeId ?? "");
      const rest = await controller.ListVolumes({ startingToken: first.nextToken });
      assert.equal(rest.nextToken, "");
      const seen = [...first.entries, ...rest.entries].map(({ volume }) => volume?.volumeId);
      assert.deepEqual([...seen].sort(), [...volumes].sort());
    });
    it("tells an existing volume's capacity, and knows no other", async () => {
      const { controller } = driver.client;
      const { volumeId } = await provision();
      const { volume } = await controller.ControllerGetVolume({ volumeId });
      assert.equal(volume?.volumeId, volumeId);
      assert.equal(volume?.capacityBytes, String(10 * gib));
      const volumeIdOfNone = "none-exist-id";
      const none = controller.ControllerGetVolume({ volumeId: volumeIdOfNone });
      await rejectsWith(none, status.NOT_FOUND);
    });
    it("refuses a volume without a name or without capabilities", async () => {
      const { controller } = driver.client;
      const volumeCapabilities = [mountCapabilityOf()];
      await rejectsWith(controller.CreateVolume({ volumeCapabilities }), status.INVALID_ARGUMENT);
      await rejectsWith(controller.CreateVolume({ name: "x" }), status.INVALID_ARGUMENT);
    });
    it("answers the same name and size with the same volume of exactly that size", async () => {
      const name = uniqueName();
      const first = await provision(name);
      assert.deepEqual(await provision(name), first);
      assert.equal(first.capacityBytes, 10 * gib);
    });
    it("refuses the same name with twice the size as ALREADY_EXISTS", async () => {
      const name = uniqueName();
      const exactly = (bytes: number) =>
        driver.client.controller.CreateVolume({
          name,
          parameters: { ...driver.parameters },
          volumeCapabilities: [mountCapabilityOf()],
          capacityRange: { requiredBytes: String(bytes), limitBytes: String(bytes) },
        });
      const made = await exactly(gib);
      volumes.push(made.volume?.volumeId ?? "");
      await rejectsWith(exactly(2 * gib), status.ALREADY_EXISTS);
    });
    it("makes a volume whose name has 128 characters, two of them apart", async () => {
      const long = `${"L".repeat(120)}${String(process.pid).padStart(8, "0")}`;
      const one = await provision(long.slice(0, 128));
      const other = await provision(long.slice(0, 127));
      assert.notEqual(one.volumeId, other.volumeId);
      assert.ok(Buffer.byteLength(one.volumeId) <= 128);
    });
    it("deletes what does not exist, whatever its id looks like", async () => {
      for (const id of [
        "fake-vol-id",
        "non-existing-volume-id",
        "A Malformed?Id/",
        "none-exist-id",
      ]) {
        await driver.client.deprovision(id);
      }
      await rejectsWith(driver.client.deprovision(""), status.INVALID_ARGUMENT);
    });
    it("validates capabilities of known volumes only", async () => {
      const { controller } = driver.client;
      const volumeCapabilities = [mountCapabilityOf("MULTI_NODE_MULTI_WRITER")];
      const { volumeId, volumeContext } = await provision();
      await rejectsWith(
        controller.ValidateVolumeCapabilities({ volumeCapabilities }),
        status.INVALID_ARGUMENT,
      );
      await rejectsWith(
        controller.ValidateVolumeCapabilities({ volumeId }),
        status.INVALID_ARGUMENT,
      );
      await rejectsWith(
        controller.ValidateVolumeCapabilities({ volumeId: "fake-vol-id", volumeCapabilities }),
        status.NOT_FOUND,
      );
      const { confirmed } = await controller.ValidateVolumeCapabilities({
        volumeId,
        volumeCapabilities,
        volumeContext: { ...volumeContext },
      });
      assert.equal(confirmed?.volumeCapabilities.length, 1);
      const block = await controller.ValidateVolumeCapabilities({
        volumeId,
        volumeCapabilities: [{ block: {}, accessMode: { mode: "SINGLE_NODE_WRITER" } }],
      });
      assert.equal(block.confirmed, null);
    });
  });

  describe("Node", () => {
    const capability = mountCapabilityOf();
    it("reports only capabilities with a known RPC type", async () => {
      const { capabilities } = await driver.client.node.NodeGetCapabilities({});
      for (const { rpc } of capabilities) assert.notEqual(rpc?.type ?? "UNKNOWN", "UNKNOWN");
    });
    it("has an id and no negative limit", async () => {
      const { nodeId, maxVolumesPerNode } = await driver.client.node.NodeGetInfo({});
      assert.ok(nodeId !== "" && Buffer.byteLength(nodeId) <= 256);
      assert.ok(BigInt(maxVolumesPerNode) >= 0n);
    });
    it("judges missing arguments before anything else", async () => {
      const { node } = driver.client;
      const { stagingPath: stagingTargetPath, targetPath } = driver;
      const volumeId = "fake-vol-id";
      const volumeCapability = capability;
      for (const call of [
        node.NodePublishVolume({ targetPath, volumeCapability }),
        node.NodePublishVolume({ volumeId, volumeCapability }),
        node.NodePublishVolume({ volumeId, targetPath }),
        node.NodeUnpublishVolume({ targetPath }),
        node.NodeUnpublishVolume({ volumeId }),
        node.NodeStageVolume({ stagingTargetPath, volumeCapability }),
        node.NodeStageVolume({ volumeId, volumeCapability }),
        node.NodeStageVolume({ volumeId, stagingTargetPath }),
        node.NodeUnstageVolume({ stagingTargetPath }),
        node.NodeUnstageVolume({ volumeId }),
        node.NodeGetVolumeStats({ volumePath: targetPath }),
        node.NodeGetVolumeStats({ volumeId }),
      ]) {
        await rejectsWith(call, status.INVALID_ARGUMENT);
      }
    });
    it("refuses to publish what is not staged", async () => {
      const { volumeId } = await provision();
      await rejectsWith(
        driver.client.node.NodePublishVolume({
          volumeId,
          targetPath: driver.targetPath,
          volumeCapability: capability,
        }),
        status.FAILED_PRECONDITION,
      );
      assert.equal(await driver.exists(driver.targetPath), false);
    });
    it("has no figures for an unknown volume or path", async () => {
      const { node } = driver.client;
      await rejectsWith(
        node.NodeGetVolumeStats({ volumeId: "fake-vol-id", volumePath: "some/path" }),
        status.NOT_FOUND,
      );
      const volume = await provision();
      await driver.client.stage(volume, driver);
      await driver.client.publish(volume, driver);
      const { volumeId } = volume;
      await rejectsWith(
        node.NodeGetVolumeStats({ volumeId, volumePath: "some/path" }),
        status.NOT_FOUND,
      );
      const { usage } = await node.NodeGetVolumeStats({ volumeId, volumePath: driver.targetPath });
      assert.deepEqual(
        usage.map((one) => one.unit),
        ["BYTES", "INODES"],
      );
      assert.equal(usage[0]?.total, String(10 * gib));
    });
    it("refuses a second target of a single writer and leaves nothing behind", async () => {
      const single = mountCapabilityOf("SINGLE_NODE_SINGLE_WRITER");
      const volume = await provision(uniqueName(), { capability: single });
      await driver.client.stage(volume, { ...driver, capability: single });
      await driver.client.publish(volume, { ...driver, capability: single });
      await rejectsWith(
        driver.client.publish(volume, {
          stagingPath: driver.stagingPath,
          targetPath: driver.otherTargetPath,
          capability: single,
        }),
        status.FAILED_PRECONDITION,
      );
      assert.equal(await driver.exists(driver.otherTargetPath), false);
    });
    it("lives through a whole life", async () => {
      const volume = await provision();
      await driver.client.stage(volume, driver);
      await driver.client.publish(volume, driver);
      assert.equal(await driver.exists(driver.targetPath), true);
      await driver.client.unpublish(volume.volumeId, driver.targetPath);
      assert.equal(await driver.exists(driver.targetPath), false);
      await driver.client.unstage(volume.volumeId, driver.stagingPath);
    });
    it("lives through a life in which every call comes ten times", async () => {
      const volume = await provision();
      const tenTimes = async (call: () => Promise<void>) => {
        for (let i = 0; i < 10; i++) await call();
      };
      await tenTimes(() => driver.client.stage(volume, driver));
      await tenTimes(() => driver.client.publish(volume, driver));
      await tenTimes(() => driver.client.unpublish(volume.volumeId, driver.targetPath));
      await tenTimes(() => driver.client.unstage(volume.volumeId, driver.stagingPath));
    });
  });
}
