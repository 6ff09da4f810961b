import assert from "node:assert/strict";
import { indiscretions } from "./indiscretions.ts";
import { kindTarget } from "./kind-target.ts";
import { leftoversOn } from "./leftovers.ts";
import { localTarget } from "./local-target.ts";
import { batches, type Scenario, scenarios } from "./scenarios.ts";
import { Space } from "./space.ts";
import type { Target } from "./target.ts";

// Without the first two: the cluster that main.ts keeps. The third names scenarios, without it all are run.
const {
  S3FILES_CLUSTER_KUBECONFIG: kubeconfig,
  S3FILES_CLUSTER_NAMESPACE: namespace = "s3files",
  S3FILES_SCENARIOS: names = "",
} = process.env;

describe("on a Kubernetes cluster", function () {
  this.timeout(900_000);
  let target: Target;
  before(async () => {
    target =
      kubeconfig === undefined ? await localTarget() : await kindTarget(kubeconfig, namespace);
  });
  after(async () => {
    await target[Symbol.asyncDispose]();
  });

  const play = async ({ name, run, nodes = 1 }: Scenario): Promise<readonly string[]> => {
    assert.ok(target.nodes.length >= nodes, `the cluster has fewer than ${nodes} nodes`);
    const space = await Space.make(target, `e2e-${name}`);
    try {
      await run(space);
    } catch (cause) {
      const diagnosis = await space.diagnosis();
      await space.end().catch(() => undefined);
      throw new Error(`${String(cause)}\n${diagnosis}`, { cause });
    }
    await space.end();
    return space.notes;
  };

  const checkAfterwards = async (since: Date): Promise<void> => {
    let left: string[] = [];
    const end = performance.now() + 90_000;
    do left = await leftoversOn(target);
    while (left.length > 0 && performance.now() < end);
    assert.deepEqual(left, [], "left over");
    assert.deepEqual(await indiscretions(target, since), []);
  };

  const wanted = names === "" ? undefined : names.split(",");
  for (const name of wanted ?? []) {
    if (!scenarios.some((one) => one.name === name)) throw new Error(`No scenario ${name}`);
  }
  for (const batch of batches(
    scenarios.filter(
      // Where a laboratory is missing, its scenarios are not there, rather than skipped.
      ({ name, needsLaboratory = false }) =>
        (wanted?.includes(name) ?? true) && !(needsLaboratory && kubeconfig !== undefined),
    ),
  )) {
    let since = new Date();
    let played: readonly Promise<readonly string[]>[] | undefined;
    const start = () => {
      since = new Date();
      const begun = batch.map((scenario) => play(scenario));
      // Each failure is its own test's.
      for (const one of begun) one.catch(() => undefined);
      return begun;
    };
    for (const [position, { title, name }] of batch.entries()) {
      it(`${title} (${name})`, async () => {
        played ??= start();
        const notes = (await played[position]) ?? [];
        for (const note of notes) process.stdout.write(`      ${note}\n`);
      });
    }
    it(`nothing stays on nodes, and no secret is told (${batch.map(({ name }) => name).join(", ")})`, async () => {
      await Promise.allSettled(played ?? []);
      await checkAfterwards(since);
    });
  }
});
