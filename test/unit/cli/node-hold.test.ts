import assert from "node:assert/strict";
import { silentLog } from "../../../src/base/log.ts";
import { NodeHold } from "../../../src/cli/node-hold.ts";
import { NodeClaim } from "../../../src/handover/node-claim.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { MemoryObjectStore } from "../../fakes/memory-object-store.ts";
import { volumeSpec } from "../../fakes/volume-spec.ts";

const clock = new FakeClock();

function holdOn(store: MemoryObjectStore, singleNode = true): NodeHold {
  return new NodeHold(volumeSpec({ nodeName: "here", singleNode }), {
    store,
    clock,
    log: silentLog,
    pending: () => ({ pendingBytes: 0, oldestPendingMs: 0 }),
  });
}

describe("a server's fence", () => {
  it("knows the node's own record again after a crash, though nobody asks the new server to take it", async () => {
    const store = new MemoryObjectStore({ clock });
    const before = holdOn(store);
    await before.take(new AbortController().signal);
    before.close();
    const after = holdOn(store);
    assert.equal(await after.fence?.mayExport(), true);
    after.close();
  });

  it("says no after a crash when another node has been given the volume meanwhile", async () => {
    const store = new MemoryObjectStore({ clock });
    const before = holdOn(store);
    await before.take(new AbortController().signal);
    before.close();
    store.deleteObject(".s3files/nodes/here.json");
    await new NodeClaim(
      { prefix: "", node: "there", isSingleNode: true },
      { store, clock, newClaim: () => "theirs" },
    ).claim();
    const after = holdOn(store);
    assert.equal(await after.fence?.mayExport(), false);
    assert.equal(await after.fence?.mayExport(), false);
    after.close();
  });

  it("is none for a volume of several nodes", () => {
    assert.equal(holdOn(new MemoryObjectStore({ clock }), false).fence, undefined);
  });
});
