import assert from "node:assert/strict";
import { TestVolume } from "../unit/sync/test-volume.ts";
import {
  addFaults,
  attempt,
  bucketTree,
  disturb,
  type History,
  pick,
  records,
  seeded,
  settle,
  show,
  tree,
} from "./histories.ts";

const folders = ["", "d0", "d1"];
const paths = folders.flatMap((folder) =>
  ["f0", "f1", "f2"].map((name) => (folder === "" ? name : `${folder}/${name}`)),
);

/** Link counts by path. */
async function counts(volume: TestVolume, of: Iterable<string>): Promise<string[]> {
  const found: string[] = [];
  for (const path of of) {
    const { type, linkCount } = await volume.attributes(path);
    if (type !== "directory") found.push(`${path} ${linkCount}`);
  }
  return found.sort();
}

function toldCounts(volume: TestVolume): string[] {
  const told = new Map<string, number>();
  for (const { primary, names } of records(volume)) {
    for (const name of [primary, ...names]) told.set(name, names.length + 1);
  }
  const files = [...bucketTree(volume)].filter(([, what]) => what !== "directory");
  return files.map(([path]) => `${path} ${told.get(path) ?? 1}`).sort();
}

/** Two nodes have one bucket, and other clients change it too: all must end as one, names of hard links included. */
export async function runNodes({ seed, steps, mutate }: History): Promise<void> {
  const random = seeded(seed);
  await using one = new TestVolume({ random, writeBackDelayMs: pick(random, [0, 5000, 60_000]) });
  await using two = new TestVolume({
    random,
    store: one.bucket,
    writeBackDelayMs: pick(random, [0, 5000, 60_000]),
  });
  const nodes = [one, two];
  const faultChance = pick(random, [0, 0.05]);
  for (const volume of nodes) {
    mutate?.(volume);
    await volume.start();
    await attempt(() => volume.makeDirectory("d0"));
    await attempt(() => volume.makeDirectory("d1"));
    await volume.flush();
    addFaults(volume, faultChance, random);
  }
  for (let step = 0; step < steps; step++) {
    const volume = pick(random, nodes);
    const path = pick(random, paths);
    const other = pick(random, paths);
    const dice = random();
    if (dice < 0.2) await attempt(() => volume.write(path, `<${step} ${seed}>`));
    else if (dice < 0.5) await attempt(() => volume.hardLink(path, other));
    else if (dice < 0.62) await attempt(() => volume.remove(path));
    else if (dice < 0.74) await attempt(() => volume.rename(path, other));
    else if (dice < 0.78) one.bucket.putObject(path, `<remote ${step} ${seed}>`);
    else if (dice < 0.8) one.bucket.deleteObject(path);
    else if (dice < 0.9) await attempt(() => volume.refresh(pick(random, folders)));
    await disturb(volume, random, faultChance, mutate);
  }
  // Each learns what the other has made of it.
  for (let round = 0; round < 3; round++) {
    for (const volume of nodes) {
      await settle(volume, mutate);
      for (const folder of folders) await attempt(() => volume.refresh(folder));
    }
  }
  for (const volume of nodes) {
    const shown = await tree(volume);
    assert.deepEqual(show(shown), show(bucketTree(one)));
    assert.deepEqual(await counts(volume, shown.keys()), toldCounts(one));
  }
}
