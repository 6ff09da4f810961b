import assert from "node:assert/strict";
import { pace, wait } from "../../../src/dev-s3/shaping.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

async function* source(...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield new Uint8Array(await Promise.resolve(size));
}

describe("Shaping of dev-s3", () => {
  it("hands bytes on no faster than the bandwidth, in pieces", async () => {
    const clock = new FakeClock();
    const never = new AbortController().signal;
    let bytes = 0;
    let ended = false;
    const reading = (async () => {
      // 100,000 bytes at 50,000 a second: two seconds.
      for await (const piece of pace(source(60_000, 40_000), 50_000, clock, never)) {
        bytes += piece.length;
      }
      ended = true;
    })();
    await clock.advance(1_199);
    assert.equal(bytes, 0);
    await clock.advance(1);
    assert.equal(bytes, 60_000);
    await clock.advance(799);
    assert.equal(ended, false);
    await clock.advance(1);
    await reading;
    assert.equal(bytes, 100_000);
  });

  it("hands everything on at once when no bandwidth is set", async () => {
    const sizes: number[] = [];
    const never = new AbortController().signal;
    for await (const piece of pace(source(1, 200_000), undefined, new FakeClock(), never)) {
      sizes.push(piece.length);
    }
    assert.deepEqual(sizes, [1, 200_000]);
  });

  it("stops waiting when the client goes away", async () => {
    const gone = new AbortController();
    const waiting = wait(new FakeClock(), 1_000_000, gone.signal);
    gone.abort();
    await waiting;
  });
});
