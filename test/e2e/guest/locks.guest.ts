import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { holdLock, probe, scratchDirectory } from "../../support/mounted.ts";

describe("locks between two processes", () => {
  let scratch: ReturnType<typeof scratchDirectory>;
  let file: string;
  beforeEach(() => {
    scratch = scratchDirectory();
    file = join(scratch.path, "file");
    writeFileSync(file, "x".repeat(1_000));
  });
  afterEach(() => scratch[Symbol.dispose]());

  for (const kind of ["flock", "fcntl"] as const) {
    it(`keeps a second exclusive ${kind} out until the first is given up`, async () => {
      const holder = holdLock(kind, "ex", file);
      await holder.locked;
      assert.equal(probe("try", kind, "ex", file), "busy");
      assert.equal(probe("try", kind, "sh", file), "busy");
      await holder.release();
      assert.equal(probe("try", kind, "ex", file), "locked");
    });

    it(`lets shared ${kind} locks in together and an exclusive one not`, async () => {
      const holder = holdLock(kind, "sh", file);
      await holder.locked;
      assert.equal(probe("try", kind, "sh", file), "locked");
      assert.equal(probe("try", kind, "ex", file), "busy");
      await holder.release();
    });

    it(`gives a waiting ${kind} the lock once the holder ends`, async () => {
      const first = holdLock(kind, "ex", file);
      await first.locked;
      const second = holdLock(kind, "ex", file);
      assert.equal(probe("try", kind, "ex", file), "busy");
      assert.equal(second.isLocked(), false);
      await first.release();
      await second.locked;
      await second.release();
    });
  }

  it("locks ranges with fcntl apart from each other", async () => {
    const holder = holdLock("fcntl", "ex", file, 100, 50);
    await holder.locked;
    assert.equal(probe("try", "fcntl", "ex", file, 0, 100), "locked");
    assert.equal(probe("try", "fcntl", "ex", file, 150, 10), "locked");
    assert.equal(probe("try", "fcntl", "ex", file, 149, 1), "busy");
    assert.equal(probe("try", "fcntl", "sh", file, 0, 101), "busy");
    await holder.release();
  });

  it("locks with fcntl to the end of the file and beyond", async () => {
    const holder = holdLock("fcntl", "ex", file, 500, 0);
    await holder.locked;
    assert.equal(probe("try", "fcntl", "ex", file, 1_000_000_000_000, 1), "busy");
    assert.equal(probe("try", "fcntl", "ex", file, 0, 500), "locked");
    await holder.release();
  });
});
