import assert from "node:assert/strict";
import { freshNode, isOneFile, objects, records } from "./link-support.ts";
import { pattern, sizes, TestVolume } from "./test-volume.ts";

describe("a file with several names", () => {
  it("is one object and one record, and comes back on a node that knows nothing", async () => {
    await using volume = await new TestVolume({ prefix: "v/" }).start();
    await volume.makeDirectory("d");
    await volume.makeDirectory("e");
    await volume.write("e/a", "content");
    await volume.hardLink("e/a", "b");
    await volume.hardLink("b", "d/c");
    await volume.flush();
    assert.deepEqual(objects(volume), ["v/d/", "v/e/", "v/e/a"]);
    assert.deepEqual(records(volume), [{ primary: "e/a", names: ["b", "d/c"] }]);
    await using other = await freshNode(volume);
    await isOneFile(other, ["d/c", "e/a", "b"], "content");
    assert.deepEqual(await other.list(), ["b", "d", "e"]);
    await other.flush();
    assert.deepEqual(records(volume), [{ primary: "e/a", names: ["b", "d/c"] }]);
  });

  it("has its link count before its other names have been listed", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "content");
    for (const directory of ["d", "e"]) await volume.makeDirectory(directory);
    await volume.hardLink("a", "d/b");
    await volume.hardLink("a", "e/c");
    await volume.flush();
    await using other = await freshNode(volume);
    assert.equal((await other.attributes("a")).linkCount, 3);
    await other.remove("a");
    await isOneFile(other, ["d/b", "e/c"], "content");
    await other.flush();
    assert.equal(objects(volume).filter((key) => !key.endsWith("/")).length, 1);
    await using third = await freshNode(volume);
    await isOneFile(third, ["e/c", "d/b"], "content");
  });

  it("shows in a directory that holds nothing else, and keeps it", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("d/x", "implied");
    await volume.write("a", "content");
    await volume.hardLink("a", "d/b");
    await volume.remove("d/x");
    await volume.flush();
    assert.deepEqual(objects(volume), ["a"]);
    await using other = await freshNode(volume);
    assert.deepEqual(await other.refresh(), ["a", "d"]);
    await other.rename("d", "e");
    await isOneFile(other, ["a", "e/b"], "content");
    await other.flush();
    assert.deepEqual(records(volume), [{ primary: "a", names: ["e/b"] }]);
  });

  it("is moved when its first name goes, and loses its record with the second last", async () => {
    await using volume = await new TestVolume().start();
    for (const data of [Buffer.from("small"), pattern(4 * sizes.part)]) {
      await volume.write("a", data);
      await volume.flush();
      await volume.hardLink("a", "b");
      await volume.hardLink("a", "c");
      await volume.flush();
      await volume.remove("a");
      await volume.flush();
      assert.deepEqual(objects(volume), ["b"]);
      assert.deepEqual(records(volume), [{ primary: "b", names: ["c"] }]);
      await volume.patch("c", 0, "EDIT");
      await volume.remove("b");
      await volume.flush();
      data.write("EDIT");
      assert.deepEqual(volume.bucket.keys(), ["c"]);
      assert.ok(volume.bucket.bytes("c")?.equals(data));
      await volume.remove("c");
      await volume.flush();
      assert.deepEqual(volume.bucket.keys(), []);
    }
    assert.deepEqual(volume.state.links.all(), []);
  });

  it("that is linked and unlinked before anything was due costs what a rename does", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "content");
    await volume.hardLink("a", "b");
    await volume.remove("a");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["b"]);
    await volume.hardLink("b", "a");
    await volume.remove("b");
    await volume.hardLink("a", "b");
    await volume.remove("a");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["b"]);
    assert.deepEqual(volume.state.links.all(), []);
  });

  it("keeps all names when a directory, or one name over another file, is renamed", async () => {
    await using volume = await new TestVolume().start();
    for (const directory of ["d", "e"]) await volume.makeDirectory(directory);
    await volume.write("d/a", "content");
    await volume.hardLink("d/a", "e/b");
    await volume.write("x", "other");
    await volume.flush();
    await volume.rename("d", "f");
    await volume.rename("e", "d");
    await volume.flush();
    assert.deepEqual(records(volume), [{ primary: "f/a", names: ["d/b"] }]);
    await volume.rename("d/b", "x");
    await volume.flush();
    await isOneFile(volume, ["f/a", "x"], "content");
    await volume.write("y", "taking its place");
    await volume.rename("y", "f/a");
    await volume.flush();
    assert.equal(await volume.text("f/a"), "taking its place");
    assert.deepEqual(volume.bucket.text("x"), "content");
    assert.deepEqual(records(volume), []);
    await using other = await freshNode(volume);
    assert.equal(await other.text("x"), "content");
    assert.equal((await other.attributes("x")).linkCount, 1);
    assert.equal(await other.text("f/a"), "taking its place");
  });

  it("swaps places with another one", async () => {
    await using volume = await new TestVolume().start();
    for (const [first, second] of [
      ["a", "b"],
      ["c", "d"],
    ] as const) {
      await volume.write(first, `content of ${first}`);
      await volume.hardLink(first, second);
    }
    await volume.flush();
    await volume.rename("a", "t");
    await volume.rename("c", "a");
    await volume.rename("t", "c");
    await volume.flush();
    await volume.flush();
    await using other = await freshNode(volume);
    for (const node of [volume, other]) {
      await isOneFile(node, ["c", "b"], "content of a");
      await isOneFile(node, ["a", "d"], "content of c");
    }
  });

  it("may have names in local places, which no record tells", async () => {
    await using volume = await new TestVolume().start();
    const aside = `.nfs${"0".repeat(24)}`;
    await volume.write("a", "content");
    await volume.hardLink("a", "b");
    await volume.flush();
    await volume.rename("a", aside);
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["b"]);
    assert.equal((await volume.attributes("b")).linkCount, 2);
    await volume.remove("b");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), []);
    assert.equal(await volume.text(aside), "content");
    await volume.hardLink(aside, "c");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["c"]);
    assert.equal(volume.bucket.text("c"), "content");
    await volume.remove(aside);
    await volume.hardLink("c", "d");
    await volume.flush();
    assert.deepEqual(records(volume), [{ primary: "c", names: ["d"] }]);
  });

  it("is in S3 with all its names when fsync has returned, where fsync waits for S3", async () => {
    await using volume = await new TestVolume({ waitsForS3: true }).start();
    await volume.write("a", "content");
    await volume.commit("a");
    await volume.hardLink("a", "b");
    assert.deepEqual(records(volume), []);
    await volume.commit("b");
    assert.deepEqual(records(volume), [{ primary: "a", names: ["b"] }]);
    await volume.remove("a");
    await volume.commit("b");
    assert.equal(volume.bucket.text("b"), "content");
    assert.deepEqual(records(volume), []);
  });

  it("may be a symlink or a fifo", async () => {
    await using volume = await new TestVolume().start();
    await volume.link("l", "target");
    await volume.hardLink("l", "m");
    await volume.flush();
    await using other = await freshNode(volume);
    assert.equal((await other.attributes("m")).linkCount, 2);
    assert.equal(await other.readLink("m"), "target");
    assert.equal((await other.attributes("l")).inode, (await other.attributes("m")).inode);
  });
});

