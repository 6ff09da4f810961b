import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { batches, type Scenario, scenarios } from "../../e2e/cluster/scenarios.ts";

const project = join(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(project, path), "utf8");

describe("the cluster's scenarios", () => {
  it("have names of their own, which namespaces and buckets can have", () => {
    const names = scenarios.map(({ name }) => name);
    assert.deepEqual(names, [...new Set(names)]);
    for (const name of names) assert.match(name, /^[a-z][a-z-]{1,30}$/);
  });

  it("are the same for the local cluster and for kind, and those of the short run exist", () => {
    assert.match(read("test/e2e/kind.sh"), /cluster\/scenarios\.test\.ts/);
    const stages = read("scripts/run-tests.sh");
    assert.match(stages, /test\/e2e\/cluster\/\*\.test\.ts/);
    const [, part = ""] = /cluster_tests 1 (\S+)/.exec(stages) ?? [];
    for (const name of part.split(","))
      assert.ok(
        scenarios.some((one) => one.name === name),
        name,
      );
  });

  it("share the cluster only with those that disturb nobody, in their order", () => {
    const scenario = (name: string, isAlone: boolean): Scenario => ({
      ...{ name, title: name, isAlone },
      run: () => Promise.resolve(),
    });
    const wanted = [..."abcd"].map((name) => scenario(name, false));
    wanted.splice(1, 0, scenario("X", true));
    const found = batches(wanted).map((batch) => batch.map(({ name }) => name).join(""));
    assert.deepEqual(found, ["a", "X", "bcd"]);
  });
});
