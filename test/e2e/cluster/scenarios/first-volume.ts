import assert from "node:assert/strict";
import type { Scenario } from "../scenarios.ts";
import type { Space } from "../space.ts";

/** Exports soon, and looks at S3 at each open that is a second later than the last. */
export const eager = { writeBackDelay: "1s", revalidateAfter: "1s" };

async function roundTrip(space: Space, parameters: Readonly<Record<string, string>>) {
  const { store } = space.target;
  await space.claim("data", await space.storageClass({ ...eager, ...parameters }));
  const { bucket, prefix } = await space.bound("data");
  await space.pod("writer", { claim: "data" });
  await space.ready("writer");

  await space.exec("writer", "mkdir -p a/b && seq 1 50000 > a/b/numbers && sync a/b/numbers");
  const numbers = Array.from({ length: 50_000 }, (_, i) => `${i + 1}\n`).join("");
  const key = `${prefix}a/b/numbers`;
  await space.until(`object ${key}`, async () => (await store.keys(bucket)).includes(key));
  assert.equal((await store.get(bucket, key)).bytes.toString(), numbers);

  await store.put(bucket, `${prefix}theirs/greeting`, Buffer.from("from another client\n"));
  await space.until("another client's object in the pod", async () =>
    (await space.exec("writer", "cat theirs/greeting")).includes("from another client"),
  );
  await store.put(bucket, `${prefix}theirs/greeting`, Buffer.from("changed by another client\n"));
  await space.until("another client's change in the pod", async () =>
    (await space.exec("writer", "cat theirs/greeting")).includes("changed"),
  );

  await space.exec("writer", "rm -r a theirs && echo last > last");
  await space.remove("pod/writer");
  assert.deepEqual(await visibleKeys(space, bucket, prefix), [`${prefix}last`]);
  await space.remove("persistentvolumeclaim/data");
  await space.until("end of the bucket", async () => !(await store.buckets()).includes(bucket));
}

/** Keys of a volume without those of the driver itself. */
export async function visibleKeys(space: Space, bucket: string, prefix: string): Promise<string[]> {
  const keys = await space.target.store.keys(bucket, prefix);
  return keys.filter((key) => !key.startsWith(`${prefix}.s3files/`));
}

/** From a claim to a bucket, to bytes both ways, and back to nothing. */
export const firstVolume: readonly Scenario[] = [
  {
    name: "full",
    title:
      "a claim becomes a bucket, a pod's file an object and an object a file, and nothing stays",
    run: (space) => roundTrip(space, { cacheMode: "full" }),
  },
  {
    name: "metadata-only",
    title: "the same without file data on the node's disk",
    run: (space) => roundTrip(space, { cacheMode: "metadata-only" }),
  },
];
