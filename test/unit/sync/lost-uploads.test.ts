import assert from "node:assert/strict";
import { objectKey } from "../../../src/s3/object-store.ts";
import { pattern, sizes, TestVolume } from "./test-volume.ts";

const hour = 3_600_000;
const key = objectKey("big");

async function withLostUpload(): Promise<TestVolume> {
  const volume = await new TestVolume({ initiator: "memory" }).start();
  volume.faults.add({ operation: "createMultipart", times: 1, action: { kind: "lose" } });
  await volume.write("big", pattern(3 * sizes.part));
  await volume.engine.flush();
  assert.equal(volume.bucket.unfinishedUploads().length, 1);
  await volume.flush();
  assert.ok(volume.bucket.bytes("big")?.equals(pattern(3 * sizes.part)));
  return volume;
}

describe("an upload whose beginning had no answer", () => {
  it("is aborted some hours later, without anything else to do", async () => {
    await using volume = await withLostUpload();
    await volume.pass(hour);
    assert.equal(volume.bucket.unfinishedUploads().length, 1);
    await volume.pass(2 * hour);
    assert.deepEqual(volume.bucket.unfinishedUploads(), []);
    assert.deepEqual(volume.state.journal.all(), []);
  });

  it("is aborted when it was begun late, and when the volume was killed in between", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("big", pattern(3 * sizes.part));
    volume.faults.add({
      ...{ operation: "createMultipart", times: 1 },
      action: { kind: "late", delayMs: 600_000 },
    });
    await volume.engine.flush();
    await volume.restart();
    await volume.flush();
    await volume.pass(600_000);
    assert.equal(volume.bucket.unfinishedUploads().length, 1);
    await volume.pass(3 * hour);
    assert.deepEqual(volume.bucket.unfinishedUploads(), []);
  });

  it("is not mistaken for one of somebody else's: with parts, under another key, begun by another or at another time", async () => {
    await using volume = await withLostUpload();
    const { bucket } = volume;
    const withParts = await bucket.createMultipart(key, { metadata: {} });
    await bucket.uploadPart(key, withParts, 1, { sizeBytes: 1, chunks: [Buffer.from("x")] });
    const elsewhere = await bucket.createMultipart(objectKey("bigger"), { metadata: {} });
    const theirs = await bucket.createMultipart(key, { metadata: {} });
    const listed = bucket.listUploads.bind(bucket);
    bucket.listUploads = async (prefix, options) =>
      (await listed(prefix, options)).map((upload) =>
        upload.uploadId === theirs ? { ...upload, initiator: "they" } : upload,
      );
    await volume.pass(2 * hour);
    const later = await bucket.createMultipart(key, { metadata: {} });
    await volume.pass(hour);
    assert.deepEqual(
      bucket.unfinishedUploads().map(({ uploadId }) => uploadId),
      [withParts, elsewhere, theirs, later],
    );
  });

  it("is looked for no more when the keys may not list uploads", async () => {
    await using volume = await withLostUpload();
    const { bucket } = volume;
    bucket.listUploads = () => Promise.reject(bucket.failure("denied", "AccessDenied", 403));
    await volume.pass(3 * hour);
    assert.deepEqual(volume.state.journal.all(), []);
  });

  it("leaves no record when the store has refused to begin it", async () => {
    await using volume = await new TestVolume().start();
    const { bucket } = volume;
    const error = bucket.failure("denied", "AccessDenied", 403);
    volume.faults.add({ operation: "createMultipart", times: 1, action: { kind: "fail", error } });
    await volume.write("big", pattern(3 * sizes.part));
    await volume.engine.flush();
    assert.deepEqual(volume.state.journal.all(), []);
  });
});
