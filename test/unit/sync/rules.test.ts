import assert from "node:assert/strict";
import fc from "fast-check";
import type { ETag, ObjectKey } from "../../../src/s3/object-store.ts";
import { listedName } from "../../../src/sync/listed-name.ts";
import { isSameVersion } from "../../../src/sync/object-version.ts";
import { decodePosix, encodePosix } from "../../../src/sync/posix-metadata.ts";
import { Semaphore } from "../../../src/sync/semaphore.ts";
import { TouchedKeys } from "../../../src/sync/touched-keys.ts";
import { planParts, type SourceRun } from "../../../src/sync/upload-plan.ts";

describe("planParts", () => {
  const limits = { minPartBytes: 5, partBytes: 8, maxPartBytes: 50, maxParts: 10_000 };
  const runsOf = (lengths: readonly (readonly [number, boolean])[]): SourceRun[] => {
    let at = 0;
    return lengths.map(([length, isBase]) => {
      const run = { start: at, end: at + length, isBase };
      at += length;
      return run;
    });
  };

  it("covers the object in order, with parts that S3 takes, and copies only what the base has", () => {
    const run = fc.tuple(fc.integer({ min: 1, max: 120 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(run, { minLength: 1, maxLength: 30 }), (lengths) => {
        const runs = runsOf(lengths);
        const size = runs.at(-1)?.end ?? 0;
        const parts = planParts(size, runs, limits);
        let at = 0;
        for (const [index, part] of parts.entries()) {
          assert.equal(part.start, at);
          const length = part.end - part.start;
          assert.ok(index === parts.length - 1 || length >= limits.minPartBytes);
          assert.ok(length > 0 && length <= (part.isCopy ? 50 : 16));
          if (part.isCopy) {
            const sent = runs.filter((r) => !r.isBase && r.start < part.end && r.end > part.start);
            assert.deepEqual(sent, []);
          }
          at = part.end;
        }
        assert.equal(at, size);
      }),
    );
  });

  it("sends 5 MiB for an edit of 4 KiB in 10 GiB, in three requests", () => {
    const mebi = 2 ** 20;
    const edit = 5000 * mebi + 4096;
    const parts = planParts(
      10_240 * mebi,
      [
        { start: 0, end: edit, isBase: true },
        { start: edit, end: edit + 4096, isBase: false },
        { start: edit + 4096, end: 10_240 * mebi, isBase: true },
      ],
      { minPartBytes: 5 * mebi, partBytes: 8 * mebi, maxPartBytes: 5120 * mebi, maxParts: 10_000 },
    );
    assert.deepEqual(
      parts.map(({ isCopy }) => isCopy),
      [true, false, true, true],
    );
    assert.ok(
      parts.filter(({ isCopy }) => !isCopy).every(({ start, end }) => end - start <= 8 * mebi),
    );
  });

  const mebi = 2 ** 20;
  const gibi = 2 ** 30;
  const tebi = 2 ** 40;
  const aws = {
    ...{ minPartBytes: 5 * mebi, partBytes: 8 * mebi, maxPartBytes: 5 * gibi, maxParts: 10_000 },
  };

  it("makes parts of 5 MiB to 5 GiB, at most 10,000, of any object to 48 TiB, however it was edited", () => {
    const size = fc.oneof(
      fc.integer({ min: 1, max: 48 * tebi }),
      fc.constantFrom(5 * mebi, 25 * tebi, 26 * tebi, 48 * tebi - 1, 48 * tebi),
    );
    const edit = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      length: fc.constantFrom(1, 4096, mebi, 5 * mebi, 7 * gibi),
    });
    const edits = fc.array(edit, { maxLength: 40 });
    fc.assert(
      fc.property(size, edits, fc.boolean(), (sizeBytes, changes, hasBase) => {
        const points = changes
          .map(({ at, length }) => {
            const start = Math.floor(at * (sizeBytes - 1));
            return { start, end: Math.min(sizeBytes, start + length) };
          })
          .sort((a, b) => a.start - b.start);
        const runs: SourceRun[] = [];
        let end = 0;
        let edited = 0;
        for (const point of points) {
          if (point.start > end) runs.push({ start: end, end: point.start, isBase: hasBase });
          const from = Math.max(end, point.start);
          if (point.end > from) {
            runs.push({ start: from, end: point.end, isBase: false });
            edited += point.end - from;
          }
          end = Math.max(end, point.end);
        }
        if (end < sizeBytes) runs.push({ start: end, end: sizeBytes, isBase: hasBase });
        const parts = planParts(sizeBytes, runs, aws);
        assert.ok(parts.length <= aws.maxParts, `${parts.length} parts`);
        let at = 0;
        let sent = 0;
        for (const [index, part] of parts.entries()) {
          assert.equal(part.start, at);
          const length = part.end - part.start;
          assert.ok(length <= aws.maxPartBytes, `a part of ${length}`);
          assert.ok(length >= (index === parts.length - 1 ? 1 : aws.minPartBytes));
          if (part.isCopy) {
            assert.ok(runs.every((r) => r.isBase || r.start >= part.end || r.end <= part.start));
          } else sent += length;
          at = part.end;
        }
        assert.equal(at, sizeBytes);
        // At most a smallest part on each side of an edit, and what is too short between two.
        const isFew = points.length < 40 && sizeBytes <= 47 * tebi;
        if (hasBase && isFew) assert.ok(sent <= edited + (points.length + 1) * 15 * mebi);
      }),
      { numRuns: 100 },
    );
  });

  it("refuses an object that no parts of S3's make", () => {
    const size = 10_000 * 5 * gibi + 1;
    const runs = [{ start: 0, end: size, isBase: false }];
    assert.throws(() => planParts(size, runs, aws), RangeError);
  });

  it("keeps to the number of parts with more edits than there may be parts", () => {
    const runs = runsOf(Array.from({ length: 30_000 }, (_, index) => [gibi, index % 2 === 0]));
    const parts = planParts(30_000 * gibi, runs, aws);
    assert.ok(parts.length <= aws.maxParts);
    assert.ok(parts.every(({ start, end }) => end - start <= aws.maxPartBytes));
  });
});

