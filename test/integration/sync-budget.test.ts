import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { type DevS3, startDevS3 } from "../../src/dev-s3/server.ts";
import { objectKey } from "../../src/s3/object-store.ts";
import { S3ObjectStore } from "../../src/s3/s3-object-store.ts";
import type { SyncOptions } from "../../src/sync/options.ts";
import { TestVolume } from "../unit/sync/test-volume.ts";

const mebi = 2 ** 20;

/** The engine over the embedded S3 server, whose counters tell what it costs. */
class Bench implements AsyncDisposable {
  readonly server: DevS3;
  readonly store: S3ObjectStore;
  readonly volume: TestVolume;

  private constructor(server: DevS3, options: Partial<SyncOptions>) {
    const { accessKeyId, secretAccessKey, endpoint, region } = server;
    this.server = server;
    this.store = new S3ObjectStore(
      { bucket: "bucket", endpoint, region, forcePathStyle: true },
      {
        credentials: () => Promise.resolve({ accessKeyId, secretAccessKey }),
        clock: systemClock,
        log: silentLog,
      },
    );
    this.volume = new TestVolume({
      store: this.store,
      partSizeBytes: 8 * mebi,
      minPartBytes: 5 * mebi,
      ...options,
    });
  }

  static async open(options: Partial<SyncOptions> = {}): Promise<Bench> {
    const bench = new Bench(await startDevS3({ buckets: ["bucket"] }), options);
    await bench.volume.start();
    // What the volume asks at its start is no part of any budget.
    await bench.volume.list();
    bench.server.counters.reset();
    return bench;
  }

  /** Requests by operation since the last call. */
  spent(): Readonly<Record<string, number>> {
    const { requests } = this.server.counters;
    this.server.counters.reset();
    return requests;
  }

  async put(key: string, text: string): Promise<void> {
    const body = { sizeBytes: text.length, chunks: [Buffer.from(text)] };
    await this.store.put(objectKey(key), body, { metadata: {} }, "any");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.volume[Symbol.asyncDispose]();
    await this.store.close();
    await this.server[Symbol.asyncDispose]();
  }
}

describe("the requests that the engine sends", () => {
  it("are one PUT for a new small file", async () => {
    await using bench = await Bench.open();
    await bench.volume.write("a", "alpha");
    await bench.volume.flush();
    assert.deepEqual(bench.spent(), { PutObject: 1 });
  });

  it("are one PUT for a save through a temporary file and a rename", async () => {
    await using bench = await Bench.open();
    await bench.volume.write("a", "alpha");
    await bench.volume.flush();
    bench.spent();
    await bench.volume.write("a.tmp", "beta");
    await bench.volume.rename("a.tmp", "a");
    await bench.volume.flush();
    assert.deepEqual(bench.spent(), { PutObject: 1 });
  });

  it("are none more for the rename of a new file that is not exported yet", async () => {
    await using bench = await Bench.open();
    await bench.volume.write("a", "alpha");
    await bench.volume.rename("a", "b");
    await bench.volume.rename("b", "c");
    await bench.volume.flush();
    assert.deepEqual(bench.spent(), { PutObject: 1 });
  });

  it("are one GET before the PUT for the edit of a small object whose attributes are known", async () => {
    await using bench = await Bench.open();
    await bench.put("a", "alpha");
    await bench.volume.refresh();
    bench.spent();
    await bench.volume.patch("a", 0, "A");
    await bench.volume.flush();
    assert.deepEqual(bench.spent(), { GetObject: 1, PutObject: 1 });
  });

  it("are at most 1.05 PUT and no HEAD for each of many small new files", async () => {
    await using bench = await Bench.open();
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
});
