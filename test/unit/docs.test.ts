import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parameterRows } from "../../src/csi/parameters.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/parameters.md"), "utf8");
const firstCells = page
  .split("\n")
  .flatMap((line) => (line.startsWith("| `") ? [line.split("|")[1] ?? ""] : []));
const documented = firstCells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, n]) => n));

describe("the parameter page", () => {
  it("has a row for each known parameter and for no other", () => {
    assert.deepEqual(documented.toSorted(), Object.keys(parameterRows).toSorted());
  });
});
