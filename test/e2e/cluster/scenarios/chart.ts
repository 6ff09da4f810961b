import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Scenario } from "../scenarios.ts";
import type { Space } from "../space.ts";
import { eager } from "./first-volume.ts";

const deploy = join(import.meta.dirname, "../../../../deploy/s3files-csi-driver.yaml");

async function accepted(space: Space): Promise<void> {
  const { kubectl } = space.target;
  const input = readFileSync(deploy, "utf8");
  const said = await kubectl(["apply", "--dry-run=server", "--filename=-"], { input });
  const kinds = said.trim().split("\n");
  assert.ok(kinds.length > 10, said);
  for (const line of kinds) assert.match(line, /\(server dry run\)$/);
}

/** `helm uninstall` is refused, is forced, and a new release takes up the mounts of the old one. */
async function uninstalled(space: Space): Promise<void> {
  const { laboratory, driverNamespace, kubectl } = space.target;
  assert.ok(laboratory !== undefined);
  await space.claim("data", await space.storageClass(eager));
  await space.pod("user", { claim: "data" });
  await space.ready("user");
  await space.exec("user", "echo before > file && sync file");
  const uninstall = ["uninstall", "s3files", "--namespace", driverNamespace, "--wait"];
  await assert.rejects(laboratory.helm(uninstall), (error: Error) => {
    assert.match(error.message, /pre-delete|hook/);
    return true;
  });
  const hook = await kubectl([
    ...[`--namespace=${driverNamespace}`, "logs", "--tail=20"],
    "--selector=app.kubernetes.io/component=uninstall",
  ]);
  assert.match(hook, /Uninstall refused/);
  assert.match(hook, new RegExp(`${space.name}/user on node .*: claim data`));
  // Nothing has been taken away.
  await space.exec("user", "echo still >> file && sync file");
  await laboratory.helm([...uninstall, "--no-hooks"]);
  try {
    await space.until("the end of the driver's pods", async () => {
      const left = await kubectl([
        `--namespace=${driverNamespace}`,
        "get",
        "pods",
        "--output=name",
      ]);
      return !/-(mounter|node)-/.test(left);
    });
  } finally {
    await laboratory.installDriver();
  }
  await space.exec("user", "cat file && echo after >> file && sync file", 120_000);
  assert.equal(await space.exec("user", "cat file"), "before\nstill\nafter\n");
}

/** The chart on a real API server. */
export const chart: readonly Scenario[] = [
  {
    name: "dry-run",
    title: "the API server accepts all that the chart renders",
    run: accepted,
  },
  {
    name: "uninstall",
    isAlone: true,
    title:
      "helm uninstall is refused while a pod uses a volume, and after a forced one an install revives the mounts",
    needsLaboratory: true,
    run: uninstalled,
  },
];
