import assert from "node:assert/strict";
import { NodeClaim } from "../../../src/handover/node-claim.ts";
import { FsError } from "../../../src/vfs/error.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { unreachable } from "../../fakes/faulty-object-store.ts";
import { MemoryObjectStore } from "../../fakes/memory-object-store.ts";
import { TestVolume } from "./test-volume.ts";

/** A node's claim of the volume in a bucket, which counts how often it is asked. */
class CountedClaim {
  readonly store = new MemoryObjectStore({ clock: new FakeClock() });
  readonly claim = new NodeClaim(
    { prefix: "", node: "here", isSingleNode: true },
    { store: this.store, clock: new FakeClock(), newClaim: () => "claim" },
  );
  asked = 0;
  isSilent = false;

  async mayExport(): Promise<boolean> {
    this.asked += 1;
    if (this.isSilent) throw unreachable();
    return this.claim.mayExport();
  }

  /** What an operator's `s3files release` does. */
  release(): void {
    this.store.deleteObject(".s3files/nodes/here.json");
  }
}

describe("the fence", () => {
  async function claimed(): Promise<CountedClaim> {
    const claim = new CountedClaim();
    await claim.claim.claim();
    return claim;
  }

  it("is asked once for a batch of exports, and again for the next", async () => {
    const fence = await claimed();
    await using volume = await new TestVolume({ fence }).start();
    for (let file = 0; file < 30; file++) await volume.write(`f${file}`, "x");
    await volume.pass(60_000);
    assert.equal(volume.bucket.keys().length, 30);
    assert.equal(fence.asked, 1);
    await volume.write("later", "x");
    await volume.pass(60_000);
    assert.equal(fence.asked, 2);
  });

  it("lets a superseded node export, rename and delete nothing, and keeps what it has", async () => {
    const fence = await claimed();
    await using volume = await new TestVolume({ fence, waitsForS3: true }).start();
    volume.bucket.putObject("old", Buffer.from("old"));
    volume.bucket.putObject("moved", Buffer.from("moved"));
    await volume.list();
    const inode = await volume.write("new", "new");
    await volume.remove("old");
    await volume.rename("moved", "elsewhere");
    fence.release();
    await volume.pass(60_000);
    await volume.pass(3_600_000);
    const flushed = await volume.engine.flush();
    assert.deepEqual(volume.bucket.keys(), ["moved", "old"]);
    assert.equal(flushed.pendingFiles, 3);
    assert.match(volume.engine.status().problems[0]?.message ?? "", /Another node .* volume test/);
    await assert.rejects(
      volume.commitInode(inode),
      (error) => error instanceof FsError && error.code === "IO",
    );
    assert.equal(await volume.text("new"), "new");
  });

  it("holds back exports while nobody knows, and goes on then", async () => {
    const fence = await claimed();
    await using volume = await new TestVolume({ fence }).start();
    await volume.write("a", "x");
    fence.isSilent = true;
    await volume.pass(60_000);
    assert.deepEqual(volume.bucket.keys(), []);
    fence.isSilent = false;
    await volume.pass(60_000);
    assert.deepEqual(volume.bucket.keys(), ["a"]);
  });
});
