import assert from "node:assert/strict";
import { volumeDigest } from "../../../../src/supervisor/volume-paths.ts";
import type { Scenario } from "../scenarios.ts";
import type { Space } from "../space.ts";
import type { Laboratory } from "../target.ts";
import { acknowledged, assertNothingLost, assertWritten, progress, writer } from "./writers.ts";

/** Nothing is exported but for the end of a pod. */
const patient = { writeBackDelay: "1h", writeBackMaxDelay: "1h" };

function laboratory(space: Space): Laboratory {
  const { laboratory: found } = space.target;
  if (found === undefined) throw new Error("This cluster has no laboratory");
  return found;
}

/** Runs with the store down or silent, which it is in no case afterwards. */
async function without(
  space: Space,
  state: "down" | "blackhole",
  run: () => Promise<void>,
): Promise<void> {
  const { setStore } = laboratory(space);
  await setStore(state);
  try {
    await run();
  } finally {
    await setStore("up");
  }
}

/** A pod writes on the first node while S3 is down; the node goes off by `off` and comes back. */
async function offAndOn(space: Space, off: (node: string) => Promise<void>): Promise<void> {
  const { target } = space;
  const [node = ""] = target.nodes;
  await space.claim("data", await space.storageClass(patient));
  const { bucket } = await space.bound("data");
  await space.pod("writer", { claim: "data", script: writer, node });
  await space.ready("writer");
  // A folder that S3 has never listed cannot be written to without it.
  await progress(space, ["writer"], 2);
  let last = 0;
  const boot = () =>
    space.target.kubectl(["get", `node/${node}`, "--output=jsonpath={.status.nodeInfo.bootID}"]);
  const before = await boot();
  await without(space, "down", async () => {
    await progress(space, ["writer"], 20);
    ({ last } = await acknowledged(space, "writer"));
    await off(node);
    await laboratory(space).powerOn(node);
  });
  assert.ok(!(await target.store.keys(bucket)).includes("log"), "S3 has it: nothing is shown");
  await space.until("another boot", async () => (await boot()) !== before, 120_000);
  await space.until(
    "the pod's restart",
    async () =>
      (await space.field(
        "pod/writer",
        "{.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}",
      )) >= "1 true",
    240_000,
  );
  await progress(space, ["writer"], 5);
  await assertWritten(space, "writer", last);
  await assertNothingLost(space, "writer");
  space.note(`${last} numbers were only on the node's disk`);
}

async function shutDown(space: Space): Promise<void> {
  await offAndOn(space, async (node) => {
    const began = performance.now();
    await laboratory(space).shutDown(node);
    const seconds = (performance.now() - began) / 1000;
    space.note(`shut down in ${seconds.toFixed(1)} s`);
    assert.ok(seconds < 60, `the shutdown took ${seconds} s`);
  });
}

/** Deletes a pod and says how long that took. */
async function timedEnd(space: Space, pod: string): Promise<number> {
  const began = performance.now();
  await space.remove(`pod/${pod}`);
  return (performance.now() - began) / 1000;
}

async function storeAway(space: Space, state: "down" | "blackhole"): Promise<void> {
  const { store, nodes } = space.target;
  const [node = "", other = node] = nodes;
  await space.claim("data", await space.storageClass(patient));
  const { bucket } = await space.bound("data");
  await space.pod("writer", { claim: "data", node });
  await space.ready("writer");
  // A folder that S3 has never listed cannot be written to without it.
  await space.exec("writer", "ls");
  await without(space, state, async () => {
    await space.exec("writer", "echo kept > file && sync file");
    const seconds = await timedEnd(space, "writer");
    space.note(`the pod ended within ${seconds.toFixed(1)} s while the store was ${state}`);
    assert.ok(seconds < 30, `the pod took ${seconds} s to end`);
    await space.described("persistentvolumeclaim/data", /ChangesPending/);
    // On the same node it goes on with what is there.
    await space.pod("again", { claim: "data", node });
    await space.ready("again");
    assert.equal(await space.exec("again", "cat file && echo more >> file && sync file"), "kept\n");
    await space.remove("pod/again");
    // On another one it waits for it.
    await space.pod("elsewhere", { claim: "data", node: other });
  });
  // kubelet asks again after two minutes at most, here for Unstage and there for Stage.
  await space.ready("elsewhere", 420);
  assert.equal(await space.exec("elsewhere", "cat file"), "kept\nmore\n");
  assert.equal((await store.get(bucket, "file")).bytes.toString(), "kept\nmore\n");
  await assertNothingLost(space, "elsewhere");
}

async function serverHangs(space: Space): Promise<void> {
  const { store, nodes, onNode } = space.target;
  const [node = ""] = nodes;
  await space.claim("data", await space.storageClass(patient));
  const { bucket, handle } = await space.bound("data");
  await space.pod("writer", { claim: "data", node });
  await space.ready("writer");
  await space.exec("writer", "echo kept > file && sync file");
  const signal = async (name: string) => {
    const { code, output } = await onNode(
      node,
      `pkill -${name} -f ' serve .*${volumeDigest(handle)}'`,
    );
    assert.equal(code, 0, output);
  };
  await signal("STOP");
  let seconds = 0;
  try {
    seconds = await timedEnd(space, "writer");
  } finally {
    await signal("CONT");
  }
  space.note(`the pod ended within ${seconds.toFixed(1)} s while the server hung`);
  assert.ok(seconds < 30, `the pod took ${seconds} s to end`);
  await space.until("the object", async () => (await store.keys(bucket)).includes("file"), 240_000);
  assert.equal((await store.get(bucket, "file")).bytes.toString(), "kept\n");
}

/** Node, store and server away while there is what only the node's disk has. */
export const outages: readonly Scenario[] = [
  {
    name: "power-cut",
    isAlone: true,
    title: "a pod finds all that it had synced after a power cut of its node while S3 was down",
    needsLaboratory: true,
    run: (space) => offAndOn(space, (node) => laboratory(space).powerCut(node)),
  },
  {
    name: "shutdown",
    isAlone: true,
    title: "a node shuts down in time with a volume in use while S3 is down, and the pod finds all",
    needsLaboratory: true,
    run: shutDown,
  },
  {
    name: "store-down",
    isAlone: true,
    title: "a pod ends in time while S3 is down, and its changes go on, here and on another node",
    needsLaboratory: true,
    nodes: 2,
    run: (space) => storeAway(space, "down"),
  },
  {
    name: "store-silent",
    isAlone: true,
    title: "a pod ends in time while S3 does not answer, and its changes go on",
    needsLaboratory: true,
    nodes: 2,
    run: (space) => storeAway(space, "blackhole"),
  },
  {
    name: "server-hangs",
    isAlone: true,
    title: "a pod ends in time while its server hangs, and its changes are exported afterwards",
    run: serverHangs,
  },
];