describe("POSIX metadata", () => {
  it("is read as it was written", () => {
    const time = fc.record({
      seconds: fc.integer({ min: -(2 ** 31), max: 2 ** 33 }),
      nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
    });
    const attributes = fc.record({
      type: fc.constantFrom(
        "file",
        "directory",
        "symlink",
        "fifo",
        "socket",
        "blockDevice",
        "characterDevice",
      ),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
      gid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
      modifyTime: time,
      accessTime: time,
    });
    fc.assert(
      fc.property(attributes, (want) => {
        const plain = JSON.parse(JSON.stringify(want));
        assert.deepEqual(decodePosix(encodePosix(want)), plain);
      }),
    );
  });

  it("that is not well formed is left to the defaults", () => {
    const posix = decodePosix({
      "file-permissions": "rw-r--r--",
      "file-owner": "-1",
      "file-group": "4294967295",
      "file-mtime": "yesterday",
    });
    assert.deepEqual(Object.values(posix), Array(6).fill(undefined));
  });
});

describe("isSameVersion", () => {
  const seen = { etag: '"1"' as ETag, sizeBytes: 3, lastModifiedMs: 1_700_000_000_250 };
  const known = { ...seen, key: "k" as ObjectKey, versionId: undefined };
  it("takes any difference for a change, but not milliseconds that only one side knows", () => {
    assert.ok(isSameVersion(known, seen));
    assert.ok(isSameVersion(known, { ...seen, lastModifiedMs: 1_700_000_000_000 }));
    assert.ok(isSameVersion({ ...known, lastModifiedMs: 0 }, seen));
    assert.ok(!isSameVersion(known, { ...seen, lastModifiedMs: 1_700_000_001_000 }));
    assert.ok(!isSameVersion(known, { ...seen, etag: '"2"' as ETag }));
    assert.ok(!isSameVersion(known, { ...seen, sizeBytes: 4 }));
    assert.ok(!isSameVersion({ ...known, versionId: "a" }, { ...seen, versionId: "b" }));
  });
});

describe("listedName", () => {
  it("hides what no path can express", () => {
    for (const part of ["", ".", "..", "a\0b", "é".repeat(128), `.nfs${"0".repeat(24)}`]) {
      assert.equal(listedName(part, false).kind, "unmappable", part);
    }
    assert.equal(listedName("é".repeat(127), false).kind, "name");
    assert.equal(listedName(".s3files", true).kind, "reserved");
    assert.equal(listedName(".s3files", false).kind, "name");
    assert.equal(listedName(".s3files-lost+found-x", true).kind, "unmappable");
  });
});

describe("TouchedKeys", () => {
  it("remembers changes after a moment, for the key and the directories above, while a listing runs", () => {
    const touched = new TouchedKeys();
    touched.touch("before");
    const listing = touched.listing();
    const moment = touched.sequence;
    touched.touch("a/b/c");
    assert.deepEqual(
      ["a/b/c", "a/b/", "a/", "a/b", "before"].map((key) => touched.isAfter(key, moment)),
      [true, true, true, false, false],
    );
    assert.equal(touched.isAfter("a/b/c", touched.sequence), false);
    listing[Symbol.dispose]();
    assert.equal(touched.isAfter("a/b/c", moment), false);
  });
});

describe("Semaphore", () => {
  it("admits work within its limit, in order, and what is heavier alone", async () => {
    const semaphore = new Semaphore(10);
    const running: string[] = [];
    const ends = new Map<string, () => void>();
    const start = (name: string, weight: number): Promise<void> =>
      semaphore.run(weight, async () => {
        running.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
        running.splice(running.indexOf(name), 1);
      });
    const all = [start("a", 6), start("b", 20), start("c", 1)];
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    await turn();
    assert.deepEqual(running, ["a"]);
    ends.get("a")?.();
    await turn();
    assert.deepEqual(running, ["b"]);
    ends.get("b")?.();
    await turn();
    assert.deepEqual(running, ["c"]);
    ends.get("c")?.();
    await Promise.all(all);
  });
});