describe("a file with several names that others change", () => {
  async function linked(): Promise<TestVolume> {
    const volume = await new TestVolume().start();
    await volume.write("a", "content");
    await volume.hardLink("a", "b");
    await volume.hardLink("a", "c");
    await volume.flush();
    return volume;
  }

  it("shows what another client has put under its first name, under all of them", async () => {
    await using volume = await linked();
    volume.bucket.putObject("a", "theirs");
    await volume.refresh();
    await isOneFile(volume, ["a", "b", "c"], "theirs");
    await using other = await freshNode(volume);
    await isOneFile(other, ["c", "b", "a"], "theirs");
  });

  it("keeps an edit in lost+found when its object was overwritten, and all names show S3's", async () => {
    await using volume = await linked();
    await volume.patch("b", 0, "EDITED");
    volume.bucket.putObject("a", "theirs");
    await volume.flush();
    await isOneFile(volume, ["a", "b", "c"], "theirs");
    const [name] = await volume.lost();
    assert.equal(await volume.text(`${volume.lostDirectory}/${name}`), "EDITEDt");
    assert.equal((await volume.attributes(`${volume.lostDirectory}/${name}`)).linkCount, 1);
  });

  it("goes with all names when its object is deleted", async () => {
    await using volume = await linked();
    volume.bucket.deleteObject("a");
    await using other = await freshNode(volume);
    assert.deepEqual(await other.refresh(), []);
    await volume.refresh();
    assert.deepEqual(await volume.refresh(), []);
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), []);
  });

  it("is made again when its object was deleted while it was edited here", async () => {
    await using volume = await linked();
    await volume.write("b", "edited");
    volume.bucket.deleteObject("a");
    await volume.flush();
    await volume.refresh();
    await isOneFile(volume, ["a", "b", "c"], "edited");
    assert.equal(volume.bucket.text("a"), "edited");
    assert.deepEqual(await volume.lost(), []);
  });

  it("loses a further name to an object that somebody puts there", async () => {
    await using volume = await linked();
    volume.bucket.putObject("b", "theirs");
    await using other = await freshNode(volume);
    assert.equal(await other.text("b"), "theirs");
    await isOneFile(other, ["a", "c"], "content");
    await volume.refresh();
    assert.equal(await volume.text("b"), "theirs");
    await isOneFile(volume, ["a", "c"], "content");
    await volume.flush();
    assert.deepEqual(records(volume), [{ primary: "a", names: ["c"] }]);
    assert.equal(volume.bucket.text("b"), "theirs");
  });

  it("loses a further name to a copy of its own object, too", async () => {
    await using volume = await linked();
    await volume.patch("a", 0, "CON");
    await volume.flush();
    const { info, data } = {
      info: volume.bucket.info("a"),
      data: volume.bucket.bytes("a") ?? Buffer.alloc(0),
    };
    assert.ok(info?.metadata["s3files-link"] !== undefined);
    volume.bucket.putObject("b", data, { metadata: info.metadata });
    await volume.refresh();
    await isOneFile(volume, ["a", "c"], "CONtent");
    assert.equal(await volume.text("b"), "CONtent");
    assert.equal((await volume.attributes("b")).linkCount, 1);
  });

  it("keeps its further names when its object becomes a symlink at S3", async () => {
    await using volume = await linked();
    await isOneFile(volume, ["a", "b", "c"], "content");
    volume.bucket.putObject("a", "target", { metadata: { "file-permissions": "0120777" } });
    await volume.refresh();
    for (const path of ["a", "b", "c"]) {
      const { type, linkCount } = await volume.attributes(path);
      assert.deepEqual([type, linkCount], ["symlink", 3], path);
    }
  });

  it("is not touched by a volume that may only read", async () => {
    await using volume = await linked();
    volume.bucket.putObject("b", "theirs");
    await using reader = await new TestVolume({ store: volume.bucket, readOnly: true }).start();
    assert.equal(await reader.text("b"), "theirs");
    await isOneFile(reader, ["a", "c"], "content");
    assert.equal(reader.engine.status().pendingFiles, 0);
    assert.deepEqual(records(volume), [{ primary: "a", names: ["b", "c"] }]);
  });

  it("goes on under its other names when somebody takes the one that it was to be moved to", async () => {
    await using volume = await linked();
    await volume.remove("a");
    volume.bucket.putObject("b", "theirs");
    await volume.flush();
    await volume.flush();
    assert.equal(await volume.text("b"), "theirs");
    assert.equal(await volume.text("c"), "content");
    assert.deepEqual(objects(volume), ["b", "c"]);
    assert.deepEqual(await volume.lost(), []);
  });

  it("shows names that another node has added or removed, and where it has moved it", async () => {
    await using volume = await linked();
    await using other = await freshNode(volume);
    await isOneFile(other, ["a", "b", "c"], "content");
    await volume.remove("b");
    await volume.hardLink("a", "d");
    await volume.flush();
    await other.refresh();
    await isOneFile(other, ["a", "c", "d"], "content");
    const { inode } = await other.attributes("a");
    await volume.remove("a");
    await volume.flush();
    await other.refresh();
    assert.deepEqual(await other.refresh(), ["c", "d"]);
    await isOneFile(other, ["c", "d"], "content");
    assert.equal((await other.attributes("d")).inode, inode);
    await other.remove("c");
    await other.hardLink("d", "e");
    await other.flush();
    await volume.refresh();
    assert.deepEqual(await volume.refresh(), ["d", "e"]);
    await isOneFile(volume, ["d", "e"], "content");
  });

  it("has the names of both nodes when both add one at the same time", async () => {
    await using volume = await linked();
    await using other = await freshNode(volume);
    await other.list();
    await volume.hardLink("a", "v");
    await other.hardLink("b", "o");
    await other.remove("c");
    await volume.flush();
    await other.flush();
    await volume.refresh();
    await other.refresh();
    for (const node of [volume, other]) await isOneFile(node, ["a", "b", "o", "v"], "content");
    assert.deepEqual(records(volume), [{ primary: "a", names: ["b", "o", "v"] }]);
  });

  it("stays when a node removes its first name that has not heard of the others", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "content");
    await volume.flush();
    await using other = await freshNode(volume);
    assert.equal(await other.text("a"), "content");
    await volume.hardLink("a", "b");
    await volume.flush();
    await other.remove("a");
    await other.clock.advance(6000);
    await other.flush();
    assert.deepEqual(objects(volume), ["a"]);
    await other.refresh();
    await isOneFile(other, ["a", "b"], "content");
  });

  it("is not made again by a request that arrives late", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "content");
    await volume.flush();
    await volume.hardLink("a", "b");
    volume.faults.add({
      operation: ["put"],
      times: 1,
      action: { kind: "late", delayMs: 300_000 },
    });
    await volume.engine.flush();
    await volume.remove("b");
    await volume.pass(120_000);
    assert.deepEqual(volume.bucket.keys(), ["a"]);
    await volume.pass(300_000);
    assert.equal(records(volume).length, 1, "the late request has arrived");
    await volume.refresh();
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["a"]);
    assert.deepEqual(await volume.refresh(), ["a"]);
  });
});
