import assert from "node:assert/strict";
import type { Scenario } from "../scenarios.ts";
import type { Space } from "../space.ts";
import { eager } from "./first-volume.ts";

const secretOf = (name: string, namespace: string) => ({
  authenticationSource: "secret",
  "csi.storage.k8s.io/node-stage-secret-name": name,
  "csi.storage.k8s.io/node-stage-secret-namespace": namespace,
});

async function badParameter(space: Space): Promise<void> {
  await space.claim("misspelt", await space.storageClass({ cachMode: "full" }));
  const said = await space.described("persistentvolumeclaim/misspelt", /cachMode/);
  assert.match(said, /ProvisioningFailed/);
  assert.match(said, /cacheMode/);
  await space.claim("malformed", await space.storageClass({ writeBackDelay: "soon" }));
  await space.described(
    "persistentvolumeclaim/malformed",
    /writeBackDelay.*soon|soon.*writeBackDelay/s,
  );
}

async function missingBucket(space: Space): Promise<void> {
  const bucket = `${space.name}-no-such-bucket`;
  await space.claim("prefix", await space.storageClass({ bucket }));
  await space.described(
    "persistentvolumeclaim/prefix",
    new RegExp(`ProvisioningFailed.*${bucket}`, "s"),
  );
  await space.staticVolume("static", { bucket });
  await space.pod("reader", { claim: "static" });
  await space.described("pod/reader", new RegExp(`FailedMount.*${bucket}`, "s"));
}

async function wrongSecret(space: Space): Promise<void> {
  const { store, access } = space.target;
  const bucket = `${space.name}-bucket`;
  if (!(await store.buckets()).includes(bucket)) await store.createBucket(bucket);
  const secret = (secretAccessKey: string) =>
    space.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "keys" },
      stringData: { accessKeyId: access.accessKeyId, secretAccessKey },
    });
  const wrong = "not-the-secret-of-this-key";
  await secret(wrong);
  const attributes = { bucket, authenticationSource: "secret", ...eager };
  const csi = { nodeStageSecretRef: { name: "keys", namespace: space.name } };
  await space.staticVolume("static", attributes, { csi });
  await space.pod("reader", { claim: "static" });
  const said = await space.described(
    "pod/reader",
    /FailedMount[^\n]*(SignatureDoesNotMatch|credentials|keys)/i,
  );
  assert.ok(!said.includes(wrong), "the secret is in an event");
  // With the right one it goes on by itself.
  await secret(access.secretAccessKey);
  await space.ready("reader", 180);
  await space.exec("reader", "echo now > file");
  await space.remove("pod/reader");
  for (const key of await store.keys(bucket)) await store.delete(bucket, key);
}

async function refusedSecretInClass(space: Space): Promise<void> {
  const name = await space.storageClass({ ...eager, ...secretOf("nobody", space.name) });
  await space.claim("data", name);
  await space.described("persistentvolumeclaim/data", /ProvisioningFailed[^\n]*[Ss]ecret/);
}

/** What does not work says why, where people look. */
export const causes: readonly Scenario[] = [
  {
    name: "bad-parameter",
    title: "an unknown parameter and a malformed value are named by the claim's events",
    run: badParameter,
  },
  {
    name: "missing-bucket",
    title: "a missing bucket is named by the events of claim and pod",
    run: missingBucket,
  },
  {
    name: "wrong-secret",
    title:
      "wrong keys are named by the pod's events without the secret, and right ones make it go on",
    run: wrongSecret,
  },
  {
    name: "no-secret",
    title: "a class that takes keys from a Secret and names none for the provisioner says so",
    run: refusedSecretInClass,
  },
];
