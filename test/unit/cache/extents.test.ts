import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { VolumeDatabase } from "../../../src/cache/database.ts";
import { ExtentMap } from "../../../src/cache/extents.ts";
import type { InodeNumber } from "../../../src/vfs/attributes.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { ExtentModel, fileBytes, type Operation } from "./extent-model.ts";

const at = fc.nat(fileBytes - 1);
const length = fc.integer({ min: 1, max: 20 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("write"), at, length, stable: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("resize"), size: fc.nat(fileBytes) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom("commit", "freeze", "export", "evict") }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("fetch"), at, length }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("powerCut"), seed: fc.nat() }) },
);

describe("the extents of a file", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let db: VolumeDatabase;
  let extents: ExtentMap;
  let inode = 1 as InodeNumber;
  beforeEach(() => {
    folder = temporaryFolder();
    db = new VolumeDatabase(join(folder.path, "volume.db"), "boot");
    extents = new ExtentMap(db);
  });
  afterEach(async () => {
    await db.close();
    folder[Symbol.dispose]();
  });

  function runAll(operations: readonly Operation[], base: readonly number[]): void {
    inode = (inode + 1) as InodeNumber;
    const model = new ExtentModel(extents, inode, base);
    for (const one of operations) {
      db.transaction(() => model.run(one));
      model.check();
    }
    db.transaction(() => model.run({ kind: "powerCut", seed: 99 }));
    db.transaction(() => extents.dropAll(inode));
  }

  it("keep zeros that came after the frozen moment, when what replaced them is lost", () => {
    const zeroed: [number, number][] = [];
    db.transaction(() => {
      extents.write(inode, 0, 10, 1, true);
      extents.freeze(inode, 10);
      extents.addHole(inode, 10, 20);
      extents.write(inode, 10, 15, 2, false);
      extents.markExported(inode, 1, 10);
      extents.recover(inode, 10, (start, end) => zeroed.push([start, end]));
    });
    assert.deepEqual(zeroed, []);
    const [hole] = extents.segments(inode, 10, 20);
    assert.deepEqual([hole?.kind, hole?.end], ["hole", 20]);
  });

  it("show every byte as it was written, and after a power cut none that was not", () => {
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 30 }),
        fc.array(fc.integer({ min: 201, max: 220 }), { maxLength: 30 }),
        runAll,
      ),
      { numRuns: 400 },
    );
  });

  it("keep what is stable under a write that is lost", () => {
    runAll(
      [
        { kind: "write", at: 0, length: 10, stable: true },
        { kind: "freeze" },
        { kind: "write", at: 3, length: 4, stable: false },
        { kind: "write", at: 0, length: 5, stable: false },
        { kind: "powerCut", seed: 7 },
        { kind: "write", at: 0, length: 1, stable: false },
      ],
      [],
    );
  });

  it("join equal neighbours, so that a file written in order is one range", () => {
    db.transaction(() => {
      for (let block = 0; block < 100; block++) {
        extents.write(inode, block * 10, block * 10 + 10, 1, true);
      }
    });
    assert.equal(extents.segments(inode, 0, 1000).length, 1);
    assert.equal(extents.hasDirty(inode), true);
  });

  it("report the gaps of a range, cut to it", () => {
    db.transaction(() => {
      extents.write(inode, 10, 20, 1, true);
      extents.addHole(inode, 30, 40);
    });
    const shape = extents
      .segments(inode, 15, 50)
      .map(({ kind, start, end }) => `${kind} ${start}-${end}`);
    assert.deepEqual(shape, ["dirty 15-20", "absent 20-30", "hole 30-40", "absent 40-50"]);
    assert.equal(extents.holeBytes(inode, 35), 5);
  });

  it("say that a frozen file is on the disk only when its own cache file was synced", () => {
    db.transaction(() => {
      extents.write(inode, 0, 10, 1, false);
      extents.freeze(inode, 10);
      extents.write(inode, 0, 10, 3, false);
      const epoch = extents.endEpoch();
      assert.deepEqual(extents.unsyncedGenerations(inode), [3]);
      extents.markSynced(inode, epoch, [3]);
    });
    const [frozen] = extents.segments(inode, 0, 10, "frozen");
    assert.ok(frozen !== undefined && frozen.kind === "dirty" && frozen.lastEpoch > 0);
    assert.deepEqual(extents.unsyncedGenerations(inode), []);
    assert.deepEqual([...extents.usedGenerations(inode)].sort(), [1, 3]);
  });

  it("count clean bytes by cache file, and give them up by cache file", () => {
    db.transaction(() => {
      extents.addClean(inode, 0, 100, 2);
      extents.addClean(inode, 50, 150, 4);
      extents.write(inode, 140, 150, 1, true);
    });
    assert.deepEqual(extents.cleanFiles(), [
      { inode, generation: 2, bytes: 100 },
      { inode, generation: 4, bytes: 40 },
    ]);
    db.transaction(() => extents.dropClean(inode, 2));
    assert.equal(extents.cleanBytes(), 40);
  });
});
