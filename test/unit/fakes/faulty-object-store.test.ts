import assert from "node:assert/strict";
import { ObjectStoreError, objectKey } from "../../../src/s3/object-store.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FaultyObjectStore } from "../../fakes/faulty-object-store.ts";
import { MemoryObjectStore } from "../../fakes/memory-object-store.ts";

const key = objectKey("a");
const plain = { metadata: {} };
const body = { sizeBytes: 1, chunks: [Buffer.from("x")] };

function isUnavailable(error: unknown): boolean {
  return error instanceof ObjectStoreError && error.code === "unavailable";
}

describe("FaultyObjectStore", () => {
  it("fails the nth request of a kind before it reaches the store", async () => {
    const inner = new MemoryObjectStore();
    const store = new FaultyObjectStore(inner);
    store.add({ operation: "put", nth: 2, action: { kind: "fail" } });
    await store.put(key, body, plain, "any");
    await assert.rejects(store.put(key, body, plain, "any"), isUnavailable);
    await store.put(key, body, plain, "any");
    assert.equal(inner.requests.length, 2);
  });

  it("loses the answer of a request that was carried out", async () => {
    const inner = new MemoryObjectStore();
    const store = new FaultyObjectStore(inner);
    using fault = store.add({ key: /^a$/, action: { kind: "lose" } });
    await assert.rejects(store.put(key, body, plain, "absent"), isUnavailable);
    assert.equal(inner.text("a"), "x");
    assert.equal(fault.hits, 1);
  });

  it("holds a request until the clock has moved on, or the caller gives up", async () => {
    const inner = new MemoryObjectStore();
    const clock = new FakeClock();
    const store = new FaultyObjectStore(inner, { clock });
    store.add({ action: { kind: "delay", delayMs: 1000 } });
    const put = store.put(key, body, plain, "any");
    await clock.advance(999);
    assert.deepEqual(inner.requests, []);
    await clock.advance(1);
    assert.equal((await put).kind, "stored");
    const controller = new AbortController();
    const reason = new Error("stopped");
    const head = store.head(key, { signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(head, reason);
    assert.equal(clock.pendingTimers, 0);
  });

  it("lets another client act right before a request", async () => {
    const inner = new MemoryObjectStore();
    const store = new FaultyObjectStore(inner);
    const run = () => inner.putObject("a", "theirs");
    store.add({ operation: "put", times: 1, action: { kind: "before", run } });
    const outcome = await store.put(key, body, plain, "absent");
    assert.deepEqual(outcome, { kind: "preconditionFailed" });
    assert.equal(inner.text("a"), "theirs");
  });

  it("fails by chance as often as its random numbers say", async () => {
    const numbers = [0.1, 0.9, 0.2];
    const random = () => numbers.shift() ?? 1;
    const store = new FaultyObjectStore(new MemoryObjectStore(), { random });
    store.add({ chance: 0.5, action: { kind: "fail" } });
    await assert.rejects(store.head(key), isUnavailable);
    await store.head(key);
    await assert.rejects(store.head(key), isUnavailable);
    await store.head(key);
  });
});
