import assert from "node:assert/strict";
import { silentLog } from "../../../src/base/log.ts";
import { type Gap, parseGaps } from "../../../src/dev-s3/gaps.ts";
import {
  type AbilityName,
  type AbilityOutcome,
  allHonoured,
  noneProved,
} from "../../../src/probe/abilities.ts";
import { probeStore } from "../../../src/probe/probe.ts";
import { StoreKnowledge } from "../../../src/probe/store-knowledge.ts";
import { ObjectStoreError, objectKey } from "../../../src/s3/object-store.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FaultyObjectStore } from "../../fakes/faulty-object-store.ts";
import { MemoryObjectStore } from "../../fakes/memory-object-store.ts";

const volume = { prefix: "v/", id: "own", nowMs: 0 };
/** A store in memory cannot be sent a damaged body. */
const able = { ...allHonoured, checksums: "refused" } as const;

function bucketWith(...gaps: Gap[]): MemoryObjectStore {
  return new MemoryObjectStore({ gaps: parseGaps(gaps) });
}

function denied(): ObjectStoreError {
  return new ObjectStoreError("denied", "AccessDenied", { s3Code: "AccessDenied", status: 403 });
}

describe("the probe of a store", () => {
  it("proves each ability by its outcome, and leaves nothing behind", async () => {
    const bucket = bucketWith();
    const report = await probeStore(bucket, volume);
    assert.deepEqual(report, {
      ...{ abilities: able, isComplete: true, errors: [], initiator: "memory" },
    });
    assert.deepEqual(bucket.keys(), []);
    assert.deepEqual(bucket.unfinishedUploads(), []);
  });

  const rows: readonly (readonly [Gap, AbilityName, AbilityOutcome])[] = [
    ["put-if-none-match", "putIfAbsent", "ignored"],
    ["put-if-match", "putIfMatch", "ignored"],
    ["complete-if-none-match", "completeIfAbsent", "ignored"],
    ["complete-if-match", "completeIfMatch", "ignored"],
    ["delete-if-match", "deleteIfMatch", "ignored"],
    ["copy-if-none-match", "copyIfAbsent", "ignored"],
    ["copy-if-match", "copyIfMatch", "ignored"],
    ["copy-source-if-match", "copySourceIfMatch", "ignored"],
    ["upload-part-copy-if-match", "uploadPartCopyIfMatch", "ignored"],
    ["put-if-none-match:refused", "putIfAbsent", "refused"],
    ["complete-if-match:refused", "completeIfMatch", "refused"],
    ["delete-if-match:refused", "deleteIfMatch", "refused"],
  ];
  for (const [gap, name, outcome] of rows) {
    it(`finds ${name} ${outcome} where the store has the gap ${gap}, and nothing else`, async () => {
      const bucket = bucketWith(gap);
      const { abilities } = await probeStore(bucket, volume);
      assert.deepEqual(abilities, { ...able, [name]: outcome });
      assert.deepEqual(bucket.keys(), []);
      assert.deepEqual(bucket.unfinishedUploads(), []);
    });
  }

  it("proves nothing where it may not write, and says why", async () => {
    const store = new FaultyObjectStore(bucketWith());
    store.add({ operation: "put", action: { kind: "fail", error: denied() } });
    const report = await probeStore(store, volume);
    assert.deepEqual(report.abilities, noneProved);
    assert.equal(report.isComplete, false);
    assert.deepEqual(report.errors, ["AccessDenied"]);
  });

  it("leaves unknown only what it could not ask", async () => {
    const store = new FaultyObjectStore(bucketWith());
    store.add({ operation: "copy", action: { kind: "fail", error: denied() } });
    const { abilities, isComplete } = await probeStore(store, volume);
    assert.equal(isComplete, false);
    const unknown = {
      copySourceIfMatch: "unknown",
      copyIfAbsent: "unknown",
      copyIfMatch: "unknown",
    };
    assert.deepEqual(abilities, { ...able, ...unknown });
  });

  it("removes what a killed one left, of others only what is a day old, and no file of the volume", async () => {
    const clock = new FakeClock();
    const bucket = new MemoryObjectStore({ clock });
    bucket.putObject("v/.s3files/probe/other/old", "");
    bucket.putObject("v/file", "kept");
    await clock.advance(25 * 3_600_000);
    bucket.putObject("v/.s3files/probe/other/new", "");
    bucket.putObject("v/.s3files/probe/own/p/a", "left");
    await bucket.createMultipart(objectKey("v/.s3files/probe/own/m/a"), { metadata: {} });
    const nowMs = Number(clock.nowNs() / 1_000_000n);
    const { isComplete } = await probeStore(bucket, { ...volume, nowMs });
    assert.equal(isComplete, true);
    assert.deepEqual(bucket.keys(), ["v/.s3files/probe/other/new", "v/file"]);
    assert.deepEqual(bucket.unfinishedUploads(), []);
  });
});

describe("what is known of a store", () => {
  const { signal } = new AbortController();

  function knowledge(
    store: FaultyObjectStore,
    clock: FakeClock,
    kept: { text: string | undefined },
    place = "here",
  ): StoreKnowledge {
    const records = {
      load: () => kept.text,
      save: (text: string) => {
        kept.text = text;
      },
    };
    return new StoreKnowledge(
      { place, prefix: "", id: "own" },
      { store, records, clock, log: silentLog },
    );
  }

  it("is nothing before the first mount, and is kept for a week then, for that store only", async () => {
    const clock = new FakeClock();
    const bucket = new MemoryObjectStore({ clock });
    const store = new FaultyObjectStore(bucket);
    const kept = { text: undefined };
    const first = knowledge(store, clock, kept);
    assert.deepEqual(first.abilities, noneProved);
    await first.learn(signal);
    assert.deepEqual(first.abilities, able);
    bucket.requests.length = 0;
    const second = knowledge(store, clock, kept);
    await second.learn(signal);
    assert.deepEqual(second.abilities, able);
    assert.deepEqual(bucket.requests, []);
    assert.deepEqual(knowledge(store, clock, kept, "elsewhere").abilities, noneProved);
    await clock.advance(8 * 24 * 3_600_000);
    await second.learn(signal);
    assert.ok(bucket.requests.length > 0);
  });

  it("stays nothing where the probe is denied, and is asked for again at the next mount", async () => {
    const clock = new FakeClock();
    const store = new FaultyObjectStore(new MemoryObjectStore({ clock }));
    const kept = { text: undefined };
    const fault = store.add({ operation: "put", action: { kind: "fail", error: denied() } });
    await knowledge(store, clock, kept).learn(signal);
    fault.remove();
    const next = knowledge(store, clock, kept);
    assert.deepEqual(next.abilities, noneProved);
    await next.learn(signal);
    assert.deepEqual(next.abilities, able);
  });

  it("does not hold up a mount while the store is slow", async () => {
    const clock = new FakeClock();
    const store = new FaultyObjectStore(new MemoryObjectStore({ clock }), { clock });
    store.add({ operation: "put", nth: 1, action: { kind: "delay", delayMs: 60_000 } });
    const known = knowledge(store, clock, { text: undefined });
    const learnt = known.learn(signal);
    await clock.advance(10_000);
    await learnt;
    assert.deepEqual(known.abilities, noneProved);
    await clock.advance(60_000);
    await known.settled();
    assert.deepEqual(known.abilities, able);
  });
});
