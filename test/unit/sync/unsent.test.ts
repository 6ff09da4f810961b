import assert from "node:assert/strict";
import { ObjectStoreError } from "../../../src/s3/object-store.ts";
import { pattern, sizes, TestVolume } from "./test-volume.ts";

function refused(): ObjectStoreError {
  return new ObjectStoreError("unavailable", "Nobody listens", {
    s3Code: "ECONNREFUSED",
    isUnsent: true,
  });
}

describe("a request that never left", () => {
  it("leaves no upload and no deletion of unknown outcome behind", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("gone", "old");
    await volume.write("new", "bytes");
    await volume.remove("gone");
    const fault = volume.faults.add({
      operation: ["put", "delete", "head", "list"],
      action: { kind: "fail", error: refused() },
    });
    await volume.engine.flush();
    assert.ok(fault.hits > 0);
    assert.deepEqual(volume.state.journal.all(), []);
    assert.equal(volume.engine.status().pendingFiles, 1);
    assert.equal(volume.engine.status().pendingDeletions, 1);
    fault.remove();
    await volume.clock.advance(600_000);
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["new"]);
    assert.deepEqual(volume.state.journal.all(), []);
  });

  it("leaves no parts behind once the store is back, also after a crash", async () => {
    for (const isKilled of [false, true]) {
      await using volume = await new TestVolume().start();
      const data = pattern(4 * sizes.part);
      await volume.write("large", data);
      volume.faults.add({
        operation: ["completeMultipart", "abortMultipart"],
        action: { kind: "fail", error: refused() },
      });
      await volume.engine.flush();
      assert.equal(volume.bucket.unfinishedUploads().length, 1);
      assert.equal(volume.state.journal.all()[0]?.state, "superseded");
      if (isKilled) await volume.restart();
      else volume.faults.clear();
      await volume.clock.advance(600_000);
      await volume.flush();
      assert.ok(volume.bucket.bytes("large")?.equals(data));
      assert.deepEqual(volume.bucket.unfinishedUploads(), []);
      assert.deepEqual(volume.state.journal.all(), []);
    }
  });

  it("is not retried into a conflict when an earlier one of the same file was lost", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "one");
    volume.faults.add({ operation: "put", times: 1, action: { kind: "lose" } });
    volume.faults.add({
      operation: ["put", "head"],
      times: 2,
      action: { kind: "fail", error: refused() },
    });
    await volume.engine.flush();
    volume.faults.clear();
    await volume.clock.advance(600_000);
    await volume.write("a", "two");
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "two");
    assert.deepEqual(await volume.lost(), []);
  });
});
