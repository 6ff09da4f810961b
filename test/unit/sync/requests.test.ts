import assert from "node:assert/strict";
import { pattern, TestVolume } from "./test-volume.ts";

/** What a piece of work asks of S3, as sorted names of operations. */
async function asked(volume: TestVolume, work: () => Promise<unknown>): Promise<string[]> {
  await volume.idle();
  volume.bucket.requests.length = 0;
  await work();
  await volume.idle();
  return volume.bucket.requests.map(({ operation }) => operation).sort();
}

/** The same of an export of everything that is due. */
const exported = (volume: TestVolume) => asked(volume, () => volume.pass(60_000));

/** A clean file that this volume has written. */
async function cleanFile(volume: TestVolume, path: string, data: string | Uint8Array) {
  await volume.list();
  const inode = await volume.write(path, data);
  await volume.flush();
  return inode;
}

describe("what work costs in requests", () => {
  it("a new small file: one PUT", async () => {
    await using volume = await new TestVolume().start();
    await volume.list();
    await volume.write("a", "alpha");
    assert.deepEqual(await exported(volume), ["put"]);
  });

  it("saving through a temporary file: one PUT, of a new file and of an old one", async () => {
    await using volume = await new TestVolume().start();
    await volume.list();
    for (const text of ["first", "second"]) {
      await volume.write("a.tmp", text);
      await volume.rename("a.tmp", "a");
      assert.deepEqual(await exported(volume), ["put"], text);
    }
  });

  it("renaming a file that S3 does not have yet: nothing", async () => {
    await using volume = await new TestVolume().start();
    await volume.list();
    await volume.write("a", "alpha");
    await volume.rename("a", "b");
    await volume.rename("b", "c");
    assert.deepEqual(await exported(volume), ["put"]);
    assert.deepEqual(volume.bucket.keys(), ["c"]);
  });

  it("renaming a clean file: two requests and a listing of records, and none when it is renamed back in time", async () => {
    await using volume = await new TestVolume().start();
    await cleanFile(volume, "a", "alpha");
    await volume.rename("a", "b");
    const sent = await exported(volume);
    assert.equal(sent.length, 3, sent.join(" "));
    assert.ok(sent.includes("delete") && sent.includes("list"));
    await volume.rename("b", "c");
    await volume.rename("c", "b");
    assert.deepEqual(await exported(volume), []);
  });

  it("a further name of a clean file: one PUT, whatever the size of the file", async () => {
    await using volume = await new TestVolume().start();
    await cleanFile(volume, "a", pattern(300_000));
    await volume.hardLink("a", "b");
    await volume.hardLink("a", "c");
    assert.deepEqual(await exported(volume), ["put"]);
  });

  it("an edit of a small clean file: one PUT", async () => {
    await using volume = await new TestVolume().start();
    const inode = await cleanFile(volume, "a", "alpha");
    await volume.writeInode(inode, 0, "ALPHA");
    assert.deepEqual(await exported(volume), ["put"]);
  });

  it("changing mode, owner and times of a small clean file together: one request", async () => {
    await using volume = await new TestVolume().start();
    const inode = await cleanFile(volume, "a", "alpha");
    await volume.setAttributes(inode, { mode: 0o600 });
    await volume.setAttributes(inode, { uid: 7, gid: 8 });
    const sent = await exported(volume);
    assert.equal(sent.length, 1, sent.join(" "));
  });

  it("removing clean files: one DELETE each, and one listing of records for all; removing a new one: nothing", async () => {
    await using volume = await new TestVolume().start();
    await cleanFile(volume, "a", "alpha");
    await cleanFile(volume, "c", "gamma");
    await volume.remove("a");
    await volume.remove("c");
    await volume.write("b", "beta");
    await volume.remove("b");
    assert.deepEqual(await exported(volume), ["delete", "delete", "list"]);
  });

  it("400 small files: one PUT each, and nothing else", async () => {
    await using volume = await new TestVolume().start();
    await volume.makeDirectory("d");
    await volume.list("d");
    await exported(volume);
    for (let index = 0; index < 400; index++) await volume.write(`d/f${index}`, `${index}`);
    const sent = await exported(volume);
    assert.deepEqual([sent.length, new Set(sent)], [400, new Set(["put"])]);
  });

  it("the first listing of 10,000 keys: ten LISTs; again within the time to live: nothing", async () => {
    await using volume = await new TestVolume({ importSizeLessThanBytes: 0 }).start();
    for (let index = 0; index < 10_000; index++) volume.bucket.putObject(`d/f${index}`, "");
    await volume.list();
    const first = await asked(volume, () => volume.list("d"));
    assert.equal(first.filter((operation) => operation === "list").length, 10);
    assert.deepEqual(await asked(volume, () => volume.list("d")), []);
  });

  it("an edit and an append of a large object: at most six requests that change something", async () => {
    await using volume = await new TestVolume().start();
    const data = pattern(4 * 1024 * 1024);
    volume.bucket.putObject("big", data);
    await volume.patch("big", 2_000_000, "EDIT");
    await volume.patch("big", data.length, "tail");
    const sent = (await exported(volume)).filter((name) => name !== "head" && name !== "get");
    assert.ok(sent.length <= 6, sent.join(" "));
  });
});
