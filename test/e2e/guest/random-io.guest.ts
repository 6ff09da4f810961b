import assert from "node:assert/strict";
import { join } from "node:path";
import { run, scratchDirectory } from "../../support/mounted.ts";

const program = join(import.meta.dirname, "../../../build/bin/random-io");
const { S3FILES_RANDOM_IO: operations = "1000", S3FILES_SEED } = process.env;

describe("random reads and writes, through calls and shared maps", function () {
  this.timeout(3_600_000);

  // A title each: the results of a guest are told apart by them.
  for (const [title, seed] of [
    ["with one seed", "1"],
    ["with a fresh seed", S3FILES_SEED ?? String(Date.now() % 1_000_000)],
  ] as const) {
    it(`find what was written, as a copy in memory has it, ${title}`, () => {
      using scratch = scratchDirectory();
      const done = run(program, join(scratch.path, "file"), seed, operations);
      assert.equal(done.trim(), operations, `seed ${seed}`);
    });
  }
});
