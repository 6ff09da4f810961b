import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chart, render, root, run } from "./support.ts";

const refused: readonly (readonly [title: string, set: string, where: string])[] = [
  ["a value that nobody knows", "contoller.replicas=2", "contoller"],
  ["a misspelt value inside a section", "controller.replica=2", "/controller"],
  ["a log level that no command knows", "logLevel=verbose", "/logLevel"],
  ["no replica at all", "controller.replicas=0", "/controller/replicas"],
  ["a state directory that is no absolute path", "stateDirectory=var/lib", "/stateDirectory"],
  ["a path that ends in a slash", "kubeletPath=/var/lib/kubelet/", "/kubeletPath"],
  [
    "an endpoint without its scheme",
    "connections.default.endpoint=minio:9000",
    "/connections/default/endpoint",
  ],
  [
    "an endpoint with a user name",
    "connections.default.endpoint=http://me@minio",
    "/connections/default/endpoint",
  ],
  [
    "an access key without its secret",
    "connections.default.credentials.accessKeyId=a",
    "/connections/default/credentials",
  ],
  [
    "a certificate authority by path",
    "connections.default.caBundle=/etc/ca.pem",
    "/connections/default/caBundle",
  ],
  ["a connection's name in capitals", "connections.Other.region=x", "'Other'"],
  ["an argument that is no option", "node.extraArgs={serve}", "/node/extraArgs"],
  ["a negative number of volumes", "node.maxVolumes=-1", "/node/maxVolumes"],
  [
    "less time than volume servers may take to end",
    "mounter.terminationGracePeriodSeconds=10",
    "/mounter/terminationGracePeriodSeconds",
  ],
  ["an image digest that is none", "image.digest=latest", "/image/digest"],
  [
    "a period that Kubernetes refuses",
    "csiDriver.nodeAllocatableUpdatePeriodSeconds=5",
    "/csiDriver/nodeAllocatableUpdatePeriodSeconds",
  ],
  ["a change of the CSIDriver's fixed fields", "csiDriver.attachRequired=true", "/csiDriver"],
];

describe("the chart's values", () => {
  for (const [title, set, where] of refused) {
    it(`refuses ${title}`, async () => {
      const { status, stderr } = await render("--set", set);
      assert.equal(status, 1);
      assert.match(stderr, /don't meet the specifications of the schema/);
      assert.ok(stderr.includes(where), stderr);
    });
  }

  it("refuses devS3 together with a store of one's own", async () => {
    const own = "connections.default.endpoint=http://minio:9000";
    const { status, stderr } = await render("--set", `devS3.enabled=true,${own}`);
    assert.equal(status, 1);
    assert.match(stderr, /devS3\.enabled sets the connection 'default'/);
  });

  it("refuses keys both in a Secret and in the values", async () => {
    const keys = ["existingSecret=s", "accessKeyId=a", "secretAccessKey=b"];
    const set = keys.map((key) => `connections.default.credentials.${key}`).join(",");
    const { status, stderr } = await render("--set", set);
    assert.equal(status, 1);
    assert.match(stderr, /existingSecret and accessKeyId exclude each other/);
  });

  it("refuses a Kubernetes that is too old", async () => {
    const { status, stderr } = await render("--kube-version", "1.30.9");
    assert.equal(status, 1);
    assert.match(stderr, /requires kubeVersion: >=1\.31\.0/);
  });

  it("are accepted as they are by helm lint, without a warning", async () => {
    const { status, stdout } = await run("helm", ["lint", "--strict", chart]);
    assert.equal(status, 0, stdout);
  });

  it("carry the version of the program", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      readonly version: string;
    };
    const text = readFileSync(join(chart, "Chart.yaml"), "utf8");
    assert.ok(
      text.includes(`\nversion: ${version}\n`) && text.includes(`\nappVersion: ${version}\n`),
    );
  });

  it("leave a field out on a cluster that does not know it yet", async () => {
    const set = ["--set", "csiDriver.nodeAllocatableUpdatePeriodSeconds=60"];
    const field = "nodeAllocatableUpdatePeriodSeconds: 60";
    assert.ok(!(await render(...set, "--kube-version", "1.33.5")).stdout.includes(field));
    assert.ok((await render(...set, "--kube-version", "1.34.0")).stdout.includes(field));
  });
});
