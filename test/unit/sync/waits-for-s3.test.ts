import assert from "node:assert/strict";
import { lostFiles } from "../../../src/cache/lost-and-found.ts";
import { ObjectStoreError } from "../../../src/s3/object-store.ts";
import { FsError, type FsErrorCode } from "../../../src/vfs/error.ts";
import { unreachable } from "../../fakes/faulty-object-store.ts";
import { TestVolume } from "./test-volume.ts";

const failsWith = (code: FsErrorCode) => (error: unknown) =>
  error instanceof FsError && error.code === code;

const denied = () =>
  new ObjectStoreError("denied", "PUT: AccessDenied", { s3Code: "AccessDenied", status: 403 });

const open = () => new TestVolume({ waitsForS3: true }).start();

describe("fsyncTo s3", () => {
  it("has the object in S3 when fsync returns, and leaves alone what nobody synced", async () => {
    await using volume = await open();
    await volume.write("a", "alpha");
    await volume.write("b", "beta");
    assert.deepEqual(volume.bucket.keys(), []);
    await volume.commit("a");
    assert.deepEqual(volume.bucket.keys(), ["a"]);
    assert.equal(volume.bucket.text("a"), "alpha");
    volume.bucket.requests.length = 0;
    await volume.commit("a");
    assert.deepEqual(volume.bucket.requests, []);
  });

  it("has the object in S3 when a stable write returns", async () => {
    await using volume = await open();
    const inode = await volume.create("log");
    await volume.writeStable(inode, 0, "one ");
    assert.equal(volume.bucket.text("log"), "one ");
    await volume.writeStable(inode, 4, "two");
    assert.equal(volume.bucket.text("log"), "one two");
  });

  it("serves those who sync one file at the same time with two exports at most", async () => {
    await using volume = await open();
    const inode = await volume.write("a", "alpha");
    volume.bucket.requests.length = 0;
    await Promise.all(Array.from({ length: 20 }, () => volume.commitInode(inode)));
    const puts = volume.bucket.requests.filter(({ operation }) => operation === "put");
    assert.equal(puts.length, 1);
  });

  it("makes a conflict an error of fsync, and of every later one, until the file is back", async () => {
    await using volume = await open();
    volume.bucket.putObject("a", Buffer.from("base"));
    await volume.patch("a", 0, "ours");
    const inode = await volume.inode("a");
    volume.bucket.putObject("a", Buffer.from("theirs"));
    await assert.rejects(volume.commitInode(inode), failsWith("IO"));
    await assert.rejects(volume.commitInode(inode), failsWith("IO"));
    assert.equal(await volume.text("a"), "theirs");
    const [lost = ""] = await volume.lost();
    const { directory, files } = lostFiles(volume.state, "test", 10);
    assert.equal(directory, volume.lostDirectory);
    assert.deepEqual(
      files.map(({ name, sizeBytes }) => [name, sizeBytes]),
      [[lost, 4]],
    );
    await volume.rename(`${volume.lostDirectory}/${lost}`, "a.ours");
    await volume.commitInode(inode);
    assert.equal(volume.bucket.text("a.ours"), "ours");
  });

  it("says so when the conflict came with an export in the background", async () => {
    await using volume = await open();
    volume.bucket.putObject("a", Buffer.from("base"));
    await volume.patch("a", 0, "ours");
    const inode = await volume.inode("a");
    volume.bucket.putObject("a", Buffer.from("theirs"));
    await volume.pass(60_000);
    await assert.rejects(volume.commitInode(inode), failsWith("IO"));
  });

  it("makes a refusal EACCES of fsync and of a stable write, and keeps the data", async () => {
    await using volume = await open();
    volume.faults.add({ operation: "put", times: 2, action: { kind: "fail", error: denied() } });
    const inode = await volume.write("a", "alpha");
    await assert.rejects(volume.commitInode(inode), failsWith("ACCESS"));
    await assert.rejects(volume.writeStable(inode, 5, "bet"), failsWith("ACCESS"));
    await volume.commitInode(inode);
    assert.equal(volume.bucket.text("a"), "alphabet");
  });

  it("has the client ask again while S3 does not answer", async () => {
    await using volume = await open();
    const file = await volume.write("a", "alpha");
    const again = volume.faults.add({ action: { kind: "fail", error: unreachable() } });
    await assert.rejects(volume.commitInode(file), failsWith("DELAY"));
    again.remove();
    await volume.commitInode(file);
    assert.equal(volume.bucket.text("a"), "alpha");
  });

  it("is no promise for a file without a name", async () => {
    await using volume = await open();
    const inode = await volume.write("a", "alpha");
    volume.files.hold(inode);
    await volume.remove("a");
    await volume.commitInode(inode);
    assert.deepEqual(volume.bucket.keys(), []);
  });
});

describe("close-to-open", () => {
  const both = () => new TestVolume({ waitsForS3: true, revalidatesAtOpen: true }).start();

  it("shows at an open what another client has just put, by one HEAD", async () => {
    await using volume = await both();
    volume.bucket.putObject("a", Buffer.from("first"));
    assert.equal(await volume.text("a"), "first");
    volume.bucket.putObject("a", Buffer.from("second"));
    const inode = await volume.inode("a");
    volume.bucket.requests.length = 0;
    await volume.call((call) => volume.files.open(call, inode, { read: true, write: false }));
    const sent = volume.bucket.requests.map(({ operation }) => operation);
    assert.deepEqual(sent, ["head"]);
    assert.equal((await volume.readInode(inode)).toString(), "second");
  });

  it("opens from the cache while S3 does not answer", async () => {
    await using volume = await both();
    volume.bucket.putObject("a", Buffer.from("first"));
    assert.equal(await volume.text("a"), "first");
    volume.faults.add({ action: { kind: "fail", error: unreachable() } });
    assert.equal(await volume.text("a"), "first");
  });
});
