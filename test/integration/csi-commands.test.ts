import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { status } from "@grpc/grpc-js";
import { newClient } from "../contract/s3-api-case.ts";
import {
  type DevS3Process,
  type RunningCommand,
  runCommandLine,
  startCommandLine,
  startDevS3Process,
} from "../support/command.ts";
import { CsiClient } from "../support/csi-client.ts";

/** A failed RPC: its gRPC status, and what its message must name. */
async function failsWith(
  promise: Promise<unknown>,
  code: keyof typeof status,
  ...named: readonly (string | RegExp)[]
): Promise<void> {
  await assert.rejects(promise, (error: { code?: number; details?: string }) => {
    const details = error.details ?? String(error);
    assert.equal(status[error.code ?? -1], code, details);
    for (const one of named) {
      assert.ok(
        typeof one === "string" ? details.includes(one) : one.test(details),
        `'${details}' names no ${one}`,
      );
    }
    return true;
  });
}

describe("The command controller", function () {
  this.timeout(60_000);
  let folder: string;
  let s3: DevS3Process;
  let store: S3Client;
  let socket: string;
  let controller: RunningCommand;
  const secrets = () => ({
    accessKeyId: s3.accessKeyId,
    secretAccessKey: s3.secretAccessKey,
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "s3files-controller-"));
    socket = join(folder, "csi.sock");
    s3 = await startDevS3Process("--bucket", "team");
    store = newClient(s3);
    controller = await start();
  });
  after(async () => {
    await controller[Symbol.asyncDispose]();
    store.destroy();
    await s3[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const start = (
    environment: Readonly<Record<string, string>> = {},
    path = socket,
  ): Promise<RunningCommand> =>
    startCommandLine(["controller", "--csi-endpoint", `unix://${path}`], {
      S3FILES_ENDPOINT: s3.endpoint,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      ...environment,
    });
  const connect = (path = socket) =>
    new CsiClient({
      controllerEndpoint: `unix://${path}`,
      nodeEndpoint: `unix://${path}`,
      deadlineMs: 30_000,
    });
  const buckets = async () =>
    (await store.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name) ?? [];

  it("makes a bucket for a volume, deletes it, and does nothing twice", async () => {
    assert.equal(controller.ready, `s3files controller answers at unix://${socket}`);
    using driver = connect();
    const claim = { name: "pvc-one", parameters: {}, capacityBytes: 1 << 30 };
    const volume = await driver.provision(claim);
    assert.deepEqual(await driver.provision(claim), volume);
    const { bucket = "" } = volume.volumeContext;
    await store.send(new HeadBucketCommand({ Bucket: bucket }));
    await driver.deprovision(volume.volumeId);
    await driver.deprovision(volume.volumeId);
    assert.deepEqual(await buckets(), ["team"]);
  });

  it("makes and deletes a volume once, however two replicas are asked at the same time", async () => {
    const path = join(folder, "replica.sock");
    await using _replica = await start({}, path);
    using one = connect();
    using two = connect(path);
    /** As the sidecars do: again while it is refused. */
    const insist = async <T>(call: () => Promise<T>): Promise<T> => {
      for (let tries = 0; ; tries++) {
        try {
          return await call();
        } catch (error) {
          if ((error as { code?: number }).code !== status.ABORTED || tries === 50) throw error;
        }
      }
    };
    for (let i = 0; i < 10; i++) {
      const parameters: Record<string, string> = i % 2 === 0 ? {} : { bucket: "team" };
      const claim = { name: `pvc-both-${i}`, parameters };
      const made = await Promise.all(
        [one, two].map((replica) => insist(() => replica.provision(claim))),
      );
      assert.deepEqual(made[0], made[1]);
      const { volumeId = "" } = made[0] ?? {};
      await Promise.all([one, two].map((replica) => insist(() => replica.deprovision(volumeId))));
    }
    assert.deepEqual(await buckets(), ["team"]);
    const { entries } = await one.controller.ListVolumes({});
    assert.deepEqual(entries, []);
  });

  it("makes a prefix in a bucket that is there, and deletes only that", async () => {
    await store.send(new PutObjectCommand({ Bucket: "team", Key: "theirs", Body: "x" }));
    using driver = connect();
    const volume = await driver.provision({ name: "pvc-two", parameters: { bucket: "team" } });
    assert.equal(volume.volumeContext["prefix"], "pvc-two/");
    const file = { Bucket: "team", Key: "pvc-two/file", Body: "x" };
    await store.send(new PutObjectCommand(file));
    await driver.deprovision(volume.volumeId);
    await store.send(new GetObjectCommand({ Bucket: "team", Key: "theirs" }));
    await assert.rejects(
      store.send(new GetObjectCommand({ Bucket: "team", Key: "pvc-two/file" })),
      { name: "NoSuchKey" },
    );
  });

  it("says which volume, bucket and cause when credentials are wrong, and makes nothing", async () => {
    const path = join(folder, "other.sock");
    await using other = await start({ AWS_SECRET_ACCESS_KEY: "not-the-secret" }, path);
    using driver = connect(path);
    await failsWith(
      driver.provision({ name: "pvc-three", parameters: { bucket: "team" } }),
      "UNAUTHENTICATED",
      "team/pvc-three",
      "bucket 'team'",
      s3.endpoint,
      "SignatureDoesNotMatch",
    );
    await failsWith(driver.provision({ name: "pvc-own", parameters: {} }), "UNAUTHENTICATED");
    assert.deepEqual(await buckets(), ["team"]);
    assert.ok(!other.said().stderr.includes("not-the-secret"), "the log holds no secret");
  });

  it("takes credentials of a Secret, and never the driver's in their place", async () => {
    const path = join(folder, "other.sock");
    const none = { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" };
    await using other = await start(none, path);
    using driver = connect(path);
    const parameters = { authenticationSource: "secret" };
    const claim = { name: "pvc-secret", parameters, secrets: secrets() };
    const { volumeId } = await driver.provision(claim);
    await failsWith(driver.deprovision(volumeId), "INVALID_ARGUMENT", "secret");
    await failsWith(
      driver.deprovision(volumeId, { ...secrets(), accessKeyId: "AKIANOBODY" }),
      "UNAUTHENTICATED",
      "InvalidAccessKeyId",
    );
    await driver.deprovision(volumeId, secrets());
    await failsWith(
      driver.provision({ name: "pvc-driver", parameters: {} }),
      "UNAUTHENTICATED",
      "No AWS credentials",
    );
    assert.ok(!other.said().stderr.includes(s3.secretAccessKey), "the log holds no secret");
    assert.deepEqual(await buckets(), ["team"]);
  });

  it("is NOT_FOUND for a class's bucket that is missing, and does not make it", async () => {
    using driver = connect();
    await failsWith(
      driver.provision({ name: "pvc-four", parameters: { bucket: "nobodys-bucket" } }),
      "NOT_FOUND",
      "nobodys-bucket/pvc-four",
      "bucket 'nobodys-bucket'",
      "does not exist",
    );
    assert.deepEqual(await buckets(), ["team"]);
  });

  it("is UNAVAILABLE at a dead endpoint, and goes on when it answers", async () => {
    using driver = connect();
    const parameters = { endpoint: "http://127.0.0.1:1", bucket: "team" };
    await failsWith(
      driver.provision({ name: "pvc-five", parameters }),
      "UNAVAILABLE",
      "pvc-five",
      "bucket 'team'",
      "http://127.0.0.1:1",
      "ECONNREFUSED",
    );
    const { volumeId } = await driver.provision({ name: "pvc-five", parameters: {} });
    await driver.deprovision(volumeId);
  });

  it("leaves no bucket behind when the mark cannot be written", async () => {
    using driver = connect();
    const fault = await fetch(`${s3.endpoint}/_dev-s3/faults`, {
      method: "POST",
      body: JSON.stringify({ operation: "PutObject", action: { kind: "status", status: 403 } }),
    });
    assert.equal(fault.status, 200);
    try {
      await failsWith(
        driver.provision({ name: "pvc-six", parameters: {} }),
        "PERMISSION_DENIED",
        "pvc-six",
        "AccessDenied",
      );
    } finally {
      await fetch(`${s3.endpoint}/_dev-s3/faults`, { method: "DELETE" });
    }
    assert.deepEqual(await buckets(), ["team"]);
  });

  it("refuses unknown parameters, with the nearest known one", async () => {
    using driver = connect();
    await failsWith(
      driver.provision({ name: "pvc-seven", parameters: { cachMode: "full" } }),
      "INVALID_ARGUMENT",
      "cachMode",
      "cacheMode",
    );
  });

  it("never takes a bucket that it did not make", async () => {
    using driver = connect();
    const { volumeId, volumeContext } = await driver.provision({ name: "pvc-8", parameters: {} });
    await driver.deprovision(volumeId);
    const { bucket = "" } = volumeContext;
    await store.send(new CreateBucketCommand({ Bucket: bucket }));
    await store.send(new PutObjectCommand({ Bucket: bucket, Key: "theirs", Body: "x" }));
    await failsWith(
      driver.provision({ name: "pvc-8", parameters: {} }),
      "ALREADY_EXISTS",
      `bucket '${bucket}'`,
    );
    await driver.deprovision(volumeId);
    await store.send(new HeadBucketCommand({ Bucket: bucket }));
  });

  it("takes over the socket of a process that was killed, and none on which one listens", async () => {
    const second = await runCommandLine(["controller", "--csi-endpoint", `unix:${socket}`]);
    assert.equal(second.status, 1);
    assert.match(second.stderr, /Another process listens at .*csi\.sock/);
    await controller.end("SIGKILL");
    assert.deepEqual(await readdir(folder), ["csi.sock"]);
    controller = await start();
    using driver = connect();
    await driver.identity.Probe({});
  });

  it("removes its socket at the end, and no file that is not a socket", async () => {
    const ended = await controller.end("SIGTERM");
    assert.equal(ended.status, 0, ended.stderr);
    assert.deepEqual(await readdir(folder), []);
    await writeFile(socket, "precious");
    const result = await runCommandLine(["controller", "--csi-endpoint", `unix://${socket}`]);
    assert.equal(result.status, 1);
    assert.match(result.stderr, /csi\.sock is there and is no socket/);
    assert.deepEqual(await readdir(folder), ["csi.sock"]);
  });
});

describe("The command node", function () {
  this.timeout(60_000);

  it("is not ready, and stages nothing, while the supervisor does not answer", async () => {
    const folder = await mkdtemp(join(tmpdir(), "s3files-node-"));
    const endpoint = `unix://${join(folder, "csi.sock")}`;
    const state = join(folder, "state");
    {
      await using node = await startCommandLine(
        [
          ...["node", "--csi-endpoint", endpoint, "--node-id", "node-1", "--state-dir", state],
          ...["--supervisor-socket", join(folder, "missing.sock"), "--launcher", "/bin/false"],
        ],
        {},
      );
      using driver = new CsiClient({ controllerEndpoint: endpoint, nodeEndpoint: endpoint });
      assert.equal((await driver.identity.Probe({})).ready?.value, false);
      assert.equal((await driver.node.NodeGetInfo({})).nodeId, "node-1");
      const volume = { volumeId: "static-1", volumeContext: { bucket: "team" }, capacityBytes: 0 };
      const stagingPath = join(folder, "staging");
      await failsWith(driver.stage(volume, { stagingPath }), "UNAVAILABLE", "static-1");
      assert.deepEqual(await readdir(folder), ["csi.sock", "state"]);
      const ended = await node.end("SIGTERM");
      assert.equal(ended.status, 0, ended.stderr);
    }
    await rm(folder, { recursive: true });
  });
});
