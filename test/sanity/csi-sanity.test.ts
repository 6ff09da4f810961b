import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { CsiClient } from "../support/csi-client.ts";
import { CsiProxy } from "../support/csi-proxy.ts";
import {
  advertised,
  assertWholeSuite,
  restartingRpcs,
  runCsiSanity,
} from "../support/csi-sanity.ts";
import { HostDriver } from "../support/host-driver.ts";

describe("csi-sanity against the processes of the driver", function () {
  this.timeout(600_000);
  let driver: HostDriver;
  let folder: string;

  beforeEach(async () => {
    driver = await HostDriver.start();
    folder = join(driver.run.folder, "sanity");
    mkdirSync(folder);
  });
  afterEach(() => driver[Symbol.asyncDispose]());

  it("is asked for exactly the capabilities that the driver advertises", async () => {
    using client = new CsiClient({
      controllerEndpoint: `unix://${driver.socket("controller")}`,
      nodeEndpoint: `unix://${driver.socket("node")}`,
    });
    const controller = await client.controller.ControllerGetCapabilities({});
    const node = await client.node.NodeGetCapabilities({});
    assert.deepEqual(
      {
        controller: controller.capabilities.map(({ rpc }) => rpc?.type),
        node: node.capabilities.map(({ rpc }) => rpc?.type),
      },
      advertised,
    );
  });

  it("passes every spec that applies, and leaves nothing behind", async () => {
    const result = await runCsiSanity({
      folder,
      nodeSocket: driver.socket("node"),
      controllerSocket: driver.socket("controller"),
    });
    assertWholeSuite(result);
    assert.deepEqual(driver.mounts(), []);
    assert.deepEqual(driver.run.leftovers(), []);
  });

  it("passes them with the process killed and started anew after each call that changes something", async () => {
    let restarts = 0;
    const proxies = (["controller", "node"] as const).map((name) => {
      const path = join(driver.run.folder, `proxy-${name}.sock`);
      return CsiProxy.start({ path, target: () => driver.socket(name) }, async (rpc) => {
        if (!restartingRpcs.has(rpc)) return;
        restarts++;
        await driver.restart(name);
      }).then((proxy) => ({ proxy, path }));
    });
    const [controller, node] = await Promise.all(proxies);
    assert.ok(controller !== undefined && node !== undefined);
    await using _controller = controller.proxy;
    await using _node = node.proxy;
    const sockets = { nodeSocket: node.path, controllerSocket: controller.path };
    assertWholeSuite(await runCsiSanity({ folder, ...sockets }));
    assert.ok(restarts > 100, `${restarts} restarts`);
    assert.deepEqual(driver.mounts(), []);
    assert.deepEqual(driver.run.leftovers(), []);
  });
});
