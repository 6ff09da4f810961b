import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { Ballast } from "../../../src/cache/ballast.ts";
import type { FileSystemOptions } from "../../../src/filesystem/options.ts";
import { Call, Suspended } from "../../../src/vfs/call.ts";
import { type Driver, root } from "../../support/file-system-driver.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { VolumeCase } from "../../support/volume-case.ts";

describe("space", () => {
  let volume: VolumeCase;
  let d: Driver;
  let freeBytes: number;
  afterEach(() => volume.close());

  function start(options: Partial<FileSystemOptions> = {}): void {
    freeBytes = 2 ** 40;
    volume = new VolumeCase({ minFreeBytes: 1 << 20, spaceWaitMs: 1_000, ...options });
    volume.state.files.diskSpace = () => ({ freeBytes, totalBytes: 2 ** 41 });
    d = volume.driver;
  }

  /** Lets the time pass that a write waits for. */
  async function afterWaiting<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const end = work.finally(() => {
      done = true;
    });
    end.catch(() => {
      // The caller sees it.
    });
    for (let step = 0; step < 500 && !done; step++) await volume.clock.advance(100);
    return await end;
  }

  it("enforces the claim's capacity, counting data and not holes", async () => {
    start({ capacityBytes: 1000 });
    const file = await d.create("a");
    await d.write(file, 0, Buffer.alloc(900));
    await d.set(file, { sizeBytes: 1_000_000 });
    await d.fails("NOSPC", (call, fs) =>
      fs.write(call, file, 5_000, [Buffer.alloc(101)], "unstable"),
    );
    await d.write(file, 5_000, Buffer.alloc(100));
    await d.write(file, 100, Buffer.alloc(500), { stability: "fileSync" });
    assert.deepEqual(
      [volume.fileSystem.space().totalBytes, volume.fileSystem.space().freeBytes],
      [1000, 0],
    );
    await d.set(file, { sizeBytes: 0 });
    assert.equal(volume.fileSystem.space().freeBytes, 1000);
    await d.write(file, 0, Buffer.alloc(1000));
  });

  it("counts what is allocated, and refuses what the claim or the disk has no room for", async () => {
    start({ capacityBytes: 1000 });
    const file = await d.create("a");
    await d.set(file, { sizeBytes: 5000 });
    const allocate = (offset: number, length: number) =>
      d.run((call, fs) => fs.allocate(call, file, offset, length));
    await allocate(0, 900);
    assert.equal(volume.fileSystem.space().freeBytes, 100);
    await allocate(0, 900);
    await assert.rejects(allocate(800, 300), { code: "NOSPC" });
    assert.equal((await d.attributes(file)).usedBytes, 900);
    await d.write(file, 100, Buffer.alloc(500, 1));
    assert.equal(volume.fileSystem.space().freeBytes, 100);
    await d.run((call, fs) => fs.deallocate(call, file, 0, 5000));
    assert.equal(volume.fileSystem.space().freeBytes, 1000);
    freeBytes = 1 << 20;
    await volume.clock.advance(10);
    await assert.rejects(allocate(0, 100), { code: "NOSPC" });
  });

  it("removes the cache file of an allocation that came to nothing", async () => {
    start();
    const file = await d.create("a");
    const call = new Call(root);
    let ready: Promise<void> | undefined;
    try {
      volume.transaction(() => volume.fileSystem.allocate(call, file, 0, 100));
    } catch (error) {
      assert.ok(error instanceof Suspended);
      ready = error.ready;
    }
    call.close();
    assert.ok(ready, "it waits for its cache file");
    await ready;
    await new Promise(setImmediate);
    await volume.state.removalsDone();
    assert.deepEqual([...volume.state.files.list()], []);
  });

  it("has a write wait for room on the disk, then fails it", async () => {
    start();
    const file = await d.create("a");
    await d.write(file, 0, "before");
    freeBytes = 5_000_000;
    await volume.clock.advance(10);
    const big = Buffer.alloc(4_500_000, 1);
    await assert.rejects(afterWaiting(d.write(file, 0, big)), { code: "NOSPC" });
    const waiting = d.write(file, 0, big);
    await volume.clock.advance(300);
    freeBytes = 2 ** 40;
    await afterWaiting(waiting);
    assert.ok((await d.read(file, 0, big.length)).equals(big));
  });

  it("gives up clean data for a write that waits", async () => {
    start({ spaceWaitMs: 60_000 });
    volume.bucket.putRemote("o", Buffer.alloc(100_000, 1));
    await d.read(await d.at("o"), 0, 100_000);
    const { files } = volume.state;
    const remove = files.remove.bind(files);
    files.remove = (inode, generation) => {
      remove(inode, generation);
      freeBytes = 2 ** 40;
    };
    const file = await d.create("a");
    freeBytes = 1 << 20;
    await volume.clock.advance(10);
    await afterWaiting(d.write(file, 0, "room"));
    assert.equal(volume.state.extents.cleanBytes(), 0);
  });

  it("still removes, cuts, renames and commits on a full disk, and refuses new names", async () => {
    start();
    volume.bucket.down = true;
    const file = await d.create("a");
    await d.create("b");
    await d.write(file, 0, "data");
    freeBytes = 0;
    await volume.clock.advance(10);
    await d.commit(file);
    await d.set(file, { sizeBytes: 2 });
    await d.rename("a", "c");
    await d.remove("b");
    await assert.rejects(d.create("new"), { code: "NOSPC" });
    assert.equal(await d.text("c"), "da");
    assert.equal(volume.state.db.lowSpace, true);
    freeBytes = 2 ** 40;
    await volume.clock.advance(2_000);
    assert.equal(volume.state.db.lowSpace, false);
    await d.create("new");
  });

  it("gives the disk back what an emptied or removed file held", async () => {
    start();
    const file = await d.create("a");
    const kept = () => [...volume.state.files.list()].length;
    await d.write(file, 0, Buffer.alloc(100_000));
    await d.set(file, { sizeBytes: 0 });
    await volume.state.removalsDone();
    assert.equal(kept(), 0);
    await d.write(file, 0, "again");
    assert.equal(await d.text("a"), "again");
    await d.remove("a");
    await volume.state.removalsDone();
    assert.equal(kept(), 0);
  });

  it("writes into the new cache file when the file was emptied meanwhile", async () => {
    start();
    const file = await d.create("a");
    await d.write(file, 0, "0123456789");
    const write = d.write(file, 2, "new");
    const cut = d.set(file, { sizeBytes: 0 });
    await Promise.all([write, cut]);
    assert.equal(await d.text("a"), "\0\0new");
    await volume.state.removalsDone();
    assert.equal(await d.text("a"), "\0\0new");
  });
});

describe("the ballast", () => {
  it("takes real space, leaves it to the next process, and gives it back", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "ballast");
    const ballast = new Ballast(path, 3 << 20);
    assert.equal(ballast.held, false);
    await Promise.all([ballast.take(), ballast.take()]);
    assert.equal(ballast.held, true);
    assert.ok(statSync(path).blocks * 512 >= 3 << 20);
    const next = new Ballast(path, 3 << 20);
    assert.equal(next.held, true);
    next.release();
    assert.equal(next.held, false);
    assert.equal(statSync(path).size, 0);
    next.close();
    ballast.close();
  });
});
