import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { volumeDigest, volumePaths } from "../../src/supervisor/volume-paths.ts";
import { newClient } from "../contract/s3-api-case.ts";
import { runCommandLine } from "../support/command.ts";
import { CsiClient, mountCapabilityOf, type ProvisionedVolume } from "../support/csi-client.ts";
import { HostDriver } from "../support/host-driver.ts";
import { connectInNamespace } from "../support/namespace-connection.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { attributesOf, putFile, rootOf } from "../support/nfs-files.ts";
import { lockOwner } from "../support/private-run.ts";

describe("The whole driver, the kernel's mounts replaced", function () {
  this.timeout(120_000);
  let driver: HostDriver;
  let client: CsiClient;
  let stagingPath: string;
  let targetPath: string;

  before(async () => {
    driver = await HostDriver.start();
    client = new CsiClient({
      controllerEndpoint: `unix://${driver.socket("controller")}`,
      nodeEndpoint: `unix://${driver.socket("node")}`,
    });
    const folder = join(driver.run.folder, "kubelet");
    mkdirSync(folder);
    stagingPath = join(folder, "staging");
    targetPath = join(folder, "target");
  });
  after(async () => {
    client[Symbol.dispose]();
    await driver[Symbol.asyncDispose]();
  });

  const existing = (attributes: Readonly<Record<string, string>> = {}): ProvisionedVolume => ({
    volumeId: "a static volume",
    volumeContext: { bucket: "team", ...attributes },
    capacityBytes: 0,
  });

  it("says in the CSI message why a server cannot start", async () => {
    const missing = client.stage(existing({ caBundle: "/nonexistent/ca.pem" }), { stagingPath });
    await assert.rejects(
      missing,
      /Volume a static volume: The volume server cannot be started: caBundle \/nonexistent\/ca\.pem cannot be read: ENOENT/,
    );
    const empty = join(driver.run.folder, "empty.pem");
    writeFileSync(empty, "not a certificate");
    const unreadable = client.stage(existing({ caBundle: empty }), { stagingPath });
    await assert.rejects(unreadable, /caBundle .*empty\.pem holds no certificate in PEM form/);
    const unknown = client.stage(existing({ connection: "none" }), { stagingPath });
    await assert.rejects(unknown, /has no 'none'; it has other, default/);
  });

  it("takes a connection's own credentials, and new ones as soon as its file has them", async () => {
    const claim = { name: "pvc-other", parameters: { connection: "other" } };
    const { accessKeyId, secretAccessKey } = driver.s3;
    writeFileSync(driver.otherKeys, JSON.stringify({ accessKeyId, secretAccessKey: "wrong" }));
    await assert.rejects(client.provision(claim), /UNAUTHENTICATED/);
    writeFileSync(driver.otherKeys, JSON.stringify({ accessKeyId, secretAccessKey }));
    let volume: ProvisionedVolume | undefined;
    // The provisioner tries again, too; what was read from the file is kept for some seconds.
    for (let tries = 0; volume === undefined; tries++) {
      await sleep(250);
      volume = await client.provision(claim).catch((error: unknown) => {
        if (tries === 80) throw error;
        return undefined;
      });
    }
    await client.stage(volume, { stagingPath });
    await client.unstage(volume.volumeId, stagingPath);
    await client.deprovision(volume.volumeId);
  });

  it("mounts an existing bucket and prefix, and keeps them when the claim is gone", async () => {
    const volume = existing({ prefix: "some/where" });
    await client.stage(volume, { stagingPath });
    await client.publish(volume, { stagingPath, targetPath });
    const { usage } = await client.node.NodeGetVolumeStats({
      volumeId: volume.volumeId,
      volumePath: targetPath,
    });
    assert.deepEqual(
      usage.map(({ unit }) => unit),
      ["BYTES", "INODES"],
    );
    await client.unpublish(volume.volumeId, targetPath);
    await client.unstage(volume.volumeId, stagingPath);
    await client.deprovision(volume.volumeId);
    assert.deepEqual(driver.mounts(), []);
    assert.deepEqual(driver.run.leftovers(), []);
  });

  it("gives a pod's fsGroup to its server, also to the one that comes after a kill", async () => {
    const volume = await client.provision({ name: "pvc-groups", parameters: {} });
    await client.stage(volume, { stagingPath });
    const withGroup = (volumeMountGroup: string) => ({
      mount: { volumeMountGroup },
      accessMode: { mode: "SINGLE_NODE_MULTI_WRITER" as const },
    });
    const place = { stagingPath, targetPath, capability: withGroup("2000") };
    await client.publish(volume, place);
    const second = { ...place, targetPath: `${targetPath}-2`, capability: withGroup("3000") };
    await client.publish(volume, second);
    const paths = volumePaths(driver.run, volumeDigest(volume.volumeId));
    let files = 0;
    const member = { uid: 1001, gid: 1001, gids: [3000] };
    const seen = async () => {
      const nfs = new NfsClient(connectInNamespace(paths.pin), { credential: member });
      await nfs.establish();
      const { owner_group: group } = await attributesOf(nfs, await rootOf(nfs), "owner_group");
      await putFile(nfs, await rootOf(nfs), `file ${files++}`, "written by a member");
      nfs.destroy();
      return group;
    };
    assert.equal(await seen(), "2000");
    process.kill(lockOwner(paths.serverLock) ?? 0, "SIGKILL");
    assert.equal(await seen(), "2000");
    await client.unpublish(volume.volumeId, targetPath);
    assert.equal(await seen(), "3000");
    await client.unpublish(volume.volumeId, second.targetPath);
    await assert.rejects(seen(), /ACCESS/);
    await client.unstage(volume.volumeId, stagingPath);
    await client.deprovision(volume.volumeId);
  });

  it("lets a single-node volume go only when its node has let it go, or an operator has taken it away", async () => {
    const volume = await client.provision({ name: "pvc-moves", parameters: { bucket: "team" } });
    await client.stage(volume, { stagingPath });
    const records = () => runCommandLine(["release", volume.volumeId], driver.environment);
    assert.match((await records()).stdout, /: node node-1 since \S+ with nothing pending/);
    const place = ["--bucket", "team", "--prefix", volume.volumeContext["prefix"] ?? ""];
    const byPlace = await runCommandLine(["release", ...place], driver.environment);
    assert.match(byPlace.stdout, /^Bucket team: node node-1/, byPlace.stderr);
    // A restarted server withdraws what its predecessor wrote.
    const { serverLock } = volumePaths(driver.run, volumeDigest(volume.volumeId));
    process.kill(lockOwner(serverLock) ?? 0, "SIGKILL");
    await client.unstage(volume.volumeId, stagingPath);
    assert.match((await records()).stdout, /: on no node/);
    const key = `${volume.volumeContext["prefix"]}.s3files/nodes/node-9.json`;
    const store = newClient(driver.s3);
    const record = { format: 1, node: "node-9", claim: "x", pendingBytes: 17, oldestPendingMs: 1 };
    const object = { Bucket: "team", Key: key, Body: JSON.stringify(record) };
    await store.send(new PutObjectCommand(object));
    store.destroy();
    await assert.rejects(
      client.stage(volume, { stagingPath }),
      /ABORTED: .* is on node node-9 with 17 bytes pending/,
    );
    assert.deepEqual(driver.mounts(), []);
    const shared = mountCapabilityOf("MULTI_NODE_MULTI_WRITER");
    await client.stage(volume, { stagingPath, capability: shared });
    await client.unstage(volume.volumeId, stagingPath);
    const released = await runCommandLine(
      ["release", volume.volumeId, "--node", "node-9"],
      driver.environment,
    );
    assert.match(released.stdout, /taken from node node-9/, released.stderr);
    await client.stage(volume, { stagingPath });
    await client.unstage(volume.volumeId, stagingPath);
    await client.deprovision(volume.volumeId);
  });

  it("takes a Secret's keys to the server, and puts them into no log, argument or file on the disk", async () => {
    const { accessKeyId, secretAccessKey } = driver.s3;
    const secrets = { accessKeyId, secretAccessKey };
    const parameters = { authenticationSource: "secret" };
    const volume = await client.provision({ name: "pvc-secret", parameters, secrets });
    await client.stage(volume, { stagingPath, secrets });
    const search = ["-rlF", secretAccessKey, driver.run.stateDir];
    assert.equal(spawnSync("grep", search, { encoding: "utf8" }).stdout, "");
    const ours = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line.includes(driver.run.folder));
    assert.ok(ours.some((line) => line.includes("--credentials")));
    assert.ok(!ours.some((line) => line.includes(secretAccessKey)));
    const wrong = { ...secrets, secretAccessKey: "not-the-secret" };
    await assert.rejects(client.deprovision(volume.volumeId, wrong), (error: Error) => {
      assert.match(error.message, /UNAUTHENTICATED/);
      return !error.message.includes("not-the-secret");
    });
    await client.unstage(volume.volumeId, stagingPath);
    await client.deprovision(volume.volumeId, secrets);
    assert.match(driver.everyLog(), /"volumeId":"s3files-pvc-secret/);
    for (const secret of [secretAccessKey, "not-the-secret"]) {
      assert.ok(!driver.everyLog().includes(secret));
    }
  });

  it("needs to write its node's record for a volume of one node at a time, and for no other", async () => {
    const faults = `${driver.s3.endpoint}/_dev-s3/faults`;
    const body = { operation: "PutObject", action: { kind: "status", status: 403 } };
    await fetch(faults, { method: "POST", body: JSON.stringify(body) });
    try {
      const volume = existing();
      const single = client.stage(volume, { stagingPath });
      await assert.rejects(
        single,
        /PERMISSION_DENIED: Volume a static volume: .*records.*AccessDenied/,
      );
      for (const mode of ["MULTI_NODE_MULTI_WRITER", "MULTI_NODE_READER_ONLY"] as const) {
        await client.stage(volume, { stagingPath, capability: mountCapabilityOf(mode) });
        await client.unstage(volume.volumeId, stagingPath);
      }
    } finally {
      await fetch(faults, { method: "DELETE" });
    }
    assert.deepEqual(driver.run.leftovers(), []);
  });
});
