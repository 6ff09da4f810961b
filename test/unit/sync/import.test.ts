import assert from "node:assert/strict";
import { TestVolume } from "./test-volume.ts";

describe("import", () => {
  it("shows objects as files and key prefixes as directories", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a.txt", "alpha");
    volume.bucket.putObject("dir/b.txt", "beta");
    volume.bucket.putObject("dir/deep/c.txt", "gamma");
    assert.deepEqual(await volume.list(), ["a.txt", "dir"]);
    assert.deepEqual(await volume.list("dir"), ["b.txt", "deep"]);
    assert.equal(await volume.text("dir/deep/c.txt"), "gamma");
  });

  it("lists a directory of more than a page", async () => {
    await using volume = await new TestVolume({ prefix: "p/" }).start();
    for (let index = 0; index < 2300; index++) {
      volume.bucket.putObject(`p/many/f${String(index).padStart(5, "0")}`, "x");
    }
    assert.equal((await volume.list("many")).length, 2300);
  });

  it("gives objects without POSIX metadata the volume's attributes and the object's time", async () => {
    await using volume = await new TestVolume().start();
    const { lastModifiedMs } = volume.bucket.putObject("plain", "12345");
    const attributes = await volume.attributes("plain");
    assert.equal(attributes.mode, 0o644);
    assert.equal(attributes.uid, 1000);
    assert.equal(attributes.gid, 1001);
    assert.equal(attributes.sizeBytes, 5);
    assert.equal(attributes.modifyTime.seconds, lastModifiedMs / 1000);
  });

  it("reads POSIX metadata as AWS writes it, without setuid unless object modes are trusted", async () => {
    for (const trustObjectModes of [false, true]) {
      await using volume = await new TestVolume({ trustObjectModes }).start();
      volume.bucket.putObject("tool", "#!", {
        metadata: {
          "file-permissions": "0104755",
          "file-owner": "42",
          "file-group": "43",
          "file-mtime": "1700000000123456789ns",
        },
      });
      const attributes = await volume.attributes("tool");
      assert.equal(attributes.mode, trustObjectModes ? 0o4755 : 0o755);
      assert.equal(attributes.uid, 42);
      assert.equal(attributes.gid, 43);
      assert.deepEqual(attributes.modifyTime, { seconds: 1700000000, nanoseconds: 123456789 });
    }
  });

  it("shows an object with a symlink's type bits as a symlink", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("link", "target/path", { metadata: { "file-permissions": "0120777" } });
    assert.equal((await volume.attributes("link")).type, "symlink");
    assert.equal(await volume.readLink("link"), "target/path");
  });

  it("takes a directory's attributes from its marker object", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("d/", "", {
      metadata: { "file-permissions": "0040700", "file-owner": "7", "file-group": "8" },
    });
    volume.bucket.putObject("d/x", "1");
    const attributes = await volume.attributes("d");
    assert.equal(attributes.type, "directory");
    assert.equal(attributes.mode, 0o700);
    assert.equal(attributes.uid, 7);
    assert.deepEqual(await volume.list("d"), ["x"]);
  });

  it("hides and counts keys that no path can express, and our own folder", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("ok", "1");
    volume.bucket.putObject("./dot", "1");
    volume.bucket.putObject("../up", "1");
    volume.bucket.putObject("/lead", "1");
    volume.bucket.putObject("n".repeat(256), "1");
    volume.bucket.putObject("nul\0", "1");
    volume.bucket.putObject(".s3files/volume.json", "{}");
    assert.deepEqual(await volume.list(), ["ok"]);
    assert.equal(volume.engine.status().hiddenKeys, 5);
  });

  it("shows the directory where both x and x/y exist", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("x", "file");
    volume.bucket.putObject("x!", "between them in key order");
    volume.bucket.putObject("x/y", "below");
    assert.deepEqual(await volume.list(), ["x", "x!"]);
    assert.equal((await volume.attributes("x")).type, "directory");
    assert.equal(await volume.text("x/y"), "below");
    assert.equal(volume.engine.status().hiddenKeys, 1);
  });

  it("answers what it knows while S3 is away, and fails with DELAY where it needs S3", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "alpha");
    volume.bucket.putObject("d/b", "beta");
    assert.deepEqual(await volume.list(), ["a", "d"]);
    assert.equal(await volume.text("a"), "alpha");
    await volume.clock.advance(60_000);
    using _ = volume.faults.add({ action: { kind: "fail" } });
    assert.deepEqual(await volume.list(), ["a", "d"]);
    assert.equal(await volume.text("a"), "alpha");
    await assert.rejects(volume.list("d"), { name: "FsError", code: "DELAY" });
  });

  it("fetches small files when their directory is first used", async () => {
    await using volume = await new TestVolume({ importSizeLessThanBytes: 100 }).start();
    volume.bucket.putObject("small", "s".repeat(99));
    volume.bucket.putObject("large", "l".repeat(100));
    await volume.list();
    await volume.idle();
    const gets = volume.bucket.requests.filter(({ operation }) => operation === "get");
    assert.deepEqual(
      gets.map(({ key }) => key),
      ["small"],
    );
  });

  it("keeps no data on the disk that is read through", async () => {
    await using volume = await new TestVolume({ cacheMode: "metadata-only" }).start();
    volume.bucket.putObject("a", "alpha");
    assert.equal(await volume.text("a"), "alpha");
    assert.equal(volume.state.extents.cleanBytes(), 0);
  });
});

