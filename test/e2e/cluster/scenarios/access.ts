import assert from "node:assert/strict";
import type { Scenario } from "../scenarios.ts";
import type { Space } from "../space.ts";
import { eager, visibleKeys } from "./first-volume.ts";

async function twoPods(space: Space): Promise<void> {
  await space.claim("data", await space.storageClass(eager), "ReadWriteMany");
  const [node = ""] = space.target.nodes;
  await space.pod("one", { claim: "data", node });
  await space.pod("two", { claim: "data", node });
  await space.ready("one");
  await space.ready("two");
  await space.exec("one", "echo first > file");
  assert.equal(await space.exec("two", "cat file && echo second >> file"), "first\n");
  assert.equal(await space.exec("one", "cat file"), "first\nsecond\n");
  // A pod that goes leaves the other its volume.
  await space.remove("pod/one");
  await space.exec("two", "echo third >> file && test $(wc -l < file) = 3");
}

async function onePodOnly(space: Space): Promise<void> {
  await space.claim("data", await space.storageClass(eager), "ReadWriteOncePod");
  await space.pod("one", { claim: "data" });
  await space.ready("one");
  await space.pod("two", { claim: "data" });
  await space.described("pod/two", /ReadWriteOncePod/);
  assert.equal(await space.field("pod/two", "{.status.phase}"), "Pending");
  await space.exec("one", "echo mine > file");
  await space.remove("pod/one");
  await space.ready("two");
  assert.equal(await space.exec("two", "cat file"), "mine\n");
}

async function readOnly(space: Space): Promise<void> {
  const { store } = space.target;
  await space.claim("data", await space.storageClass(eager), "ReadOnlyMany");
  const { bucket, prefix } = await space.bound("data");
  await store.put(bucket, `${prefix}book`, Buffer.from("read me\n"));
  await space.pod("reader", { claim: "data" });
  await space.ready("reader");
  assert.equal(await space.exec("reader", "cat book"), "read me\n");
  await assert.rejects(space.exec("reader", "echo no > other"), /Read-only file system/);
  await assert.rejects(space.exec("reader", "rm book"), /Read-only file system/);

  await space.claim("shared", await space.storageClass(eager), "ReadWriteMany");
  await space.pod("writer", { claim: "shared" });
  await space.pod("guest", { claim: "shared", readOnly: true });
  await space.ready("writer");
  await space.ready("guest");
  await space.exec("writer", "echo hello > file");
  assert.equal(await space.exec("guest", "cat file"), "hello\n");
  await assert.rejects(space.exec("guest", "echo no >> file"), /Read-only file system/);
  assert.deepEqual(await visibleKeys(space, bucket, prefix), [`${prefix}book`]);
}

async function groups(space: Space): Promise<void> {
  await space.claim("data", await space.storageClass(eager), "ReadWriteMany");
  const nobody = (user: number, fsGroup: number) => ({
    runAsNonRoot: true,
    runAsUser: user,
    runAsGroup: user,
    fsGroup,
  });
  const [node = ""] = space.target.nodes;
  await space.pod("one", { claim: "data", securityContext: nobody(1001, 3001), node });
  await space.ready("one");
  await space.exec(
    "one",
    "mkdir mine && echo first > mine/file && chmod g+rwx mine && chmod g+rw mine/file",
  );
  await space.pod("two", { claim: "data", securityContext: nobody(1002, 3002), node });
  await space.ready("two");
  await space.exec("two", "echo second >> mine/file && touch mine/other");
  // Each locks what the other wrote.
  const locked = "flock -x -n mine/file cat mine/file";
  assert.equal(await space.exec("one", locked), "first\nsecond\n");
  assert.equal(await space.exec("two", locked), "first\nsecond\n");
  // Whoever is in no such group gets what the mode says.
  await space.exec("one", "echo secret > secret && chmod 600 secret");
  await assert.rejects(space.exec("two", "cat secret"), /Permission denied/);
}

async function subPath(space: Space): Promise<void> {
  await space.claim("data", await space.storageClass(eager), "ReadWriteMany");
  const { bucket, prefix } = await space.bound("data");
  await space.pod("part", { claim: "data", subPath: "deep/part" });
  await space.pod("whole", { claim: "data" });
  await space.ready("part");
  await space.ready("whole");
  await space.exec("part", "echo here > file");
  assert.equal(await space.exec("whole", "cat deep/part/file"), "here\n");
  const key = `${prefix}deep/part/file`;
  await space.until(`object ${key}`, async () =>
    (await space.target.store.keys(bucket)).includes(key),
  );
}

async function existingBucket(space: Space): Promise<void> {
  const { store } = space.target;
  const bucket = `${space.name}-datasets`;
  const key = "images/cats/1.txt";
  if (!(await store.buckets()).includes(bucket)) await store.createBucket(bucket);
  await store.put(bucket, key, Buffer.from("a cat\n"));
  await store.put(bucket, "elsewhere", Buffer.from("not of this volume\n"));
  const attributes = { bucket, prefix: "images/", uid: "1000", fileMode: "0640", ...eager };
  await space.staticVolume("data", attributes, { accessMode: "ReadWriteMany" });
  await space.pod("reader", { claim: "data" });
  await space.ready("reader");
  assert.equal(
    await space.exec("reader", "find . -type f && cat cats/1.txt"),
    "./cats/1.txt\na cat\n",
  );
  assert.equal(await space.exec("reader", "stat -c '%u %a' cats/1.txt"), "1000 640\n");
  await space.exec("reader", "echo a dog > dog");
  await space.remove("pod/reader");
  await space.remove("persistentvolumeclaim/data");
  const left = await store.keys(bucket);
  const expected = ["elsewhere", key, "images/dog"];
  assert.deepEqual(
    left.filter((name) => !name.includes(".s3files/")),
    expected,
  );
  for (const name of left) await store.delete(bucket, name);
}

/** Who may do what in one volume. */
export const manyPods: readonly Scenario[] = [
  {
    name: "two-pods",
    title:
      "a second pod on the same claim sees what the first wrote, and keeps the volume when it goes",
    run: twoPods,
  },
  {
    name: "one-pod-only",
    title: "the second pod of a ReadWriteOncePod claim waits for the end of the first",
    run: onePodOnly,
  },
  {
    name: "read-only",
    title: "writes to a ReadOnlyMany claim and to a pod's read-only mount are refused",
    run: readOnly,
  },
  {
    name: "groups",
    title: "two non-root pods with different fsGroups write and lock one file",
    run: groups,
  },
  { name: "sub-path", title: "a subPath is a folder of the volume", run: subPath },
  {
    name: "existing",
    title: "a bucket that exists is a static volume, and stays as it is without one",
    run: existingBucket,
  },
];
