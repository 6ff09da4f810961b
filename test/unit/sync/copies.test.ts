import assert from "node:assert/strict";
import { allHonoured } from "../../../src/probe/abilities.ts";
import { pattern, sizes, TestVolume } from "./test-volume.ts";

const data = pattern(3 * sizes.part);

async function withFile(options: ConstructorParameters<typeof TestVolume>[0] = {}) {
  const volume = await new TestVolume(options).start();
  volume.bucket.putObject("a", data, { contentType: "text/x", metadata: { author: "me" } });
  await volume.list();
  await volume.attributes("a");
  volume.bucket.requests.length = 0;
  return volume;
}

const asked = (volume: TestVolume): string[] =>
  volume.bucket.requests.map(({ operation }) => operation);

describe("a change of attributes or of the name alone", () => {
  it("is a copy by S3 that keeps headers, metadata and tags", async () => {
    await using volume = await withFile();
    volume.bucket.tagObject("a", "x=1");
    await volume.setAttributes(await volume.inode("a"), { mode: 0o600 });
    await volume.flush();
    assert.deepEqual(asked(volume), ["copy"]);
    const info = volume.bucket.info("a");
    assert.equal(info?.metadata["file-permissions"], "0100600");
    assert.deepEqual([info?.contentType, info?.metadata["author"]], ["text/x", "me"]);
    assert.equal(volume.bucket.tagsOf("a"), "x=1");
    assert.ok(volume.bucket.bytes("a")?.equals(data));
    assert.deepEqual(await volume.refresh(), ["a"]);
    assert.equal((await volume.attributes("a")).mode, 0o600);
  });

  it("of an object that somebody replaced meanwhile leaves theirs as it is", async () => {
    await using volume = await withFile();
    await volume.setAttributes(await volume.inode("a"), { mode: 0o600 });
    volume.bucket.putObject("a", "theirs");
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "theirs");
    assert.equal(await volume.text("a"), "theirs");
    assert.deepEqual(await volume.lost(), []);
  });

  it("of an object that somebody replaced while it was renamed moves theirs", async () => {
    await using volume = await withFile();
    await volume.rename("a", "b");
    volume.bucket.putObject("a", "theirs");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["b"]);
    assert.equal(volume.bucket.text("b"), "theirs");
  });

  it("onto a name that somebody took meanwhile gives way", async () => {
    await using volume = await withFile();
    await volume.rename("a", "b");
    volume.bucket.putObject("b", "theirs");
    await volume.flush();
    assert.equal(volume.bucket.text("b"), "theirs");
    assert.ok(volume.bucket.bytes("a")?.equals(data));
  });

  it("whose answer was lost is not done again", async () => {
    await using volume = await withFile();
    await volume.rename("a", "b");
    volume.faults.add({ operation: "copy", times: 1, action: { kind: "lose" } });
    await volume.engine.flush();
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["b"]);
    assert.equal(asked(volume).filter((operation) => operation === "copy").length, 1);
  });

  it("is recognised after a crash, and undone when it arrives too late", async () => {
    await using volume = await withFile();
    await volume.rename("a", "b");
    volume.killAt("sync.uploaded");
    await volume.engine.flush();
    assert.ok(volume.isDead);
    await volume.restart();
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["b"]);
    volume.faults.add({ operation: "copy", times: 1, action: { kind: "late", delayMs: 60_000 } });
    await volume.rename("b", "c");
    await volume.engine.flush();
    await volume.rename("c", "d");
    await volume.flush();
    await volume.pass(120_000);
    await volume.refresh();
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["d"]);
  });

  it("is a multipart upload of copied parts where conditions of a copy were not proved", async () => {
    const abilities = { ...allHonoured, copyIfMatch: "ignored", copyIfAbsent: "ignored" } as const;
    await using volume = await withFile({ abilities });
    await volume.setAttributes(await volume.inode("a"), { mode: 0o600 });
    await volume.flush();
    assert.deepEqual(asked(volume), ["createMultipart", "uploadPartCopy", "completeMultipart"]);
  });
});
