import assert from "node:assert/strict";
import { WritesInFlight } from "../../../src/cache/in-flight.ts";
import type { InodeNumber } from "../../../src/vfs/attributes.ts";

const one = 1 as InodeNumber;
const two = 2 as InodeNumber;
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("writes between their halves", () => {
  it("keep a freeze waiting, and wait themselves for one", async () => {
    const writes = new WritesInFlight({ maxStagedBytes: 1000 });
    const end = writes.begin(one, 10);
    let frozen = false;
    const freeze = writes.whenQuiet(one, () => {
      frozen = true;
      return "moment";
    });
    await turn();
    assert.equal(frozen, false);
    const admitted = writes.admission(one, 10);
    assert.ok(admitted !== undefined, "a new write must wait for the freeze");
    assert.equal(writes.admission(two, 10), undefined, "another file does not");
    end();
    end();
    assert.equal(await freeze, "moment");
    await admitted;
    assert.equal(writes.admission(one, 10), undefined);
    assert.equal(writes.stagedBytes, 0);
  });

  it("are bounded in bytes, but one is always admitted", async () => {
    const writes = new WritesInFlight({ maxStagedBytes: 100 });
    assert.equal(writes.admission(one, 5000), undefined);
    const end = writes.begin(one, 5000);
    const waiting = writes.admission(two, 1);
    assert.ok(waiting !== undefined);
    end();
    await waiting;
    assert.equal(writes.admission(two, 1), undefined);
  });

  it("let several freezes of one file pass, one after the other", async () => {
    const writes = new WritesInFlight({ maxStagedBytes: 100 });
    const order: number[] = [];
    await Promise.all([1, 2, 3].map((at) => writes.whenQuiet(one, () => order.push(at))));
    assert.deepEqual(order, [1, 2, 3]);
    assert.equal(writes.admission(one, 1), undefined);
  });

  it("admit writes again after a freeze that failed", async () => {
    const writes = new WritesInFlight({ maxStagedBytes: 100 });
    const failed = writes.whenQuiet(one, () => {
      throw new Error("no");
    });
    await assert.rejects(failed, /no/);
    assert.equal(writes.admission(one, 1), undefined);
  });
});
