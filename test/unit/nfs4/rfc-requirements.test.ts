import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const root = join(import.meta.dirname, "../../..");
const table = join(root, "docs/rfc-requirements.tsv");
const run = (...args: readonly string[]) =>
  spawnSync(process.execPath, [join(root, "scripts/rfc-coverage.mjs"), ...args], {
    encoding: "utf8",
  });

describe("npm run rfc-coverage", () => {
  it("finds every requirement of the RFCs obeyed or not applicable, and every operation", () => {
    const { status, stderr, stdout } = run();
    assert.equal(stderr, "");
    assert.equal(status, 0);
    assert.match(stdout, /^all +obeyed \d{3}/m);
  });

  it("fails on each kind of gap", () => {
    using folder = temporaryFolder();
    const broken = join(folder.path, "broken.tsv");
    const rows = readFileSync(table, "utf8").split("\n");
    const place = "nfs4/ops/open.ts:open";
    const gaps = {
      "8881\t18.16\t1\tNothing": "is neither obeyed nor not applicable",
      "8881\t18.16\t2\tReason\t-whim": "has no reason '-whim'",
      "8881\t18.16\t3\tFile\tnfs4/ops/opened.ts:open": "which does not exist",
      "8881\t18.16\t4\tName\tnfs4/ops/open.ts:unsaid": "names unsaid, which is not in",
      [`8881\t18.32\t1\tSection\t${place}`]: "is not cited as RFC 8881 §18.32",
      [`8881\t18.16\t5\tTest\t${place}\tdoes what nobody tests`]: "names a test",
    };
    const kept = rows.filter((row) => !row.includes("\t0\tOP_COMMIT\t"));
    writeFileSync(broken, [...kept, ...Object.keys(gaps)].join("\n"));
    const { status, stderr } = run("--table", broken);
    assert.equal(status, 1);
    assert.match(stderr, /^OP_COMMIT is missing$/m);
    for (const gap of Object.values(gaps)) assert.ok(stderr.includes(gap), gap);
    assert.match(stderr, /^7 gaps$/m);
  });
});
