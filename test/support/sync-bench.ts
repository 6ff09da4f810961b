import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { type DevS3, startDevS3 } from "../../src/dev-s3/server.ts";
import { type ETag, objectKey, type UploadedPart } from "../../src/s3/object-store.ts";
import { S3ObjectStore } from "../../src/s3/s3-object-store.ts";
import type { SyncOptions } from "../../src/sync/options.ts";
import { TestVolume } from "../unit/sync/test-volume.ts";

const mebi = 2 ** 20;

/** The engine over the embedded S3 server, whose counters tell what it costs. */
export class SyncBench implements AsyncDisposable {
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

  static async open(options: Partial<SyncOptions> = {}): Promise<SyncBench> {
    const bench = new SyncBench(await startDevS3({ buckets: ["bucket"] }), options);
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

  /** An object of `count` times 64 MiB of zeros that was never sent as a whole. */
  async putLarge(key: string, count: number): Promise<void> {
    const chunks = Array.from({ length: 64 }, () => Buffer.alloc(mebi));
    const seed = { sizeBytes: 64 * mebi, chunks };
    await this.store.put(objectKey("seed"), seed, { metadata: {} }, "any");
    await this.#repeat("seed", key, 64 * mebi, count);
    await this.store.delete(objectKey("seed"), "any");
    await this.volume.refresh();
    await this.volume.attributes(key);
    this.server.counters.reset();
  }

  async #repeat(from: string, to: string, sizeBytes: number, times: number): Promise<void> {
    const head = await this.store.head(objectKey(from));
    const etag: ETag = head.kind === "found" ? head.etag : assert.fail(`${from} is missing`);
    const target = objectKey(to);
    const uploadId = await this.store.createMultipart(target, { metadata: {} });
    const parts: UploadedPart[] = [];
    for (let number = 1; number <= times; number++) {
      const source = {
        key: objectKey(from),
        ifMatch: etag,
        offsetBytes: 0,
        lengthBytes: sizeBytes,
      };
      const part = await this.store.uploadPartCopy(target, uploadId, number, source);
      if (part.kind !== "copied") assert.fail(part.kind);
      parts.push(part);
    }
    await this.store.completeMultipart(target, uploadId, parts, "any");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.volume[Symbol.asyncDispose]();
    await this.store.close();
    await this.server[Symbol.asyncDispose]();
  }
}
