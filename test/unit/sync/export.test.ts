import assert from "node:assert/strict";
import { unreachable } from "../../fakes/faulty-object-store.ts";
import { pattern, sizes, TestVolume } from "./test-volume.ts";

function operations(volume: TestVolume): string[] {
  return volume.bucket.requests.map(({ operation }) => operation);
}

describe("export", () => {
  it("writes a small file by one PUT after the quiet time, with its metadata and our mark", async () => {
    await using volume = await new TestVolume({ prefix: "vol/" }).start();
    await volume.list();
    const inode = await volume.write("a.txt", "alpha");
    await volume.setAttributes(inode, { mode: 0o640, uid: 5, gid: 6 });
    await volume.pass(59_000);
    assert.deepEqual(volume.bucket.keys(), []);
    volume.bucket.requests.length = 0;
    await volume.pass(1000);
    assert.deepEqual(operations(volume), ["put"]);
    assert.equal(volume.bucket.text("vol/a.txt"), "alpha");
    const { metadata = {} } = volume.bucket.info("vol/a.txt") ?? {};
    assert.equal(metadata["file-permissions"], "0100640");
    assert.equal(metadata["file-owner"], "5");
    assert.equal(metadata["file-group"], "6");
    assert.match(metadata["file-mtime"] ?? "", /^\d+ns$/);
    assert.match(metadata["s3files-write"] ?? "", /^[0-9a-f]{32}\.\d+\.\d+\.\d+$/);
    assert.equal(volume.engine.status().pendingFiles, 0);
  });

  it("waits for quiet, but not longer than the longest delay", async () => {
    await using volume = await new TestVolume({ writeBackMaxDelayMs: 150_000 }).start();
    const inode = await volume.write("log", "0");
    for (let minute = 1; minute <= 3; minute++) {
      await volume.pass(45_000);
      assert.deepEqual(volume.bucket.keys(), [], `at ${minute * 45} s`);
      await volume.writeInode(inode, minute, String(minute));
    }
    await volume.pass(16_000);
    assert.equal(volume.bucket.text("log"), "0123");
  });

  it("writes a large file in parts, and zeros for its holes", async () => {
    await using volume = await new TestVolume().start();
    const data = pattern(5 * sizes.part + 123);
    const inode = await volume.write("big", data);
    await volume.writeInode(inode, 8 * sizes.part, "end");
    await volume.flush();
    const want = Buffer.concat([data, Buffer.alloc(3 * sizes.part - 123), Buffer.from("end")]);
    assert.ok(volume.bucket.bytes("big")?.equals(want));
    assert.ok(operations(volume).includes("completeMultipart"));
    assert.deepEqual(volume.bucket.unfinishedUploads(), []);
  });

  it("sends only the changed part of a large object", async () => {
    await using volume = await new TestVolume().start();
    const data = pattern(20 * sizes.part);
    volume.bucket.putObject("big", data, { contentType: "video/mp4", metadata: { mine: "kept" } });
    await volume.patch("big", 10 * sizes.part + 5, "EDIT");
    volume.bucket.requests.length = 0;
    await volume.flush();
    data.write("EDIT", 10 * sizes.part + 5);
    assert.ok(volume.bucket.bytes("big")?.equals(data));
    const sent = operations(volume);
    assert.equal(sent.filter((name) => name === "uploadPart").length, 1);
    assert.ok(sent.length <= 8, sent.join(" "));
    const info = volume.bucket.info("big");
    assert.equal(info?.contentType, "video/mp4");
    assert.equal(info?.metadata["mine"], "kept");
  });

  it("appends to a large object that is not cached", async () => {
    await using volume = await new TestVolume().start();
    const data = pattern(5 * sizes.part);
    volume.bucket.putObject("big", data);
    await volume.patch("big", data.length, "tail");
    await volume.flush();
    assert.ok(volume.bucket.bytes("big")?.equals(Buffer.concat([data, Buffer.from("tail")])));
  });

  it("edits a small object that is not cached", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "0123456789");
    await volume.patch("a", 3, "XY");
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "012XY56789");
    assert.equal(await volume.text("a"), "012XY56789");
  });

  it("truncates down and up", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "0123456789");
    const inode = await volume.inode("a");
    await volume.setAttributes(inode, { sizeBytes: 4 });
    await volume.setAttributes(inode, { sizeBytes: 6 });
    await volume.flush();
    assert.deepEqual(volume.bucket.text("a"), "0123\0\0");
    assert.equal(await volume.text("a"), "0123\0\0");
  });

  it("writes an empty file", async () => {
    await using volume = await new TestVolume().start();
    await volume.create("empty");
    await volume.flush();
    assert.equal(volume.bucket.bytes("empty")?.length, 0);
  });

  it("changes the metadata of an object that is not cached without reading it", async () => {
    await using volume = await new TestVolume().start();
    const data = pattern(3 * 1024 * 1024);
    volume.bucket.putObject("a", data, { metadata: { mine: "kept" } });
    const inode = await volume.inode("a");
    await volume.setAttributes(inode, { mode: 0o600 });
    volume.bucket.requests.length = 0;
    await volume.flush();
    assert.deepEqual(
      operations(volume).filter(
        (name) => name === "get" || name === "put" || name === "uploadPart",
      ),
      [],
    );
    assert.ok(volume.bucket.bytes("a")?.equals(data));
    const { metadata = {} } = volume.bucket.info("a") ?? {};
    assert.equal(metadata["file-permissions"], "0100600");
    assert.equal(metadata["mine"], "kept");
  });

  it("writes a temporary file that was renamed before its export under its final name only", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a.tmp", "new");
    await volume.rename("a.tmp", "a");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["a"]);
    assert.deepEqual(
      volume.bucket.requests.filter(({ operation }) => operation === "put").map(({ key }) => key),
      ["a"],
    );
  });

  it("replaces an object by a file renamed onto it, without a moment when the key is missing", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "old");
    await volume.write("a.tmp", "new");
    await volume.rename("a.tmp", "a");
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "new");
    assert.ok(!operations(volume).includes("delete"));
  });

  it("moves objects of renamed files and directories", async () => {
    await using volume = await new TestVolume().start();
    for (const key of ["f", "d/x", "d/e/y"]) volume.bucket.putObject(key, key);
    await volume.rename("f", "g");
    await volume.rename("d", "moved");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["g", "moved/e/y", "moved/x"]);
    assert.equal(volume.bucket.text("moved/e/y"), "d/e/y");
    assert.deepEqual(await volume.refresh(), ["g", "moved"]);
    assert.equal(await volume.text("moved/x"), "d/x");
  });

  it("shows a directory that is being moved under its new name only", async () => {
    await using volume = await new TestVolume().start();
    for (const key of ["d/x", "d/y"]) volume.bucket.putObject(key, key);
    await volume.rename("d", "moved");
    using fault = volume.faults.add({
      operation: ["put", "completeMultipart"],
      action: { kind: "fail" },
    });
    assert.deepEqual(await volume.refresh(), ["moved"]);
    assert.deepEqual(await volume.refresh("moved"), ["x", "y"]);
    fault.remove();
    await volume.flush();
    assert.deepEqual(await volume.refresh(), ["moved"]);
  });

  it("follows a chain of renames: a to b after b to c", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("log", "2");
    volume.bucket.putObject("log.1", "1");
    await volume.list();
    await volume.rename("log.1", "log.2");
    await volume.rename("log", "log.1");
    await volume.write("log", "3");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["log", "log.1", "log.2"]);
    assert.deepEqual(
      volume.bucket.keys().map((key) => volume.bucket.text(key)),
      ["3", "2", "1"],
    );
  });

  it("swaps two names", async () => {
    await using volume = await new TestVolume().start();
    const large = pattern(3 * sizes.part);
    volume.bucket.putObject("a", "A");
    volume.bucket.putObject("b", large);
    await volume.list();
    await volume.rename("a", "t");
    await volume.rename("b", "a");
    await volume.rename("t", "b");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["a", "b"]);
    assert.ok(volume.bucket.bytes("a")?.equals(large));
    assert.equal(volume.bucket.text("b"), "A");
  });

  it("deletes objects after the quiet time", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "A");
    await volume.remove("a");
    await volume.pass(59_000);
    assert.deepEqual(volume.bucket.keys(), ["a"]);
    assert.deepEqual(await volume.refresh(), []);
    await volume.pass(5000);
    assert.deepEqual(volume.bucket.keys(), []);
  });

  it("keeps the data of a file that is removed while it is open", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", pattern(2 * sizes.part));
    const inode = await volume.inode("a");
    volume.files.hold(inode);
    await volume.remove("a");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), []);
    assert.ok((await volume.readInode(inode)).equals(pattern(2 * sizes.part)));
    volume.files.release(inode);
    assert.equal(volume.state.inodes.get(inode), undefined);
  });

  it("recreates a deleted name over the old object", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "old");
    await volume.remove("a");
    await volume.write("a", "new");
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "new");
    assert.equal(volume.state.journal.countTombstones(), 0);
  });

  it("writes directories as marker objects, and keeps one that has become empty", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("d/only", "x");
    await volume.makeDirectory("made");
    await volume.remove("d/only");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["d/", "made/"]);
    assert.equal(volume.bucket.info("made/")?.metadata["file-permissions"], "0040755");
    assert.deepEqual(await volume.refresh(), ["d", "made"]);
    await volume.remove("d");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["made/"]);
  });

  it("writes symlinks as objects that hold the target", async () => {
    await using volume = await new TestVolume().start();
    await volume.link("l", "../elsewhere");
    await volume.flush();
    assert.equal(volume.bucket.text("l"), "../elsewhere");
    assert.equal(volume.bucket.info("l")?.metadata["file-permissions"], "0120777");
  });

  it("exports one moment of a file that is written meanwhile, and the rest afterwards", async () => {
    await using volume = await new TestVolume().start();
    const inode = await volume.write("a", "one");
    let overwritten = false;
    using _ = volume.faults.add({
      operation: "put",
      times: 1,
      action: {
        kind: "before",
        run: async () => {
          await volume.writeInode(inode, 0, "TWO and more");
          overwritten = true;
        },
      },
    });
    await volume.pass(60_000);
    assert.ok(overwritten);
    assert.equal(volume.bucket.text("a"), "one");
    assert.equal(volume.engine.status().pendingFiles, 1);
    await volume.pass(60_000);
    assert.equal(volume.bucket.text("a"), "TWO and more");
  });

  it("remembers no request that never left this machine", async () => {
    await using volume = await new TestVolume().start();
    for (const key of ["gone", "edited"]) volume.bucket.putObject(key, "old");
    await volume.remove("gone");
    await volume.patch("edited", 0, "NEW");
    await volume.write("large", pattern(3 * sizes.part));
    const error = unreachable();
    const operation = ["put", "completeMultipart", "delete"] as const;
    using fault = volume.faults.add({ operation, action: { kind: "fail", error } });
    await volume.engine.flush();
    assert.ok(fault.hits >= 2);
    assert.deepEqual(volume.state.journal.all(), []);
    fault.remove();
    await volume.pass(60_000);
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["edited", "large"]);
    assert.equal(volume.bucket.text("edited"), "NEW");
    assert.deepEqual(volume.bucket.unfinishedUploads(), []);
    assert.deepEqual(volume.state.journal.all(), []);
  });

  it("deletes again what was unlinked or moved away while it was on its way", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "one");
    await volume.write("b", "two");
    using _ = volume.faults.add({
      operation: "put",
      key: /^a$/,
      action: { kind: "before", run: () => volume.remove("a") },
    });
    using __ = volume.faults.add({
      operation: "put",
      key: /^b$/,
      action: { kind: "before", run: () => volume.rename("b", "c") },
    });
    await volume.engine.flush();
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["c"]);
    assert.equal(volume.bucket.text("c"), "two");
  });

  it("keeps local names out of the bucket", async () => {
    await using volume = await new TestVolume().start();
    const hidden = `.nfs${"0".repeat(24)}`;
    volume.bucket.putObject("a", "A");
    await volume.rename("a", hidden);
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), []);
    assert.equal(await volume.text(hidden), "A");
    await volume.rename(hidden, "b");
    await volume.flush();
    assert.equal(volume.bucket.text("b"), "A");
  });

  it("tries again while S3 does not answer, and names what S3 refuses", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "alpha");
    {
      using _ = volume.faults.add({ operation: ["put", "head"], action: { kind: "fail" } });
      await volume.pass(60_000);
      const result = await volume.engine.flush();
      assert.equal(result.pendingFiles, 1);
      assert.match(result.errors[0]?.message ?? "", /reset/);
      assert.equal(result.errors[0]?.key, "a");
    }
    await volume.pass(60_000);
    assert.equal(volume.bucket.text("a"), "alpha");
    assert.deepEqual(volume.engine.status().problems, []);
  });
});

describe("a name that another file takes over", () => {
  it("while the first one is on its way ends with the second, and no conflict", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "first");
    await volume.write("b", "second");
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    using _ = volume.faults.add({
      operation: "put",
      key: /^a$/,
      times: 1,
      action: { kind: "after", run: () => held },
    });
    const flush = volume.engine.flush();
    while (volume.bucket.text("a") !== "first")
      await new Promise((resolve) => setImmediate(resolve));
    await volume.rename("b", "a");
    const second = volume.engine.flush();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    release();
    await Promise.all([flush, second]);
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["a"]);
    assert.equal(volume.bucket.text("a"), "second");
    assert.deepEqual(await volume.lost(), []);
  });

  it("after a crash hid the first one's upload ends with the second, and no conflict", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "first");
    volume.killAt("sync.uploaded");
    await volume.engine.flush();
    await volume.restart();
    await volume.rename("a", "moved");
    await volume.write("a", "second");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["a", "moved"]);
    assert.equal(volume.bucket.text("a"), "second");
    assert.equal(volume.bucket.text("moved"), "first");
    assert.deepEqual(await volume.lost(), []);
  });
});
