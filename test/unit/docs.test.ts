import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parameterRows } from "../../src/csi/parameters.ts";
import { abilities } from "../../src/probe/abilities.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/parameters.md"), "utf8");
const firstCells = page
  .split("\n")
  .flatMap((line) => (line.startsWith("| `") ? [line.split("|")[1] ?? ""] : []));
const documented = firstCells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, n]) => n));

describe("the page of the stores", () => {
  it("says of each ability what is done without it", () => {
    const stores = readFileSync(join(import.meta.dirname, "../../docs/stores.md"), "utf8");
    const rows = Object.values(abilities).map(
      ({ label, degraded }) => `| ${label} | ${degraded} |`,
    );
    const missing = rows.filter((row) => !stores.includes(row));
    assert.deepEqual(missing, []);
  });
});

describe("the parameter page", () => {
  it("has a row for each known parameter and for no other", () => {
    assert.deepEqual(documented.toSorted(), Object.keys(parameterRows).toSorted());
  });
});