describe("changes at S3", () => {
  it("show another version of a clean file under the same inode", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "one");
    const inode = await volume.inode("a");
    assert.equal(await volume.text("a"), "one");
    const before = await volume.attributes("a");
    volume.bucket.putObject("a", "second");
    await volume.refresh();
    assert.equal(await volume.inode("a"), inode);
    assert.equal(await volume.text("a"), "second");
    const after = await volume.attributes("a");
    assert.ok(after.change > before.change);
    assert.equal(after.sizeBytes, 6);
  });

  it("are seen by an open without a listing", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "one");
    assert.equal(await volume.text("a"), "one");
    const inode = await volume.inode("a");
    volume.bucket.putObject("a", "second");
    await volume.clock.advance(6000);
    await volume.call((call) => volume.files.open(call, inode, { read: true, write: false }));
    assert.equal((await volume.readInode(inode)).toString(), "second");
  });

  it("are found by a read whose version is gone", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "one");
    const inode = await volume.inode("a");
    volume.bucket.putObject("a", "second");
    assert.equal((await volume.readInode(inode)).toString(), "second");
  });

  it("add, remove and replace names", async () => {
    await using volume = await new TestVolume().start();
    for (const key of ["keep", "gone", "d/x"]) volume.bucket.putObject(key, key);
    assert.deepEqual(await volume.list(), ["d", "gone", "keep"]);
    volume.bucket.deleteObject("gone");
    volume.bucket.deleteObject("d/x");
    volume.bucket.putObject("new", "n");
    assert.deepEqual(await volume.refresh(), ["keep", "new"]);
  });

  it("leave a file that is deleted while it is open without a name, and its cached data readable", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "alpha");
    const inode = await volume.inode("a");
    assert.equal(await volume.text("a"), "alpha");
    volume.files.hold(inode);
    volume.bucket.deleteObject("a");
    await volume.refresh();
    assert.equal(await volume.exists("a"), false);
    assert.equal((await volume.readInode(inode)).toString(), "alpha");
    volume.files.release(inode);
    assert.equal(volume.state.inodes.get(inode), undefined);
  });

  it("do not undo an export that ends while a listing is under way", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("other", "o");
    await volume.list();
    await volume.write("a", "local");
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    using _ = volume.faults.add({
      operation: "list",
      times: 1,
      action: { kind: "after", run: () => held },
    });
    await volume.clock.advance(6000);
    await volume.list();
    await volume.flush();
    release();
    for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await volume.list(), ["a", "other"]);
  });

  it("do not bring back what was removed here while a listing is under way", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "x");
    volume.bucket.putObject("d/b", "x");
    await volume.list("d");
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    using _ = volume.faults.add({
      operation: "list",
      key: /^$/,
      times: 1,
      action: { kind: "after", run: () => held },
    });
    await volume.clock.advance(6000);
    await volume.list();
    await volume.remove("a");
    await volume.remove("d/b");
    await volume.remove("d");
    await volume.flush();
    release();
    for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await volume.list(), []);
    assert.deepEqual(await volume.refresh(), []);
    assert.deepEqual(volume.bucket.keys(), []);
  });
});
