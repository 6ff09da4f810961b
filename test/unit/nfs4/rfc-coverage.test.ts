import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { operations } from "../../../src/nfs4/operations.ts";
import { unsupported } from "../../../src/nfs4/ops/unsupported.ts";
import { nfs_opnum4 } from "../../../src/nfs4/wire/operation.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/rfc-coverage.md"), "utf8");

describe("docs/rfc-coverage.md", () => {
  it("says of every operation of the RFCs whether the server does it", () => {
    const told = [...page.matchAll(/^\| ([A-Z_]+) \| (\d+) \| RFC [^|]+ \| (yes|no) \|/gm)].map(
      ([, name, number, done]) => [`OP_${name}`, Number(number), done],
    );
    const refused = new Set(unsupported);
    const known = operations
      .map((row) => [row.name, row.opnum, refused.has(row) ? "no" : "yes"] as const)
      .sort(([, one], [, two]) => one - two);
    assert.deepEqual(told, known);
  });

  it("leaves no operation of the RFCs out of the server's table", () => {
    const names = operations.map(({ name }) => name);
    assert.deepEqual(
      [...names, "OP_ILLEGAL"].sort((one, two) => (one < two ? -1 : 1)),
      [...nfs_opnum4.names].sort((one, two) => (one < two ? -1 : 1)),
    );
  });
});
