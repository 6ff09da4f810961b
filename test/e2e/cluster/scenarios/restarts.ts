import assert from "node:assert/strict";
import { setTimeout as after } from "node:timers/promises";
import type { Scenario } from "../scenarios.ts";
import type { Space } from "../space.ts";
import { eager } from "./first-volume.ts";

/** Appends a number and syncs it, again and again; says each number that is safe, and when, in hundredths of a second. */
const writer = `
i=0
while :; do
  i=$((i + 1))
  printf '%08d\\n' $i | dd of=/data/log oflag=append conv=notrunc,fsync bs=9 count=1 2>/tmp/said ||
    { echo "failed at $i: $(cat /tmp/said)"; exit 1; }
  read -r now rest </proc/uptime
  echo "$i $now"
done
`;

interface Acknowledged {
  readonly count: number;
  readonly longestMs: number;
}

async function acknowledged(space: Space, pod: string): Promise<Acknowledged> {
  const said = (await space.kubectl(["logs", pod])).trim().split("\n");
  const failed = said.find((line) => line.startsWith("failed"));
  if (failed !== undefined) throw new Error(`${pod}: ${failed}`);
  const times = said.filter((line) => line !== "").map((line) => Number(line.split(" ")[1]));
  const pauses = times.slice(1).map((time, i) => time - (times[i] ?? time));
  return { count: times.length, longestMs: Math.round(Math.max(0, ...pauses) * 1000) };
}

/**
 * Lets pods write with fsync while `disturb` runs and a while longer; none may see an error or start again, and every
 * number that one has called safe must be in its file.
 */
async function undisturbed(
  space: Space,
  disturb: (space: Space) => Promise<void>,
  writers = 1,
): Promise<void> {
  const { target } = space;
  const node = target.nodes[0] ?? "";
  const pods = Array.from({ length: writers }, (_, i) => `writer-${i + 1}`);
  const storageClass = await space.storageClass(eager);
  for (const pod of pods) {
    await space.claim(pod, storageClass);
    await space.pod(pod, { claim: pod, script: writer, node });
  }
  for (const pod of pods) await space.ready(pod, 180);
  const more = async (count: number) => {
    const start = await Promise.all(pods.map((pod) => acknowledged(space, pod)));
    for (const [i, pod] of pods.entries()) {
      const least = (start[i]?.count ?? 0) + count;
      await space.until(
        `progress of ${pod}`,
        async () => (await acknowledged(space, pod)).count >= least,
        120_000,
      );
    }
  };
  await more(10);
  await disturb(space);
  await more(30);
  const longest: number[] = [];
  for (const pod of pods) {
    const { count, longestMs } = await acknowledged(space, pod);
    longest.push(longestMs);
    const restarts = await space.field(`pod/${pod}`, "{.status.containerStatuses[0].restartCount}");
    assert.equal(restarts, "0", `${pod} has been started again`);
    const lines = (await space.exec(pod, `head -n ${count} log`)).trim().split("\n");
    const expected = Array.from({ length: count }, (_, i) => String(i + 1).padStart(8, "0"));
    assert.deepEqual(lines, expected);
  }
  space.note(`longest pause of an fsync: ${longest.map((ms) => `${ms} ms`).join(", ")}`);
}

/** Deletes the pod of a component of the driver on the first node and waits for the next one. */
async function replacePod(space: Space, component: "node" | "mounter"): Promise<void> {
  const { target } = space;
  const driver = `--namespace=${target.driverNamespace}`;
  const selector = `--selector=app.kubernetes.io/component=${component}`;
  const names = async () =>
    (await target.kubectl([driver, "get", "pods", selector, "--output=name"])).trim().split("\n");
  const [old = ""] = await names();
  await target.kubectl([driver, "delete", old, "--timeout=110s"]);
  await space.until(`another ${component} pod`, async () => !(await names()).includes(old));
  await target.kubectl([
    ...[driver, "wait", "pod", selector, "--for=condition=Ready", "--timeout=100s"],
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

/** What may be ended under a writing pod. */
export const restarts: readonly Scenario[] = [
  {
    name: "node-pod",
    title: "a pod writes on while the node plugin is replaced",
    run: (space) => undisturbed(space, (at) => replacePod(at, "node")),
  },
  {
    name: "server",
    title: "a pod writes on when its volume's server is killed",
    run: (space) => undisturbed(space, (at) => killOnNode(at, "s3files.* serve ")),
  },
  {
    name: "supervisor",
    title: "a pod writes on when the supervisor is killed",
    run: (space) => undisturbed(space, (at) => killOnNode(at, "^[^ ]*node .*s3files supervisor")),
  },
  {
    name: "mounter-pod",
    title: "pods write on while the mounter is replaced",
    run: (space) => undisturbed(space, (at) => replacePod(at, "mounter"), 3),
  },
  {
    name: "kubelet",
    title: "a pod writes on while kubelet is restarted",
    run: (space) => undisturbed(space, restartKubelet),
  },
];
