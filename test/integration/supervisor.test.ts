import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { ControlError } from "../../src/control/error.ts";
import { Launcher } from "../../src/supervisor/launcher.ts";
import { RunningServer } from "../../src/supervisor/running-server.ts";
import { Supervisor } from "../../src/supervisor/supervisor.ts";
import { SupervisorLock } from "../../src/supervisor/supervisor-lock.ts";
import { supervisorLock } from "../../src/supervisor/volume-paths.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { volumeSpec } from "../fakes/volume-spec.ts";
import { isAlive, lockOwner } from "../support/private-run.ts";
import { SupervisorFixture, until } from "../support/supervisor-fixture.ts";

const spec = volumeSpec();

async function refusal(call: Promise<unknown>): Promise<ControlError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ControlError, `refused, not ${String(error)}`);
  return error;
}

describe("the supervisor with real processes and namespaces", function () {
  this.timeout(120_000);
  let fixture: SupervisorFixture;

  beforeEach(async () => {
    fixture = new SupervisorFixture();
    await fixture.startSupervisor();
  });
  afterEach(() => fixture[Symbol.dispose]());

  it("serves a volume at 127.0.0.1:2049 of its own network namespace, and nowhere else", async () => {
    const { pin } = await fixture.start();
    assert.equal(
      execFileSync("stat", ["-f", "-c", "%T", pin], { encoding: "utf8" }).trim(),
      "nsfs",
    );
    assert.equal(await fixture.ask(pin), await fixture.pid());
    const outside = createConnection(2049, "127.0.0.1");
    const [error] = (await once(outside, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNREFUSED");
  });

  it("starts a volume once, however often it is asked", async () => {
    const first = await fixture.start();
    const pid = await fixture.pid();
    const again = await Promise.all([fixture.start(), fixture.start()]);
    assert.deepEqual(again, [first, first]);
    assert.equal(await fixture.pid(), pid);
  });

  it("restarts a killed server behind the same socket, and a client that connects in between is served", async () => {
    const { pin } = await fixture.start();
    const [pid, holder] = [await fixture.pid(), lockOwner(fixture.paths().holderLock)];
    process.kill(pid, "SIGSTOP");
    const waiting = fixture.ask(pin);
    // The kernel has taken the connection when the namespace's table shows it.
    const table = () =>
      execFileSync("nsenter", [`--net=${pin}`, "cat", "/proc/net/tcp"], { encoding: "utf8" });
    await until(() => /0100007F:0801 0100007F:[0-9A-F]{4} 01/.test(table()));
    process.kill(pid, "SIGKILL");
    const served = await waiting;
    assert.notEqual(served, pid);
    // The server accepts before the supervisor knows it: a question waits for that.
    await fixture.client.usage(spec.volumeId);
    assert.equal(served, await fixture.pid());
    assert.equal(lockOwner(fixture.paths().holderLock), holder);
    const [volume] = (await fixture.client.status()).volumes;
    assert.equal(volume?.restarts, 1);
    assert.match(fixture.supervisor.said(), /"Volume server died".*"signal":"SIGKILL"/);
  });

  it("replaces a server that stands still", async () => {
    const { pin } = await fixture.start();
    const pid = await fixture.pid();
    const clock = new FakeClock();
    const { launcher: path } = fixture.run;
    const launcher = new Launcher({ path, allowNoIoFlusher: true });
    // A second watch over it, whose time can be moved.
    const watched = await RunningServer.adopt(fixture.paths(), { launcher, clock, log: silentLog });
    process.kill(pid, "SIGSTOP");
    const waiting = fixture.ask(pin);
    let isOver = false;
    void watched?.ended.then(() => {
      isOver = true;
    });
    while (!isOver) {
      await clock.advance(5_000);
      await sleep(20);
    }
    assert.notEqual(await waiting, pid);
  });

  it("answers a flush that a dying server did not answer through its successor", async () => {
    await fixture.start();
    const pid = await fixture.pid();
    const flush = fixture.client.flush(spec.volumeId, 1234);
    await sleep(50);
    execFileSync("touch", [join(fixture.paths().folder, "asked")]);
    process.kill(pid, "SIGKILL");
    assert.deepEqual(await flush, { pendingBytes: 0, oldestPendingMs: 0 });
  });

  it("leaves servers running when it is killed, and takes them over when it is started again", async () => {
    const { pin } = await fixture.start();
    const pid = await fixture.pid();
    await fixture.run.end(fixture.supervisor, "SIGKILL");
    assert.equal(await fixture.ask(pin), pid);
    await fixture.startSupervisor();
    assert.equal(await fixture.pid(), pid);
    // And keeps them running: an adopted server is restarted like its own.
    process.kill(pid, "SIGKILL");
    assert.notEqual(await fixture.ask(pin), pid);
    await fixture.client.stop(spec.volumeId);
    assert.deepEqual(fixture.leftovers(), []);
  });

  it("starts a server that died while no supervisor ran behind the socket that stayed", async () => {
    const { pin } = await fixture.start();
    const [pid, holder] = [await fixture.pid(), lockOwner(fixture.paths().holderLock)];
    await fixture.run.end(fixture.supervisor, "SIGKILL");
    process.kill(pid, "SIGKILL");
    const waiting = fixture.ask(pin);
    await fixture.startSupervisor();
    assert.notEqual(await waiting, pid);
    assert.equal(lockOwner(fixture.paths().holderLock), holder);
  });

  it("ends servers in order at SIGTERM and keeps their sockets for the next supervisor", async () => {
    const { pin } = await fixture.start();
    const pid = await fixture.pid();
    assert.equal(await fixture.run.end(fixture.supervisor, "SIGTERM"), 0);
    assert.equal(isAlive(pid), false);
    assert.ok(
      existsSync(join(fixture.paths().folder, "leftover.json")),
      "the server ended in order",
    );
    const waiting = fixture.ask(pin);
    await fixture.startSupervisor();
    assert.equal(await waiting, await fixture.pid());
  });

  it("leaves no process, namespace, mount or file when a clean volume is stopped", async () => {
    await fixture.start(spec, { key: "secret" });
    const paths = fixture.paths();
    const pids = [await fixture.pid(), lockOwner(paths.holderLock)];
    await fixture.client.stop(spec.volumeId);
    for (const pid of pids) assert.equal(pid !== undefined && isAlive(pid), false);
    assert.deepEqual(fixture.leftovers(), []);
    assert.equal(existsSync(paths.folder), false);
    assert.equal(readFileSync("/proc/self/mountinfo", "utf8").includes(paths.pin), false);
    assert.deepEqual((await fixture.client.status()).volumes, []);
    await fixture.client.stop(spec.volumeId);
  });

  it("keeps and reports the state of a volume with pending data, and starts from it again", async () => {
    const pending = volumeSpec({ bucket: "pending" });
    await fixture.start(pending, { key: "secret" });
    await fixture.client.stop(pending.volumeId);
    const [volume] = (await fixture.client.status()).volumes;
    assert.equal(volume?.state, "stopped");
    assert.equal(volume?.leftover?.pendingBytes, 4096);
    assert.ok(existsSync(fixture.paths().folder));
    assert.ok(existsSync(fixture.paths().credentials), "its export will need them");
    assert.equal(await fixture.client.usage(pending.volumeId), undefined);
    await fixture.start(pending, { key: "secret" });
    assert.equal((await fixture.client.usage(pending.volumeId))?.pendingBytes, 4096);
    assert.equal((await fixture.client.conflicts(pending.volumeId))?.files[0]?.name, "a");
  });

  it("refuses a known handle with another bucket, prefix or endpoint, and leaves the volume alone", async () => {
    await fixture.start();
    const pid = await fixture.pid();
    for (const other of [
      { bucket: "other" },
      { prefix: "p/" },
      { endpoint: "http://127.0.0.1:1" },
    ]) {
      const { code, message } = await refusal(fixture.start(volumeSpec(other)));
      assert.equal(code, "identity");
      assert.match(message, /pvc-1\/data.*bucket 'data'/);
    }
    assert.equal(await fixture.pid(), pid);
  });

  it("passes S3's answers up as they are and leaves nothing of a first start that fails", async () => {
    const missing = await refusal(fixture.start(volumeSpec({ bucket: "missing" })));
    assert.deepEqual([missing.code, missing.message], ["noSuchBucket", "no bucket 'missing'"]);
    const denied = await refusal(fixture.start(volumeSpec({ bucket: "denied" }), { key: "bad" }));
    assert.equal(denied.code, "denied");
    assert.deepEqual(fixture.leftovers(), []);
    assert.deepEqual(readdirSync(join(fixture.run.stateDir, "volumes")), []);
  });

  it("says that a server ended before it answered, and leaves nothing of it", async () => {
    const { code, message } = await refusal(fixture.start(volumeSpec({ bucket: "broken" })));
    assert.equal(code, "supervisor");
    assert.match(message, /exit code 3/);
    assert.deepEqual(fixture.leftovers(), []);
  });

  it("serves with new credentials or parameters from the next start on, behind the same socket", async () => {
    const denied = volumeSpec({ bucket: "denied" });
    const { pin } = await fixture.start(denied, { key: "good" });
    const first = await fixture.ask(pin);
    const error = await refusal(fixture.start(denied, { key: "bad" }));
    assert.equal(error.code, "denied");
    await fixture.start(denied, { key: "good" });
    await fixture.start({ ...denied, writeBackDelayMs: 1 }, { key: "good" });
    assert.notEqual(await fixture.ask(pin), first);
    assert.equal(statSync(fixture.paths(denied).credentials).mode & 0o777, 0o600);
  });

  it("refuses a second supervisor on the same directories", async () => {
    const { runDir, stateDir } = fixture.run;
    const second = fixture.run.start("src/main.ts", [
      ...["supervisor", "--run-dir", runDir, "--state-dir", stateDir],
    ]);
    await once(second, "exit");
    assert.equal(second.exitCode, 1);
    assert.match(second.said(), /Another supervisor serves/);
    assert.deepEqual((await fixture.client.status()).volumes, []);
  });

  it("lets one of two supervisors win that are opened at the same moment", async () => {
    await fixture.run.end(fixture.supervisor, "SIGKILL");
    const { runDir, stateDir, launcher } = fixture.run;
    const server = { node: "/nowhere", args: [] };
    const both = [1, 2].map(
      () =>
        new Supervisor(
          { runDir, stateDir, launcher, allowNoIoFlusher: true, server },
          {
            ...{ clock: systemClock, log: silentLog, passOn: () => undefined },
            lock: new SupervisorLock({ path: supervisorLock(runDir), launcher }),
          },
        ),
    );
    const opened = await Promise.allSettled(both.map((one) => one.open()));
    for (const one of both) await one.close({ stopVolumes: false });
    assert.deepEqual(opened.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  });

  it("passes on what servers log, words without form too", async () => {
    await fixture.start();
    await refusal(fixture.start(volumeSpec({ volumeId: "b", bucket: "broken" })));
    const lines = fixture.supervisor
      .said()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const own = lines.find(({ component }) => component === "fake");
    assert.equal(own?.["volumeId"], spec.volumeId);
    assert.deepEqual(own?.["arguments"], ["--max-old-space-size=128"]);
    const formless = lines.find(({ output }) => output === "these are no JSON");
    assert.equal(formless?.["volumeId"], "b");
  });

  it("ends volumes and namespaces at SIGTERM when it is told to", async () => {
    await fixture.run.end(fixture.supervisor, "SIGTERM");
    await fixture.startSupervisor("--stop-volumes-on-exit");
    await fixture.start();
    await fixture.run.end(fixture.supervisor, "SIGTERM");
    assert.deepEqual(fixture.leftovers(), []);
  });
});
