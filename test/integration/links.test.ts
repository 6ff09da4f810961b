import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { type DevS3, startDevS3 } from "../../src/dev-s3/server.ts";
import { S3ObjectStore } from "../../src/s3/s3-object-store.ts";
import { isOneFile } from "../unit/sync/link-support.ts";
import { pattern, TestVolume } from "../unit/sync/test-volume.ts";

const mebi = 2 ** 20;

function open(server: DevS3) {
  const { accessKeyId, secretAccessKey, endpoint, region } = server;
  const store = new S3ObjectStore(
    { bucket: "bucket", endpoint, region, forcePathStyle: true, maxAttempts: 2 },
    {
      credentials: () => Promise.resolve({ accessKeyId, secretAccessKey }),
      clock: systemClock,
      log: silentLog,
    },
  );
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

const volumeOver = (store: S3ObjectStore): TestVolume =>
  new TestVolume({ store, partSizeBytes: 8 * mebi, minPartBytes: 5 * mebi });

async function keysOf(store: S3ObjectStore): Promise<string[]> {
  const { objects } = await store.list({ prefix: "" });
  return objects.map(({ key }) => key.replace(/[0-9a-f]{32}/, "<id>"));
}

describe("hard links on the embedded S3 server", () => {
  it("come back on another node with their content and count, names of all kinds", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    await using volume = await volumeOver(store).start();
    const large = pattern(12 * mebi + 3);
    await volume.makeDirectory("d");
    await volume.write("d/a %+&=?#", "content");
    await volume.hardLink("d/a %+&=?#", "naïve ☃");
    await volume.write("large", large);
    await volume.hardLink("large", "d/large too");
    await volume.flush();
    await volume.remove("large");
    await volume.flush();
    const keys = ["d/", "d/a %+&=?#", "d/large too"];
    assert.deepEqual(await keysOf(store), [".s3files/links/<id>.json", ...keys]);
    await using other = await volumeOver(store).start();
    await isOneFile(other, ["naïve ☃", "d/a %+&=?#"], "content");
    assert.ok((await other.read("d/large too")).equals(large));
  });

  it("survive a kill at each step of a move of their object", async () => {
    for (const failpoint of [
      "sync.frozen",
      "sync.uploaded",
      "sync.linkJournalled",
      "sync.linkWritten",
      "sync.deleted",
    ]) {
      await using server = await startDevS3({ buckets: ["bucket"] });
      await using store = open(server);
      await using volume = await volumeOver(store).start();
      await volume.write("a", "content");
      await volume.hardLink("a", "b");
      await volume.hardLink("a", "c");
      await volume.flush();
      await volume.remove("a");
      volume.killAt(failpoint);
      await volume.engine.flush();
      assert.ok(volume.isDead, failpoint);
      {
        await using lost = await volumeOver(store).start();
        for (const path of ["b", "c"]) {
          assert.equal(await lost.text(path), "content", `${path} at ${failpoint}`);
        }
      }
      await volume.restart();
      await volume.flush();
      await volume.flush();
      assert.deepEqual(await keysOf(store), [".s3files/links/<id>.json", "b"], failpoint);
      await isOneFile(volume, ["b", "c"], "content", failpoint);
    }
  });
});
