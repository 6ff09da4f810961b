import assert from "node:assert/strict";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { type Gap, gapNames } from "../../src/dev-s3/gaps.ts";
import { startDevS3 } from "../../src/dev-s3/server.ts";
import {
  type AbilityName,
  type AbilityOutcome,
  allHonoured,
  type StoreAbilities,
} from "../../src/probe/abilities.ts";
import { probeStore } from "../../src/probe/probe.ts";
import { S3ObjectStore } from "../../src/s3/s3-object-store.ts";
import { newClient, type S3Server } from "../contract/s3-api-case.ts";
import { startVersitygw } from "../support/versitygw.ts";

async function probed(
  server: Pick<S3Server, "endpoint" | "accessKeyId" | "secretAccessKey" | "region">,
) {
  const store = new S3ObjectStore(
    { bucket: "bucket", endpoint: server.endpoint, region: server.region, forcePathStyle: true },
    { credentials: () => Promise.resolve(server), clock: systemClock, log: silentLog },
  );
  try {
    const volume = { prefix: "v/", id: "own", nowMs: Date.now() };
    const report = await probeStore(store, volume);
    const left = await store.list({ prefix: "" });
    const uploads = await store.listUploads("");
    return { report, left: left.objects.map(({ key }) => key), uploads };
  } finally {
    await store.close();
  }
}

/** What each gap of dev-s3 makes of the store. */
const found: Readonly<Record<Gap, Partial<StoreAbilities>>> = {
  "put-if-none-match": { putIfAbsent: "ignored" },
  "put-if-match": { putIfMatch: "ignored" },
  "complete-if-none-match": { completeIfAbsent: "ignored" },
  "complete-if-match": { completeIfMatch: "ignored" },
  "copy-if-none-match": { copyIfAbsent: "ignored" },
  "copy-if-match": { copyIfMatch: "ignored" },
  "delete-if-match": { deleteIfMatch: "ignored" },
  "put-if-none-match:refused": { putIfAbsent: "refused" },
  "put-if-match:refused": { putIfMatch: "refused" },
  "complete-if-none-match:refused": { completeIfAbsent: "refused" },
  "complete-if-match:refused": { completeIfMatch: "refused" },
  "copy-if-none-match:refused": { copyIfAbsent: "refused" },
  "copy-if-match:refused": { copyIfMatch: "refused" },
  "delete-if-match:refused": { deleteIfMatch: "refused" },
  "copy-source-if-match": { copySourceIfMatch: "ignored" },
  "upload-part-copy": { uploadPartCopy: "refused", uploadPartCopyIfMatch: "refused" },
  "upload-part-copy-range": { uploadPartCopy: "ignored" },
  "upload-part-copy-if-match": { uploadPartCopyIfMatch: "ignored" },
  checksums: { checksums: "ignored" },
  "listing-order": { listingOrder: "ignored", listingStartAfter: "ignored" },
  "start-after": { listingStartAfter: "ignored" },
  "encoding-type": { listingEncoding: "ignored" },
  "list-after-write": {
    ...{ listAfterWrite: "ignored", listingOrder: "ignored", listingStartAfter: "ignored" },
    listingEncoding: "ignored",
  },
};

describe("the probe over HTTP", function () {
  this.timeout(60_000);

  it("finds that dev-s3 does all that AWS does, and leaves nothing behind", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    const { report, left, uploads } = await probed(server);
    assert.deepEqual(report, {
      ...{ abilities: allHonoured, isComplete: true, errors: [], initiator: "dev-s3-owner" },
    });
    assert.deepEqual([left, uploads], [[], []]);
  });

  it("costs at most 160 requests of a few bytes", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await probed(server);
    const { total, bytesIn, requests } = server.counters;
    assert.ok(total <= 160, JSON.stringify(requests));
    assert.ok(bytesIn < 16_384, `${bytesIn}`);
  });

  for (const gap of gapNames) {
    it(`finds the gap ${gap}`, async () => {
      await using server = await startDevS3({ buckets: ["bucket"], gaps: [gap] });
      const { report } = await probed(server);
      assert.deepEqual(report.errors, []);
      assert.deepEqual(report.abilities, { ...allHonoured, ...found[gap] });
    });
  }

  it("finds what versitygw lacks, by outcomes", async () => {
    await using server = await startVersitygw();
    const client = newClient(server);
    await client.send(new CreateBucketCommand({ Bucket: "bucket" }));
    client.destroy();
    const { report, left, uploads } = await probed(server);
    const lacking: Partial<Record<AbilityName, AbilityOutcome>> = {
      ...{ copyIfAbsent: "ignored", copyIfMatch: "ignored" },
      // U+0007 comes back as U+FFFD.
      listingEncoding: "ignored",
    };
    assert.deepEqual(report.errors, []);
    assert.deepEqual(report.abilities, { ...allHonoured, ...lacking });
    assert.deepEqual([left, uploads], [[], []]);
  });
});
