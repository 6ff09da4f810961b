import assert from "node:assert/strict";
import type { FileSystemOptions } from "../../../src/filesystem/options.ts";
import { FsError } from "../../../src/vfs/error.ts";
import type { Driver } from "../../support/file-system-driver.ts";
import { VolumeCase } from "../../support/volume-case.ts";

const mib = 1 << 20;

/** Bytes that differ from one block of 4 KiB to the next. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += 4096) bytes.writeUInt32LE(at / 4096, at);
  return bytes;
}

describe("reading objects", () => {
  let volume: VolumeCase;
  let d: Driver;
  afterEach(() => volume.close());

  function start(options: Partial<FileSystemOptions> = {}): void {
    volume = new VolumeCase({ maxBlockingReadBytes: 0, ...options });
    d = volume.driver;
  }

  const cacheFiles = () => [...volume.state.files.list()].length;
  const askedBytes = () =>
    volume.bucket.asked.reduce((sum, { start: from, end }) => sum + end - from, 0);

  it("fetches an object once, in few large pieces, when it is read from its beginning", async () => {
    start();
    const bytes = pattern(10 * mib);
    volume.bucket.putRemote("o", bytes);
    const file = await d.at("o");
    for (let at = 0; at < bytes.length; at += 128 << 10) {
      const part = await d.read(file, at, 128 << 10);
      assert.ok(part.equals(bytes.subarray(at, at + part.length)), `bytes at ${at}`);
    }
    assert.equal(askedBytes(), bytes.length);
    assert.ok(volume.bucket.asked.length <= 10, `${volume.bucket.asked.length} requests`);
    await d.read(file, 3 * mib, mib);
    assert.equal(askedBytes(), bytes.length, "the second time it comes from the cache");
  });

  it("looks ahead of a sequential reader", async () => {
    start();
    volume.bucket.putRemote("o", pattern(32 * mib));
    const file = await d.at("o");
    for (let at = 0; at < 4 * mib; at += mib) await d.read(file, at, mib);
    const furthest = Math.max(...volume.bucket.asked.map(({ end }) => end));
    assert.ok(furthest >= 8 * mib && furthest <= 13 * mib, `asked up to ${furthest}`);
  });

  it("fetches what is read at random, and hardly more", async () => {
    start();
    const bytes = pattern(64 * mib);
    volume.bucket.putRemote("o", bytes);
    const file = await d.at("o");
    let read = 0;
    for (const at of [40, 17, 60, 3, 29].map((where) => where * mib + 5000)) {
      const part = await d.read(file, at, 256 << 10);
      assert.ok(part.equals(bytes.subarray(at, at + part.length)));
      read += part.length;
    }
    assert.ok(askedBytes() <= read * 1.2, `${askedBytes()} fetched for ${read}`);
  });

  it("asks once for what several readers want at the same time", async () => {
    start();
    volume.bucket.putRemote("o", pattern(mib));
    const file = await d.at("o");
    const reads = Array.from({ length: 8 }, (_, at) => d.read(file, at * 1000, 200_000));
    await Promise.all(reads);
    assert.equal(askedBytes(), mib);
  });

  it("leaves nothing on the disk in mode metadata-only", async () => {
    start({ cacheMode: "metadata-only" });
    const bytes = pattern(9 * mib);
    volume.bucket.putRemote("o", bytes);
    const file = await d.at("o");
    for (let at = 0; at < bytes.length; at += mib) {
      const part = await d.read(file, at, mib);
      assert.ok(part.equals(bytes.subarray(at, at + part.length)));
    }
    assert.equal(askedBytes(), bytes.length);
    assert.equal(cacheFiles(), 0);
    await d.write(file, 5, "local");
    const expected = Buffer.from(bytes.subarray(0, 100));
    expected.write("local", 5);
    assert.ok((await d.read(file, 0, 100)).equals(expected));
    assert.equal(cacheFiles(), 1);
    await volume.bucket.exportAll();
    await volume.clock.advance(1_000);
    await volume.state.removalsDone();
    assert.equal(cacheFiles(), 0, "what is exported is not kept");
    assert.ok((await d.read(file, 0, 100)).equals(expected));
  });

  it("shows the object's new version after it has changed, never a mixture", async () => {
    for (const cacheMode of ["full", "metadata-only"] as const) {
      start({ cacheMode });
      volume.bucket.putRemote("o", Buffer.alloc(mib, "1"));
      const file = await d.at("o");
      assert.equal((await d.read(file, 0, 10)).toString(), "1111111111");
      const reading = d.read(file, 0, 2 * mib);
      assert.ok(volume.bucket.putRemote("o", Buffer.alloc(mib + 5, "2")));
      const bytes = await reading;
      assert.ok(new Set(bytes).size === 1, "all of one version");
      assert.ok((await d.read(file, 0, 2 * mib)).equals(Buffer.alloc(mib + 5, "2")));
      if (cacheMode === "full") await volume.close();
    }
  });

  it("reads local changes over the object, holes included", async () => {
    start();
    volume.bucket.putRemote("o", Buffer.alloc(10, "o"));
    const file = await d.at("o");
    await d.write(file, 4, "XX");
    await d.set(file, { sizeBytes: 8 });
    await d.set(file, { sizeBytes: 12 });
    assert.equal((await d.read(file)).toString(), "ooooXXoo\0\0\0\0");
  });

  it("fails a read that needs the bucket while it does not answer, and no other", async () => {
    start();
    volume.bucket.putRemote("o", pattern(16 * mib));
    const file = await d.at("o");
    await d.read(file, 0, 4096);
    volume.bucket.down = true;
    await volume.state.removalsDone();
    assert.equal((await d.read(file, 0, 4096)).length, 4096);
    await assert.rejects(d.read(file, 16 * mib - 10, 10), (error) => error instanceof FsError);
    volume.bucket.down = false;
    assert.equal((await d.read(file, 16 * mib - 10, 10)).length, 10);
  });

  it("gives up clean data of the files read longest ago when the cache is full", async () => {
    start({ cacheSizeBytes: 2.5 * mib });
    for (const name of ["a", "b", "c"]) volume.bucket.putRemote(name, pattern(mib));
    const dirty = await d.create("dirty");
    await d.write(dirty, 0, pattern(3 * mib));
    for (const name of ["a", "b", "c", "a"]) await d.read(await d.at(name), 0, mib);
    await volume.clock.advance(1_000);
    await volume.state.removalsDone();
    const kept = new Set(volume.state.extents.cleanFiles().map(({ inode }) => inode));
    assert.deepEqual(kept, new Set([await d.at("a"), await d.at("c")]));
    assert.ok((await d.read(dirty, 0, 3 * mib)).equals(pattern(3 * mib)));
    assert.ok((await d.read(await d.at("b"), 0, mib)).equals(pattern(mib)));
  });

  it("reads through memory while the disk has no room", async () => {
    start({ minFreeBytes: 1000 });
    volume.state.files.diskSpace = () => ({ freeBytes: 900, totalBytes: 10_000 });
    volume.bucket.putRemote("o", pattern(mib));
    assert.ok((await d.read(await d.at("o"), 0, mib)).equals(pattern(mib)));
    assert.equal(cacheFiles(), 0);
  });
});
