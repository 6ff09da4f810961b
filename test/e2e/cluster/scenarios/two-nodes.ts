import assert from "node:assert/strict";
import type { Scenario } from "../scenarios.ts";
import type { Space } from "../space.ts";
import { eager } from "./first-volume.ts";
import { assertNothingLost, assertWritten, readWriterLog, writer } from "./writers.ts";

async function sharedByNodes(space: Space): Promise<void> {
  const [one = "", two = ""] = space.target.nodes;
  await space.claim("data", await space.storageClass(eager), "ReadWriteMany");
  await space.pod("one", { claim: "data", node: one });
  await space.ready("one");
  await space.pod("two", { claim: "data", node: two });
  await space.ready("two");
  await space.described("pod/two", /SharedAcrossNodes/);
  // Close to open: what is closed on one node is there for whoever opens it on the other.
  await space.exec("one", "echo first > file");
  assert.equal(await space.exec("two", "cat file"), "first\n");
  await space.exec("two", "echo second >> file");
  assert.equal(await space.exec("one", "cat file"), "first\nsecond\n");
  await space.exec("one", "mkdir folder && echo deep > folder/deep && rm file");
  await space.until("a folder of the other node", async () =>
    (await space.exec("two", "cat folder/deep")).includes("deep"),
  );
  await space.until(
    "the end of a file of the other node",
    async () => !(await space.exec("two", "ls")).includes("file"),
  );
  await assertNothingLost(space, "one");
  await assertNothingLost(space, "two");
}

const rounds = Number(process.env["S3FILES_MOVES"] ?? "2");

/** Name of the pod of the application; undefined while there is none that is not ending. */
async function podOf(
  space: Space,
  app: string,
): Promise<{ name: string; node: string } | undefined> {
  const list = JSON.parse(
    await space.kubectl(["get", "pods", `--selector=app=${app}`, "--output=json"]),
  ) as {
    readonly items: readonly {
      readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
      readonly spec: { readonly nodeName?: string };
      readonly status: {
        readonly conditions?: readonly { readonly type: string; readonly status: string }[];
      };
    }[];
  };
  const pod = list.items.find(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined &&
      status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"),
  );
  const node = pod?.spec.nodeName;
  return pod === undefined || node === undefined ? undefined : { name: pod.metadata.name, node };
}

/** A Deployment or StatefulSet of one writer. */
async function application(space: Space, kind: "Deployment" | "StatefulSet", app: string) {
  await space.apply({
    apiVersion: "apps/v1",
    kind,
    metadata: { name: app },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app } },
      ...(kind === "Deployment" ? { strategy: { type: "Recreate" } } : { serviceName: app }),
      template: {
        metadata: { labels: { app } },
        spec: {
          terminationGracePeriodSeconds: 5,
          containers: [
            {
              name: "main",
              image: space.target.shellImage,
              imagePullPolicy: "IfNotPresent",
              command: ["sh", "-c", writer],
              volumeMounts: [{ name: "data", mountPath: "/data" }],
            },
          ],
          volumes: [{ name: "data", persistentVolumeClaim: { claimName: app } }],
        },
      },
    },
  });
}

/** Writers are moved to and fro between the nodes, by deletion and by a drain in turn. */
async function moved(space: Space): Promise<void> {
  const { target } = space;
  // Nothing is exported but by the move itself.
  const storageClass = await space.storageClass({ writeBackDelay: "10m" });
  const apps = ["deployed", "stateful"];
  for (const [i, app] of apps.entries()) {
    await space.claim(app, storageClass);
    await application(space, i === 0 ? "Deployment" : "StatefulSet", app);
  }
  const running = async () => {
    let found: { name: string; node: string }[] = [];
    await space.until(
      "running writers",
      async () => {
        const pods = await Promise.all(apps.map((app) => podOf(space, app)));
        found = pods.filter((pod) => pod !== undefined);
        return found.length === apps.length;
      },
      300_000,
    );
    return found;
  };
  try {
    for (let round = 0; round < rounds; round++) {
      const before = await running();
      const node = before[0]?.node ?? "";
      // Whatever a pod says until its end counts.
      const logs = before.map(({ name }) =>
        space.kubectl(["logs", "--follow", name], { timeoutMs: 600_000 }),
      );
      await space.until("some writing", async () => {
        const said = await Promise.all(before.map(({ name }) => space.kubectl(["logs", name])));
        return said.every((text) => text.split("\n").length > 10);
      });
      const began = performance.now();
      await target.kubectl(["cordon", node]);
      if (round % 2 === 0) {
        await space.kubectl(["delete", "pods", "--all", "--timeout=100s"]);
      } else {
        await target.kubectl(
          [
            "drain",
            node,
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            "--force",
            "--timeout=300s",
          ],
          { timeoutMs: 320_000 },
        );
      }
      const after = await running();
      space.note(`moved in ${((performance.now() - began) / 1000).toFixed(1)} s`);
      for (const [i, { name, node: now }] of after.entries()) {
        assert.notEqual(now, node, `${name} has not moved`);
        const { last } = readWriterLog(before[i]?.name ?? "", (await logs[i]) ?? "");
        assert.ok(last > 0);
        await assertWritten(space, name, last);
        await assertNothingLost(space, name);
      }
      await target.kubectl(["uncordon", node]);
    }
  } finally {
    for (const node of target.nodes) await target.kubectl(["uncordon", node]);
    for (const app of apps) {
      await space.kubectl(["delete", "deployment,statefulset", app, "--ignore-not-found"]);
    }
  }
}

/** What two nodes make of one volume. */
export const twoNodes: readonly Scenario[] = [
  {
    name: "two-nodes",
    title: "pods on two nodes see what the other has closed, and are told that they share a volume",
    nodes: 2,
    run: sharedByNodes,
  },
  {
    name: "moved",
    isAlone: true,
    title:
      "a pod finds on another node every byte that it had synced, after a deletion and a drain",
    nodes: 2,
    run: moved,
  },
];
