import assert from "node:assert/strict";
import { RestartDelays } from "../../../src/supervisor/restart-delays.ts";

describe("the delay before a restart", () => {
  it("is none the first time and then doubles up to five seconds", () => {
    const delays = new RestartDelays();
    const all = Array.from({ length: 9 }, () => delays.next(10));
    assert.deepEqual(all, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  });

  it("is none again after a server that lived half a minute", () => {
    const delays = new RestartDelays();
    for (let n = 0; n < 5; n++) delays.next(10);
    assert.equal(delays.next(30_000), 0);
    assert.equal(delays.next(10), 100);
  });
});
