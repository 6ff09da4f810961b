import assert from "node:assert/strict";
import { kindTarget } from "./kind-target.ts";
import { leftoversOn } from "./leftovers.ts";
import { localTarget } from "./local-target.ts";
import { scenarios } from "./scenarios.ts";
import { Space } from "./space.ts";
import type { Target } from "./target.ts";

describe("on a Kubernetes cluster", function () {
  this.timeout(400_000);
  let target: Target;
  before(async () => {
    // Without the variables: the cluster that main.ts keeps.
    const { S3FILES_CLUSTER_KUBECONFIG: kubeconfig, S3FILES_CLUSTER_NAMESPACE: namespace } =
      process.env;
    target =
      kubeconfig === undefined
        ? await localTarget()
        : await kindTarget(kubeconfig, namespace ?? "s3files");
  });
  after(async () => {
    await target[Symbol.asyncDispose]();
  });

  for (const { title, name, run } of scenarios) {
    it(`${title} (${name})`, async () => {
      const space = await Space.make(target, `e2e-${name}`);
      try {
        await run(space);
      } catch (cause) {
        const diagnosis = await space.diagnosis();
        await space.end().catch(() => undefined);
        throw new Error(`${String(cause)}\n${diagnosis}`, { cause });
      }
      for (const note of space.notes) process.stdout.write(`      ${note}\n`);
      await space.end();
      let left: string[] = [];
      await space
        .until("node without leftovers", async () => {
          left = await leftoversOn(target);
          return left.length === 0;
        })
        .catch(() => undefined);
      assert.deepEqual(left, [], "left over");
    });
  }
});
