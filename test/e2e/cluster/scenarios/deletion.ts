import assert from "node:assert/strict";
import type { Scenario } from "../scenarios.ts";
import type { Space } from "../space.ts";
import { eager, visibleKeys } from "./first-volume.ts";

/** Makes a volume with one file in it, removes its claim, and says where it was. */
async function madeAndRemoved(space: Space, parameters: Readonly<Record<string, string>>) {
  await space.claim("data", await space.storageClass({ ...eager, ...parameters }));
  const volume = await space.bound("data");
  await space.pod("writer", { claim: "data" });
  await space.ready("writer");
  await space.exec("writer", "echo kept > file");
  await space.remove("pod/writer", "persistentvolumeclaim/data");
  await space.gone(`persistentvolume/${volume.name}`);
  return volume;
}

async function policy(space: Space, onDelete: "retain" | "archive"): Promise<void> {
  const { store } = space.target;
  const { bucket, prefix } = await madeAndRemoved(space, { onDelete });
  assert.deepEqual(await visibleKeys(space, bucket, prefix), [`${prefix}file`]);
  assert.equal((await store.get(bucket, `${prefix}file`)).bytes.toString(), "kept\n");
  for (const key of await store.keys(bucket)) await store.delete(bucket, key);
}

async function prefixOnly(space: Space): Promise<void> {
  const { store } = space.target;
  const bucket = `${space.name}-shared`;
  if (!(await store.buckets()).includes(bucket)) await store.createBucket(bucket);
  await store.put(bucket, "others/file", Buffer.from("not ours\n"));
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the class's placeholders.
  const prefix = "teams/${pvc.namespace}/${pvc.name}/";
  const volume = await madeAndRemoved(space, { bucket, prefix });
  assert.equal(volume.bucket, bucket);
  assert.equal(volume.prefix, `teams/${space.name}/data/`);
  assert.deepEqual(await store.keys(bucket), ["others/file"]);
  await store.delete(bucket, "others/file");
}

/** What goes with a claim, and what stays. */
export const deletion: readonly Scenario[] = [
  {
    name: "delete-prefix",
    title: "a volume below a prefix goes with its claim, and what is beside it stays",
    run: prefixOnly,
  },
  {
    name: "retain",
    title: "onDelete: retain keeps the data when the claim goes",
    run: (space) => policy(space, "retain"),
  },
  {
    name: "archive",
    title: "onDelete: archive keeps the data when the claim goes",
    run: (space) => policy(space, "archive"),
  },
];
