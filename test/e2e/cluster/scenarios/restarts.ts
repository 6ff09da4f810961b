import assert from "node:assert/strict";
import { setTimeout as after } from "node:timers/promises";
import { volumeDigest } from "../../../../src/supervisor/volume-paths.ts";
import type { Scenario } from "../scenarios.ts";
import type { Space } from "../space.ts";
import { eager } from "./first-volume.ts";
import { undisturbed } from "./writers.ts";

/** Deletes the pod of a component of the driver on the first node and waits for the next one. */
async function replacePod(space: Space, component: "node" | "mounter"): Promise<void> {
  const { target } = space;
  const driver = `--namespace=${target.driverNamespace}`;
  const selector = [
    `--selector=app.kubernetes.io/component=${component}`,
    `--field-selector=spec.nodeName=${target.nodes[0]}`,
  ];
  const names = async () =>
    (await target.kubectl([driver, "get", "pods", ...selector, "--output=name"]))
      .trim()
      .split("\n");
  const [old = ""] = await names();
  await target.kubectl([driver, "delete", old, "--timeout=110s"]);
  await space.until(`another ${component} pod`, async () => !(await names()).includes(old));
  await target.kubectl([
    ...[driver, "wait", "pod", ...selector, "--for=condition=Ready", "--timeout=100s"],
  ]);
}

/** Kills what runs on the first node with these words in its command line. */
async function killOnNode(space: Space, words: string): Promise<void> {
  const { target } = space;
  const script = `pids=$(pgrep -f '${words}') && kill -KILL $pids && echo killed $pids`;
  const { code, output } = await target.onNode(target.nodes[0] ?? "", script);
  assert.equal(code, 0, `nothing with '${words}' runs: ${output}`);
}

async function restartKubelet(space: Space): Promise<void> {
  const { target } = space;
  const node = target.nodes[0] ?? "";
  const { code, output } = await target.onNode(node, "systemctl restart kubelet");
  assert.equal(code, 0, output);
  await after(2000);
  await target.kubectl(["wait", `node/${node}`, "--for=condition=Ready", "--timeout=100s"]);
}

/** Drives the server of the first writer over its memory limit: the kernel kills it, and nobody else. */
async function overMemory(space: Space): Promise<void> {
  const { target } = space;
  const node = target.nodes[0] ?? "";
  const { handle } = await space.bound("writer-1");
  const server = "s3files.* serve ";
  const script = `
pids() { pgrep -f '${server}' | sort | tr '\\n' ' '; }
before=$(pids)
one=$(pgrep -f '${server}.*${volumeDigest(handle)}')
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$one/cgroup)
echo "server $one in $group: $(cat "$group/memory.max" "$group/memory.swap.max" "$group/memory.oom.group" 2>&1 | tr '\\n' ' ')"
echo 8M > "$group/memory.max"
for _ in $(seq 100); do kill -0 $one 2>/dev/null || break; sleep 0.1; done
kill -0 $one 2>/dev/null && { echo "still there"; exit 1; }
for pid in $before; do
  [ $pid = $one ] || kill -0 $pid || { echo "$pid is gone too"; exit 1; }
done
`;
  const { code, output } = await target.onNode(node, script);
  assert.equal(code, 0, output);
  await space.until("word of the kill", async () => {
    const said = await target.kubectl([
      `--namespace=${target.driverNamespace}`,
      ...["exec", await driverPod(space, "mounter"), "--", "s3files", "status"],
    ]);
    return said.includes("needed more memory than memoryLimit");
  });
}

/** The pod of a component on the first node. */
async function driverPod(space: Space, component: "node" | "mounter"): Promise<string> {
  const { target } = space;
  const name = await target.kubectl([
    ...[`--namespace=${target.driverNamespace}`, "get", "pods", "--output=name"],
    `--selector=app.kubernetes.io/component=${component}`,
    `--field-selector=spec.nodeName=${target.nodes[0]}`,
  ]);
  return name.trim();
}

/** Rolls mounter and node plugin to another version, and back. */
async function roll(space: Space): Promise<void> {
  const { target } = space;
  const driver = `--namespace=${target.driverNamespace}`;
  const image = (await target.laboratory?.otherVersion()) ?? "";
  for (const component of ["mounter", "node"]) {
    const set = (
      await target.kubectl([
        ...[driver, "get", "daemonsets", "--output=name"],
        `--selector=app.kubernetes.io/component=${component}`,
      ])
    ).trim();
    const wait = async () => {
      await target.kubectl([driver, "rollout", "status", set, "--timeout=200s"], {
        timeoutMs: 220_000,
      });
    };
    await target.kubectl([driver, "set", "image", set, `s3files=${image}`]);
    await wait();
    await target.kubectl([driver, "rollout", "undo", set]);
    await wait();
  }
}

/** Kills the provisioner that leads, and the controller beside it; the other replica makes the next volume. */
async function killLeader(space: Space): Promise<void> {
  const { target } = space;
  const driver = `--namespace=${target.driverNamespace}`;
  const leader = async () =>
    await target.kubectl([
      ...[driver, "get", "leases", "--output=jsonpath={.items[*].spec.holderIdentity}"],
    ]);
  const before = await leader();
  assert.notEqual(before, "", "nobody leads");
  await target.kubectl([driver, "delete", `pod/${before}`, "--grace-period=0", "--force"]);
  await space.claim("after", await space.storageClass(eager));
  await space.bound("after");
  assert.notEqual(await leader(), before);
}

/** What may be ended under a writing pod. */
export const restarts: readonly Scenario[] = [
  {
    name: "node-pod",
    isAlone: true,
    title: "a pod writes on while the node plugin is replaced",
    run: (space) => undisturbed(space, (at) => replacePod(at, "node")),
  },
  {
    name: "server",
    isAlone: true,
    title: "a pod writes on when its volume's server is killed",
    run: (space) => undisturbed(space, (at) => killOnNode(at, "s3files.* serve ")),
  },
  {
    name: "supervisor",
    isAlone: true,
    title: "a pod writes on when the supervisor is killed",
    run: (space) => undisturbed(space, (at) => killOnNode(at, "^[^ ]*node .*s3files supervisor")),
  },
  {
    name: "mounter-pod",
    isAlone: true,
    title: "pods write on while the mounter is replaced",
    run: (space) => undisturbed(space, (at) => replacePod(at, "mounter"), { writers: 3 }),
  },
  {
    name: "kubelet",
    isAlone: true,
    title: "a pod writes on while kubelet is restarted",
    run: (space) => undisturbed(space, restartKubelet),
  },
  {
    name: "memory",
    isAlone: true,
    title: "a server over its memory limit dies alone, and all pods write on",
    run: (space) => undisturbed(space, overMemory, { writers: 4 }),
  },
  {
    name: "rolled",
    isAlone: true,
    title: "pods write on while mounter and node plugin are rolled to another version and back",
    needsLaboratory: true,
    run: (space) => undisturbed(space, roll, { writers: 2 }),
  },
  {
    name: "leader",
    isAlone: true,
    title: "a pod writes on and volumes are made when the leading controller is killed",
    run: (space) => undisturbed(space, killLeader),
  },
];
