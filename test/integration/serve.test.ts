import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { ControlClient } from "../../src/control/client.ts";
import { ControlError } from "../../src/control/error.ts";
import type { ServerMethods } from "../../src/control/messages.ts";
import { SupervisorClient } from "../../src/control/supervisor-client.ts";
import { readLeftover, writeVolumeRecord } from "../../src/control/volume-folder.ts";
import type { VolumeSpec } from "../../src/control/volume-spec.ts";
import { type DevS3, startDevS3 } from "../../src/dev-s3/server.ts";
import { objectKey } from "../../src/s3/object-store.ts";
import { S3ObjectStore } from "../../src/s3/s3-object-store.ts";
import { supervisorSocket, volumeDigest, volumePaths } from "../../src/supervisor/volume-paths.ts";
import { volumeSpec } from "../fakes/volume-spec.ts";
import { connectInNamespace } from "../support/namespace-connection.ts";
import { NfsClient } from "../support/nfs-client.ts";
import {
  lookup,
  namesIn,
  openFile,
  putFile,
  readFile,
  rootOf,
  writeFile,
} from "../support/nfs-files.ts";
import { isAlive, lockOwner, PrivateRun } from "../support/private-run.ts";

describe("a volume from its supervisor to its bucket, without a kernel client", function () {
  this.timeout(120_000);
  let run: PrivateRun;
  let s3: DevS3;
  let spec: VolumeSpec;
  let client: SupervisorClient;
  let supervisor: ReturnType<PrivateRun["start"]>;
  const clients: NfsClient[] = [];

  const startSupervisor = async (...more: readonly string[]) => {
    const { runDir, stateDir, launcher } = run;
    supervisor = run.start("src/main.ts", [
      ...["supervisor", "--run-dir", runDir, "--state-dir", stateDir, "--launcher", launcher],
      ...["--allow-no-io-flusher", ...more],
    ]);
    while (!supervisor.said().includes("Supervisor ready")) {
      assert.equal(supervisor.exitCode, null, supervisor.said());
      await sleep(10);
    }
  };
  const keys = () => ({ accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey });
  const start = (own: Partial<VolumeSpec> = {}) =>
    client.start({ spec: { ...spec, ...own }, credentials: keys() });
  const nfs = (pin: string, session?: NfsClient["session"]) => {
    const one = new NfsClient(connectInNamespace(pin), session === undefined ? {} : { session });
    clients.push(one);
    return one;
  };
  const bucket = () => {
    const { endpoint, region } = s3;
    const credentials = () => Promise.resolve(keys());
    return new S3ObjectStore(
      { bucket: spec.bucket, endpoint, region, forcePathStyle: true },
      { credentials, clock: systemClock, log: silentLog },
    );
  };
  const keysIn = async () => {
    const store = bucket();
    const { objects } = await store.list({ prefix: "" });
    await store.close();
    return objects.map(({ key }) => key);
  };
  const paths = () => volumePaths(run, volumeDigest(spec.volumeId));
  const refusal = async (call: Promise<unknown>) => {
    const error = await call.catch((reason: unknown) => reason);
    assert.ok(error instanceof ControlError, String(error));
    return error;
  };

  beforeEach(async () => {
    run = new PrivateRun();
    s3 = await startDevS3({ buckets: ["data"] });
    spec = volumeSpec({ endpoint: s3.endpoint, region: s3.region });
    client = new SupervisorClient(supervisorSocket(run.runDir));
    await startSupervisor();
  });
  afterEach(async () => {
    for (const one of clients.splice(0)) one.destroy();
    run[Symbol.dispose]();
    await s3.close();
  });

  it("exports what was written, and leaves nothing when it is stopped", async () => {
    const { pin } = await start();
    const one = nfs(pin);
    await one.establish();
    await putFile(one, await rootOf(one), "hello.txt", "hello");
    const before = await client.usage(spec.volumeId);
    assert.equal(before?.pendingBytes, 5);
    const after = await client.flush(spec.volumeId, 20_000);
    assert.deepEqual((await client.conflicts(spec.volumeId))?.files, []);
    assert.deepEqual(after, { pendingBytes: 0, oldestPendingMs: 0 });
    assert.deepEqual(await keysIn(), ["hello.txt"]);
    const pid = lockOwner(paths().serverLock);
    await client.stop(spec.volumeId);
    assert.equal(pid !== undefined && isAlive(pid), false);
    assert.deepEqual(readdirSync(join(run.stateDir, "volumes")), []);
  });

  it("goes on after kill -9 with the same session, open file and acknowledged bytes", async () => {
    const { pin } = await start();
    const one = nfs(pin);
    await one.establish();
    const root = await rootOf(one);
    const file = await openFile(one, root, "f", { create: "UNCHECKED4" });
    await writeFile(one, file, 0, Buffer.from("before "));
    const pid = lockOwner(paths().serverLock);
    assert.ok(pid !== undefined);
    process.kill(pid, "SIGKILL");
    await one.closed;
    const two = nfs(pin, one.session);
    // RFC 8881 §2.10.6.1: the session goes on, over a new connection.
    await writeFile(two, file, 7, Buffer.from("after"));
    const { data } = await readFile(two, file, 0, 100);
    assert.equal(data.toString(), "before after");
    assert.notEqual(lockOwner(paths().serverLock), pid);
  });

  it("goes on with the same session, open file and bytes behind a supervisor that takes over", async () => {
    const { pin } = await start();
    const one = nfs(pin);
    await one.establish();
    const root = await rootOf(one);
    const file = await openFile(one, root, "f", { create: "UNCHECKED4" });
    await writeFile(one, file, 0, Buffer.from("before "));
    const [first, pid] = [supervisor, lockOwner(paths().serverLock)];
    await startSupervisor("--take-over");
    assert.match(supervisor.said(), /"Volume server started".*"prepared":true/);
    await one.closed;
    const two = nfs(pin, one.session);
    await writeFile(two, file, 7, Buffer.from("after"));
    const { data } = await readFile(two, file, 0, 100);
    assert.equal(data.toString(), "before after");
    const now = lockOwner(paths().serverLock);
    assert.ok(now !== undefined && now !== pid);
    await run.end(first, "SIGTERM");
    assert.ok(isAlive(now));
    assert.equal((await client.flush(spec.volumeId, 20_000))?.pendingBytes, 0);
    assert.deepEqual(await keysIn(), ["f"]);
  });

  it("keeps what is pending over a stop, and the next start exports it", async () => {
    const { pin } = await start();
    const one = nfs(pin);
    await one.establish();
    await putFile(one, await rootOf(one), "late", "late");
    await client.stop(spec.volumeId);
    const [volume] = (await client.status()).volumes;
    assert.deepEqual([volume?.state, volume?.leftover?.pendingBytes], ["stopped", 4]);
    assert.deepEqual(await keysIn(), []);
    await start();
    await client.flush(spec.volumeId, 20_000);
    assert.deepEqual(await keysIn(), ["late"]);
  });

  it("serves its cache after a crash although S3 is away", async () => {
    const { pin } = await start();
    const one = nfs(pin);
    await one.establish();
    await putFile(one, await rootOf(one), "kept", "bytes");
    await s3.close();
    const pid = lockOwner(paths().serverLock);
    assert.ok(pid !== undefined);
    process.kill(pid, "SIGKILL");
    await one.closed;
    const two = nfs(pin, one.session);
    const root = await rootOf(two);
    assert.ok((await lookup(two, root, "kept")).length > 0);
    assert.ok((await client.usage(spec.volumeId))?.pendingBytes === 5);
  });

  it("refuses wrong keys, unknown keys and a missing bucket by name, and leaves nothing", async () => {
    const wrong = { ...keys(), secretAccessKey: "wrong" };
    const unauthenticated = await refusal(client.start({ spec, credentials: wrong }));
    assert.equal(unauthenticated.code, "unauthenticated");
    const missing = await refusal(start({ bucket: "no-such-bucket" }));
    assert.equal(missing.code, "noSuchBucket");
    assert.match(missing.message, /pvc-1\/data.*no-such-bucket/);
    const dead = await refusal(start({ endpoint: "http://127.0.0.1:9" }));
    assert.equal(dead.code, "unavailable");
    assert.match(dead.message, /127\.0\.0\.1:9/);
    assert.deepEqual(readdirSync(join(run.stateDir, "volumes")), []);
    assert.deepEqual(readdirSync(join(run.runDir, "netns")), []);
  });

  it("shows objects of others, and counts what the protocol did", async () => {
    const store = bucket();
    const body = { sizeBytes: 1, chunks: [Buffer.from("x")] };
    await store.put(objectKey("dir/object"), body, { metadata: {} }, "absent");
    await store.close();
    const { pin } = await start();
    const one = nfs(pin);
    await one.establish();
    assert.deepEqual(await namesIn(one, await rootOf(one)), ["dir"]);
    using server = await ControlClient.connect<ServerMethods>(paths().serverSocket);
    const counters = await server.call("counters", {});
    assert.equal(counters["outstandingMutating"], 0);
    assert.ok((counters["READDIR"] ?? counters["OP_READDIR"] ?? 0) > 0, JSON.stringify(counters));
  });

  it("says that the bucket is gone when changes have nowhere to go, also after a restart of the server", async () => {
    const { pin } = await start();
    const one = nfs(pin);
    await one.establish();
    await putFile(one, await rootOf(one), "hello.txt", "hello");
    await s3.close();
    s3 = await startDevS3({
      listen: { host: "127.0.0.1", port: Number(new URL(s3.endpoint).port) },
    });
    for (let round = 0; round < 2; round++) {
      const error = await refusal(client.flush(spec.volumeId, 10_000));
      assert.equal(error.code, "noSuchBucket", error.message);
      process.kill(lockOwner(paths().serverLock) ?? 0, "SIGKILL");
    }
  });

  it("ends in order at SIGTERM while a read, an export, a flush and a start wait for S3", async function () {
    // Less than the 30 s after which a server is killed.
    this.timeout(25_000);
    const store = bucket();
    const body = { sizeBytes: 5, chunks: [Buffer.from("other")] };
    await store.put(objectKey("theirs"), body, { metadata: {} }, "absent");
    await store.close();
    const { pin } = await start({
      ...{ writeBackDelayMs: 1, nodeName: "node-1" },
      // Nothing of it is fetched ahead: the read has to wait.
      importSizeLessThanBytes: 0,
    });
    const one = nfs(pin);
    await one.establish();
    const root = await rootOf(one);
    const theirs = await openFile(one, root, "theirs", {});
    const ours = await openFile(one, root, "ours", { create: "UNCHECKED4" });
    const { folder, serverLock, serverSocket } = paths();
    const first = lockOwner(serverLock);
    assert.ok(first !== undefined);
    const fault = s3.faults.add({ action: { kind: "blackhole" } });
    // Its successor has not reached the bucket.
    process.kill(first, "SIGKILL");
    await one.closed;
    const two = nfs(pin, one.session);
    await writeFile(two, ours, 0, Buffer.from("ours"));
    const second = lockOwner(serverLock);
    using server = await ControlClient.connect<ServerMethods>(serverSocket);
    const waiting = [
      ...[server.call("ready", {}), server.call("flush", { timeoutMs: 60_000 })],
      readFile(two, theirs, 0, 5),
    ].map((call: Promise<unknown>) => call.catch(() => undefined));
    while (fault.hits < 3) await sleep(10);
    await run.end(supervisor, "SIGTERM");
    assert.ok(second !== undefined && second !== first && !isAlive(second));
    // Only a server that ends in order says what it leaves.
    assert.equal(readLeftover(folder)?.pendingBytes, 4);
    two.destroy();
    await Promise.all(waiting);
  });

  it("kills itself at a failpoint, and its successor finds that the upload had succeeded", async () => {
    await run.end(supervisor, "SIGTERM");
    await startSupervisor("--failpoint", "sync.uploaded");
    const { pin } = await start();
    const one = nfs(pin);
    await one.establish();
    await putFile(one, await rootOf(one), "once", "once");
    const pid = lockOwner(paths().serverLock);
    // The server dies after the upload; the flush is asked again of its successor.
    const pending = await client.flush(spec.volumeId, 20_000);
    assert.deepEqual(pending, { pendingBytes: 0, oldestPendingMs: 0 });
    assert.notEqual(lockOwner(paths().serverLock), pid);
    assert.deepEqual(await keysIn(), ["once"]);
    const two = nfs(pin, one.session);
    assert.deepEqual(await namesIn(two, await rootOf(two)), ["once"]);
  });

  it("refuses a second server on the same state, naming it, and one without PR_SET_IO_FLUSHER", async () => {
    await start();
    const serve = (folder: string, ...more: readonly string[]) => {
      const { status, stderr } = spawnSync(
        process.execPath,
        [
          ...["src/main.ts", "serve", "--volume-dir", folder, ...more],
          ...["--control-socket", join(run.folder, "second.sock")],
        ],
        { encoding: "utf8" },
      );
      return { status, stderr };
    };
    const second = serve(paths().folder, "--allow-no-io-flusher");
    assert.equal(second.status, 1);
    assert.match(second.stderr, /Another process uses the volume state .*volume\.db/);
    const other = join(run.folder, "other");
    mkdirSync(other);
    writeVolumeRecord(other, spec);
    const careless = serve(other);
    assert.equal(careless.status, 1);
    assert.match(careless.stderr, /PR_SET_IO_FLUSHER/);
    assert.equal(existsSync(join(other, "state")), false);
  });
});
