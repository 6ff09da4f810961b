import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { type DevS3, startDevS3 } from "../../src/dev-s3/server.ts";
import { type ETag, objectKey } from "../../src/s3/object-store.ts";
import { S3ObjectStore } from "../../src/s3/s3-object-store.ts";
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

async function bytesOf(store: S3ObjectStore, key: string): Promise<Buffer | undefined> {
  const head = await store.head(objectKey(key));
  if (head.kind === "notFound") return undefined;
  const range = { offsetBytes: 0, lengthBytes: head.sizeBytes, ifMatch: head.etag };
  if (head.sizeBytes === 0) return Buffer.alloc(0);
  const read = await store.get(objectKey(key), range);
  return read.kind === "read" ? Buffer.from(read.data) : undefined;
}

async function keysOf(store: S3ObjectStore): Promise<string[]> {
  return (await store.list({ prefix: "" })).objects.map(({ key }) => key);
}

function volumeOver(store: S3ObjectStore): TestVolume {
  return new TestVolume({ store, partSizeBytes: 8 * mebi, minPartBytes: 5 * mebi });
}

describe("the sync engine on the embedded S3 server", () => {
  it("exports, edits, renames and deletes files of all kinds and sizes", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    await using volume = await volumeOver(store).start();
    const large = pattern(20 * mebi + 17);
    await volume.makeDirectory("d");
    await volume.write("d/naïve name+%&=?#", "small");
    await volume.write("empty", "");
    await volume.write("large", large);
    await volume.link("link", "d/naïve");
    await volume.flush();
    assert.deepEqual(await keysOf(store), ["d/", "d/naïve name+%&=?#", "empty", "large", "link"]);
    assert.ok((await bytesOf(store, "large"))?.equals(large));

    await volume.patch("large", 11 * mebi, "EDIT");
    large.write("EDIT", 11 * mebi);
    await volume.rename("d", "moved");
    await volume.rename("empty", "moved/empty");
    await volume.remove("link");
    await volume.setAttributes(await volume.inode("moved/empty"), { mode: 0o600 });
    await volume.flush();
    assert.deepEqual(await keysOf(store), [
      "large",
      "moved/",
      "moved/empty",
      "moved/naïve name+%&=?#",
    ]);
    assert.ok((await bytesOf(store, "large"))?.equals(large));
    await volume.rename("large", "moved/large");
    await volume.flush();
    assert.ok((await bytesOf(store, "moved/large"))?.equals(large));
    assert.deepEqual(await volume.lost(), []);
  });

  it("imports what other clients wrote, and carries their headers over an edit", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    const headers = {
      contentType: "text/x-test",
      contentDisposition: "inline",
      cacheControl: "max-age=5",
      metadata: {
        mine: "kept",
        "file-permissions": "0100640",
        "file-mtime": "1700000000000000001ns",
      },
    };
    const body = { sizeBytes: 5, chunks: [Buffer.from("hello")] };
    await store.put(objectKey("d/a"), body, headers, "absent");
    await using volume = await volumeOver(store).start();
    assert.deepEqual(await volume.list("d"), ["a"]);
    const attributes = await volume.attributes("d/a");
    assert.equal(attributes.mode, 0o640);
    assert.deepEqual(attributes.modifyTime, { seconds: 1_700_000_000, nanoseconds: 1 });
    await volume.patch("d/a", 0, "J");
    await volume.flush();
    assert.equal((await bytesOf(store, "d/a"))?.toString(), "Jello");
    const head = await store.head(objectKey("d/a"));
    assert.ok(head.kind === "found");
    assert.equal(head.contentType, "text/x-test");
    assert.equal(head.contentDisposition, "inline");
    assert.equal(head.cacheControl, "max-age=5");
    assert.equal(head.metadata["mine"], "kept");
  });

  it("finds its own object behind lost answers, and keeps both versions of a conflict", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    await using volume = await volumeOver(store).start();
    await volume.write("mine", "mine");
    server.faults.add({ operation: "PutObject", times: 1, action: { kind: "lostResponse" } });
    await volume.flush();
    assert.equal((await bytesOf(store, "mine"))?.toString(), "mine");
    assert.deepEqual(await volume.lost(), []);

    await volume.write("mine", "edited");
    const head = await store.head(objectKey("mine"));
    const etag: ETag = head.kind === "found" ? head.etag : assert.fail("The object is missing");
    const foreign = { sizeBytes: 7, chunks: [Buffer.from("foreign")] };
    await store.put(objectKey("mine"), foreign, { metadata: {} }, etag);
    await volume.flush();
    assert.equal(await volume.text("mine"), "foreign");
    const [name] = await volume.lost();
    assert.equal(await volume.text(`${volume.lostDirectory}/${name}`), "edited");
  });

  it("leaves data exported and names whole when it is killed between success and record", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    await using volume = await volumeOver(store).start();
    for (let round = 0; round < 4; round++) {
      await volume.write("a", `round ${round}`);
      await volume.write(`b${round}`, pattern(9 * mebi, round));
      volume.killAt("sync.uploaded", 1 + (round % 2));
      await volume.engine.flush();
      await volume.restart();
    }
    await volume.flush();
    assert.equal((await bytesOf(store, "a"))?.toString(), "round 3");
    for (let round = 0; round < 4; round++) {
      assert.ok((await bytesOf(store, `b${round}`))?.equals(pattern(9 * mebi, round)));
    }
    assert.deepEqual(await volume.lost(), []);
  });
});
