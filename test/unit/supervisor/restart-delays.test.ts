import assert from "node:assert/strict";
import { RestartDelays } from "../../../src/supervisor/restart-delays.ts";

describe("the delay before a server is started again", () => {
  it("is none three times and then doubles up to five seconds", () => {
    const delays = new RestartDelays();
    const next = Array.from({ length: 11 }, () => delays.next(1_000));
    assert.deepEqual(next, [0, 0, 0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  });

  it("is none again after a server that lived five seconds", () => {
    const delays = new RestartDelays();
    for (let i = 0; i < 8; i++) delays.next(1_000);
    assert.equal(delays.next(5_000), 0);
    assert.equal(delays.next(1_000), 0);
  });
});
