import assert from "node:assert/strict";
import { fileName } from "../../../src/vfs/name.ts";
import { TestVolume } from "./test-volume.ts";

describe("device nodes", () => {
  const device = { major: 8, minor: 0xfff01 };
  const made = async () => {
    const volume = await new TestVolume().start();
    const node = { type: "blockDevice", device } as const;
    const name = fileName(Buffer.from("sda"));
    await volume.call((call) =>
      volume.files.createNode(call, volume.files.root, name, node, { mode: 0o660 }),
    );
    await volume.flush();
    return volume;
  };

  it("are empty objects whose metadata tell their numbers, and stay what they are here", async () => {
    await using volume = await made();
    assert.equal(volume.bucket.bytes("sda")?.length, 0);
    const { metadata = {} } = volume.bucket.info("sda") ?? {};
    assert.equal(metadata["file-permissions"], "0060660");
    assert.equal(metadata["file-device"], "8:1048321");
    await volume.restart();
    await volume.pass(60_000);
    await volume.list();
    const found = await volume.attributes("sda");
    assert.deepEqual([found.type, found.device, found.sizeBytes], ["blockDevice", device, 0]);
  });

  it("are plain files to a node that does not trust the bucket's modes", async () => {
    await using volume = await made();
    await using other = await new TestVolume({ store: volume.bucket }).start();
    assert.equal((await other.attributes("sda")).type, "file");
    await using trusting = await new TestVolume({
      store: volume.bucket,
      trustObjectModes: true,
    }).start();
    const found = await trusting.attributes("sda");
    assert.deepEqual([found.type, found.device, found.mode], ["blockDevice", device, 0o660]);
  });
});
