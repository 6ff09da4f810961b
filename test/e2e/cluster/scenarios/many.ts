import assert from "node:assert/strict";
import { setTimeout as after } from "node:timers/promises";
import type { Scenario } from "../scenarios.ts";
import type { ClaimedVolume, Space } from "../space.ts";
import { eager } from "./first-volume.ts";

const volumes = 10;
const rounds = Number(process.env["S3FILES_ROUNDS"] ?? "1");

/** Starts and ends a pod at moments of its own, and looks at what earlier rounds wrote. */
async function life(space: Space, name: string, round: number): Promise<void> {
  await after(Math.random() * 10_000);
  await space.pod(name, { claim: name });
  await space.ready(name, 240);
  await space.exec(name, `echo ${round} >> rounds && sync rounds`);
  await after(Math.random() * 5_000);
  const expected = Array.from({ length: round }, (_, i) => `${i + 1}\n`).join("");
  assert.equal(await space.exec(name, "cat rounds"), expected);
  await space.remove(`pod/${name}`);
}

async function tenPods(space: Space): Promise<void> {
  const storageClass = await space.storageClass(eager);
  const names = Array.from({ length: volumes }, (_, i) => `pod-${i + 1}`);
  for (const name of names) await space.claim(name, storageClass);
  const found: ClaimedVolume[] = [];
  for (const name of names) found.push(await space.bound(name));
  for (let round = 1; round <= rounds; round++) {
    await Promise.all(names.map((name) => life(space, name, round)));
  }
  for (const { bucket } of found) {
    const keys = await space.target.store.keys(bucket);
    assert.ok(keys.includes("rounds"), `${bucket}: ${keys.join(", ")}`);
  }
  await space.remove(...names.map((name) => `persistentvolumeclaim/${name}`));
  await space.until("end of the buckets", async () => {
    const buckets = await space.target.store.buckets();
    return found.every(({ bucket }) => !buckets.includes(bucket));
  });
}

/** Many volumes at a time. */
export const manyVolumes: readonly Scenario[] = [
  {
    name: "ten-pods",
    isAlone: true,
    title: "ten pods with ten volumes start and end in random order, and nothing stays",
    run: tenPods,
  },
];
