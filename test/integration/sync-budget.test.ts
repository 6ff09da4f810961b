import assert from "node:assert/strict";
import { objectKey } from "../../src/s3/object-store.ts";
import { SyncBench } from "../support/sync-bench.ts";
import { pattern } from "../unit/sync/test-volume.ts";

const mebi = 2 ** 20;

describe("the requests that the engine sends", function () {
  this.timeout(120_000);

  it("are one PUT for a new small file", async () => {
    await using bench = await SyncBench.open();
    await bench.volume.write("a", "alpha");
    await bench.volume.flush();
    assert.deepEqual(bench.spent(), { PutObject: 1 });
  });

  it("are one PUT for a save through a temporary file and a rename", async () => {
    await using bench = await SyncBench.open();
    await bench.volume.write("a", "alpha");
    await bench.volume.flush();
    bench.spent();
    await bench.volume.write("a.tmp", "beta");
    await bench.volume.rename("a.tmp", "a");
    await bench.volume.flush();
    assert.deepEqual(bench.spent(), { PutObject: 1 });
  });

  it("are none more for the rename of a new file that is not exported yet", async () => {
    await using bench = await SyncBench.open();
    await bench.volume.write("a", "alpha");
    await bench.volume.rename("a", "b");
    await bench.volume.rename("b", "c");
    await bench.volume.flush();
    assert.deepEqual(bench.spent(), { PutObject: 1 });
  });

  it("are one GET before the PUT for the edit of a small object whose attributes are known", async () => {
    await using bench = await SyncBench.open();
    await bench.put("a", "alpha");
    await bench.volume.refresh();
    bench.spent();
    await bench.volume.patch("a", 0, "A");
    await bench.volume.flush();
    assert.deepEqual(bench.spent(), { GetObject: 1, PutObject: 1 });
  });

  it("are at most 1.05 PUT and no HEAD for each of many small new files", async () => {
    await using bench = await SyncBench.open();
    const count = 640;
    await bench.volume.makeDirectory("d");
    for (let index = 0; index < count; index++) {
      await bench.volume.write(`d/file-${index}`, `content ${index}`);
    }
    await bench.volume.flush();
    const { PutObject = 0, HeadObject = 0 } = bench.spent();
    assert.ok(PutObject >= count && PutObject <= count * 1.05, `${PutObject}`);
    assert.equal(HeadObject, 0);
  });

  it("are one copy for a chmod of a clean file of any size, and carry no bytes", async () => {
    await using bench = await SyncBench.open();
    for (const [name, size] of [
      ["small", 1000],
      ["large", 20 * mebi],
    ] as const) {
      await bench.volume.write(name, pattern(size));
      await bench.volume.flush();
      bench.spent();
      await bench.volume.setAttributes(await bench.volume.inode(name), { mode: 0o600 });
      await bench.volume.flush();
      assert.ok(bench.server.counters.bytesIn < 100, `${bench.server.counters.bytesIn}`);
      assert.deepEqual(bench.spent(), { CopyObject: 1 });
    }
  });

  it("are two for the rename of a clean file of any size", async () => {
    await using bench = await SyncBench.open();
    await bench.volume.write("small", "alpha");
    await bench.volume.write("large", pattern(20 * mebi));
    await bench.volume.flush();
    for (const name of ["small", "large"]) {
      bench.spent();
      await bench.volume.rename(name, `${name}.moved`);
      await bench.volume.flush();
      assert.deepEqual(bench.spent(), { CopyObject: 1, DeleteObject: 1 });
    }
  });

  it("are at most 6 with at most 8 MiB for an edit of 4 KiB or an append of 1 MiB in a large object", async () => {
    await using bench = await SyncBench.open();
    const size = 512 * mebi;
    await bench.putLarge("big", 8);
    for (const [offset, length] of [
      [0, 4096],
      [100 * mebi + 1, 4096],
      [size - 4096, 4096],
      [size, mebi],
    ] as const) {
      await bench.volume.patch("big", offset, Buffer.alloc(length, 1));
      await bench.volume.flush();
      const { bytesIn, total } = bench.server.counters;
      assert.ok(total <= 6, `${offset}: ${JSON.stringify(bench.spent())}`);
      assert.ok(bytesIn <= 8 * mebi, `${offset}: ${bytesIn} bytes`);
      bench.spent();
    }
  });

  it("are a LIST for each 1,000 keys of a first listing, a HEAD for each object only as statMetadata asks, and none again", async () => {
    for (const [statMetadata, heads] of [
      // The directory's own is needed to know who may enter it.
      ["listing", 1],
      ["exact", 2_501],
    ] as const) {
      await using bench = await SyncBench.open({
        revalidateAfterMs: 3_600_000,
        ...(statMetadata === "listing" ? { statMetadata } : {}),
      });
      const keys = Array.from({ length: 2_500 }, (_, index) => objectKey(`d/${index}`));
      const body = { sizeBytes: 1, chunks: [Buffer.from("x")] };
      const next = keys.values();
      const work = async (): Promise<void> => {
        for (const key of next) await bench.store.put(key, body, { metadata: {} }, "any");
      };
      await Promise.all(Array.from({ length: 8 }, work));
      await bench.volume.clock.advance(3_601_000);
      await bench.volume.list();
      await bench.volume.idle();
      bench.spent();
      assert.equal((await bench.volume.list("d")).length, 2_500);
      await bench.volume.idle();
      const { ListObjectsV2, HeadObject } = bench.spent();
      assert.deepEqual([ListObjectsV2, HeadObject], [3, heads]);
      assert.equal((await bench.volume.list("d")).length, 2_500);
      await bench.volume.idle();
      assert.deepEqual(bench.spent(), {});
    }
  });
});
