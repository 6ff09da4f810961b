import assert from "node:assert/strict";
import fc from "fast-check";
import { NodeClaim } from "../../../src/handover/node-claim.ts";
import { describeNodeRecord, nodeRecordKey } from "../../../src/handover/node-record.ts";
import { type ObjectStore, ObjectStoreError, objectKey } from "../../../src/s3/object-store.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { MemoryObjectStore } from "../../fakes/memory-object-store.ts";

describe("A node's record of a volume", () => {
  let store: MemoryObjectStore;
  let clock: FakeClock;
  let claims: number;
  beforeEach(() => {
    store = new MemoryObjectStore();
    clock = new FakeClock();
    claims = 0;
  });
  const node = (name: string, isSingleNode = true, over: ObjectStore = store) =>
    new NodeClaim(
      { prefix: "v/", node: name, isSingleNode },
      { store: over, clock, newClaim: () => `claim ${++claims}` },
    );
  const keyOf = (name: string) => objectKey(nodeRecordKey("v/", name));

  it("keeps a single-node volume from every other node until it is withdrawn", async () => {
    const [one, two] = [node("one"), node("two")];
    assert.deepEqual(await one.claim(), { kind: "claimed", others: [] });
    const refused = await two.claim();
    assert.equal(refused.kind, "elsewhere");
    assert.deepEqual(
      refused.others.map((record) => record.node),
      ["one"],
    );
    assert.equal((await store.head(keyOf("two"))).kind, "notFound");
    await one.release();
    assert.equal((await two.claim()).kind, "claimed");
  });

  it("tells the others what is pending, and how old that is", async () => {
    const one = node("one");
    await one.claim();
    await one.update({ pendingBytes: 4096, oldestPendingMs: 5_000 });
    const [record] = (await node("two").claim()).others;
    assert.ok(record);
    const laterMs = Number(clock.nowNs() / 1_000_000n) + 60_000;
    assert.match(
      describeNodeRecord(record, laterMs),
      /^node one since \S+ with 4096 bytes pending, the oldest change 65 s old as of 60 s ago$/,
    );
  });

  it("counts a restarted server's record as its own, also after what it said last was lost", async () => {
    await node("one").claim();
    const again = node("one");
    assert.equal((await again.claim()).kind, "claimed");
    assert.equal(claims, 1);
    assert.equal(await again.mayExport(), true);
    const other = node("one");
    await other.claim();
    await other.update({ pendingBytes: 1, oldestPendingMs: 1 });
    assert.equal(await again.mayExport(), true);
    await again.update({ pendingBytes: 2, oldestPendingMs: 2 });
    await other.release();
    assert.equal((await store.head(keyOf("one"))).kind, "notFound");
  });

  it("lets a restarted server export although nobody has staged the volume anew", async () => {
    const fresh = node("one");
    assert.equal(await fresh.mayExport(), false);
    await node("one").claim();
    assert.equal(await fresh.mayExport(), true);
    assert.equal(await node("two").mayExport(), false);
    await fresh.update({ pendingBytes: 3, oldestPendingMs: 3 });
    await store.delete(keyOf("one"), "any");
    assert.equal(await fresh.mayExport(), false);
  });

  it("is withdrawn by a restarted server too", async () => {
    await node("one").claim();
    await node("one").release();
    assert.equal((await store.head(keyOf("one"))).kind, "notFound");
    await node("one").release();
  });

  it("lets nothing be exported once the volume was taken away, whoever has it then", async () => {
    const [one, two] = [node("one"), node("two")];
    assert.equal(await one.mayExport(), false);
    await one.claim();
    await store.delete(keyOf("one"), "any");
    assert.equal(await one.mayExport(), false);
    assert.equal((await two.claim()).kind, "claimed");
    assert.equal((await one.claim()).kind, "elsewhere");
    // A record of this node that a later server made is none of this one's.
    await two.release();
    await node("one").claim();
    assert.equal(await one.mayExport(), false);
    await one.release();
    assert.equal((await store.head(keyOf("one"))).kind, "found");
  });

  it("is made by at most one of three nodes, in whatever order their requests arrive", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        store = new MemoryObjectStore();
        const scheduled = new Proxy<ObjectStore>(store, {
          get(target, name) {
            const method: unknown = Reflect.get(target, name);
            if (typeof method !== "function") return method;
            return async (...args: readonly unknown[]) => {
              await scheduler.schedule(Promise.resolve(), String(name));
              return await method.apply(target, args);
            };
          },
        });
        const names = ["one", "two", "three"];
        const claiming = names.map((name) => node(name, true, scheduled).claim());
        await scheduler.waitFor(Promise.all(claiming));
        const kinds = await Promise.all(claiming);
        const holders = names.filter((_, at) => kinds[at]?.kind === "claimed");
        assert.ok(holders.length <= 1);
        const { objects } = await store.list({ prefix: "v/.s3files/nodes/" });
        assert.deepEqual(
          objects.map(({ key }) => key),
          holders.map(keyOf),
        );
      }),
      { numRuns: 300 },
    );
  });

  it("names the other nodes of a volume that several may have, and stops none of them", async () => {
    const [one, two] = [node("one", false), node("two", false)];
    await one.claim();
    const second = await two.claim();
    assert.equal(second.kind, "claimed");
    assert.deepEqual(
      second.others.map((record) => record.node),
      ["one"],
    );
    await store.delete(keyOf("one"), "any");
    assert.equal(await one.mayExport(), true);
  });

  // Kubernetes deletes a volume that needs no attachment before its node has unstaged it.
  it("is gone with the bucket that it was in", async () => {
    let isThere = true;
    const bucket = new Proxy<ObjectStore>(store, {
      get(target, name) {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== "function") return method;
        return async (...args: readonly unknown[]) => {
          if (isThere) return await method.apply(target, args);
          throw new ObjectStoreError("noSuchBucket", "gone", { s3Code: "NoSuchBucket" });
        };
      },
    });
    const one = node("one", true, bucket);
    await one.claim();
    isThere = false;
    await one.release();
    assert.equal(await one.mayExport(), false);
  });

  it("stands even when it cannot be read", async () => {
    const body = Buffer.from("{broken");
    const put = { sizeBytes: body.length, chunks: [body] };
    await store.put(keyOf("a/b node"), put, { metadata: {} }, "absent");
    const { kind, others } = await node("two").claim();
    assert.deepEqual([kind, others[0]?.node], ["elsewhere", "a/b node"]);
  });
});
