import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { Launcher } from "../../src/supervisor/launcher.ts";
import { SocketKeeper } from "../../src/supervisor/socket-keeper.ts";
import { SupervisorLock } from "../../src/supervisor/supervisor-lock.ts";
import { supervisorLock, supervisorSocket } from "../../src/supervisor/volume-paths.ts";
import { volumeSpec } from "../fakes/volume-spec.ts";
import { isAlive, lockOwner } from "../support/private-run.ts";
import { SupervisorFixture, until } from "../support/supervisor-fixture.ts";

const spec = volumeSpec();

/** A volume's server, by its pid here. */
function lockOwnerOf(folder: string): number {
  const found = execFileSync("pgrep", ["-f", `^[^ ]*node .*--volume-dir ${folder} `]);
  return Number(found.toString().trim());
}

/** What a supervisor answers when it is asked whether it is ready. */
async function readiness(supervisor: { readonly said: () => string }): Promise<number> {
  const port = [...supervisor.said().matchAll(/"port":(\d+)/g)].at(-1)?.[1];
  return (await fetch(`http://127.0.0.1:${port}/readyz`)).status;
}

/** The supervisor of a run directory, by its pid here and not in its pod. */
function lockOwnerIn(runDir: string): number {
  const found = execFileSync("pgrep", ["-f", `^[^ ]*node .*supervisor --run-dir ${runDir} `]);
  return Number(found.toString().trim());
}

describe("supervisors in pods: pid namespaces that end as a whole", function () {
  this.timeout(120_000);
  let fixture: SupervisorFixture;
  let keeper: SocketKeeper;
  beforeEach(async () => {
    fixture = new SupervisorFixture();
    const { runDir, launcher: path } = fixture.run;
    keeper = new SocketKeeper(
      { runDir },
      {
        launcher: new Launcher({ path, allowNoIoFlusher: true }),
        ...{ clock: systemClock, log: silentLog },
      },
    );
    await fixture.startPod();
  });

  it("never makes the port refuse: the keeper's socket outlives a pod that is killed", async () => {
    const { pin } = await fixture.start();
    await keeper.keep(spec.volumeId);
    await fixture.run.end(fixture.supervisor, "SIGKILL");
    const waiting = fixture.ask(pin);
    await fixture.startPod();
    assert.ok((await waiting) > 0);
    await fixture.client.stop(spec.volumeId);
    assert.deepEqual(fixture.leftovers(), []);
  });

  it("gives up what it keeps of a volume that was stopped without it", async () => {
    await fixture.start();
    await keeper.sweep();
    const { keeperLock, marker } = fixture.paths();
    const pid = lockOwner(keeperLock);
    assert.ok(pid !== undefined);
    rmSync(marker);
    await keeper.sweep();
    assert.equal(isAlive(pid), false);
  });

  it("restarts a supervisor that crashed, in its pod, and the servers go on", async () => {
    const { pin } = await fixture.start();
    const server = await fixture.ask(pin);
    const before = fixture.supervisor.said().split("Supervisor ready").length;
    const inPod = lockOwnerIn(fixture.run.runDir);
    process.kill(inPod, "SIGKILL");
    await until(() => fixture.supervisor.said().split("Supervisor ready").length > before);
    assert.equal(await fixture.ask(pin), server);
    assert.equal(await fixture.pid(), server);
  });

  it("hands its volumes over to a second pod, one server after the other, and stands by", async () => {
    const { pin } = await fixture.start();
    const other = volumeSpec({ volumeId: "b" });
    await fixture.start(other);
    const first = fixture.supervisor;
    const before = await fixture.pid();
    await fixture.startPod("--take-over");
    await until(() => first.said().includes("Handed over"));
    assert.deepEqual([await readiness(first), await readiness(fixture.supervisor)], [503, 200]);
    assert.notEqual(await fixture.ask(pin), before);
    const { volumes } = await fixture.client.status();
    assert.deepEqual(
      volumes.map(({ state }) => state),
      ["running", "running"],
    );
    const now = await fixture.ask(pin);
    // Its holders go with it, the successor has its own.
    await fixture.run.end(first, "SIGKILL");
    assert.equal(await fixture.ask(pin), now);
    process.kill(lockOwnerOf(fixture.paths().folder), "SIGKILL");
    assert.ok((await fixture.ask(pin)) > 0);
    for (const { volumeId } of volumes) await fixture.client.stop(volumeId);
    assert.deepEqual(fixture.leftovers(), []);
  });

  it("takes nothing from its successor when it crashes after the hand-over, and stands by again", async () => {
    const { pin } = await fixture.start();
    const first = fixture.supervisor;
    const inFirst = lockOwnerIn(fixture.run.runDir);
    const says = (words: string) => first.said().split(words).length - 1;
    await fixture.startPod("--take-over");
    await until(() => says("standing by") === 1);
    const server = await fixture.ask(pin);
    process.kill(inFirst, "SIGKILL");
    await until(() => says("standing by") === 2);
    assert.equal(await fixture.ask(pin), server);
    assert.deepEqual([await readiness(first), await readiness(fixture.supervisor)], [503, 200]);
    await keeper.keep(spec.volumeId);
    await fixture.run.end(fixture.supervisor, "SIGKILL");
    await until(() => says("in charge again") === 1);
    assert.ok((await fixture.ask(pin)) > 0);
  });

  it("is replaced again and again, also by a pod with the number of an earlier one's namespace", async () => {
    const { pin } = await fixture.start();
    for (let times = 0; times < 3; times += 1) {
      const before = fixture.supervisor;
      const inPod = lockOwnerIn(fixture.run.runDir);
      await fixture.startPod("--take-over");
      process.kill(inPod, "SIGTERM");
      await once(before, "exit");
      assert.ok((await fixture.ask(pin)) > 0);
    }
  });

  it("takes everything back when its successor dies, during the hand-over or after it", async () => {
    const { pin } = await fixture.start();
    const first = fixture.supervisor;
    const says = (words: string) => first.said().split(words).length - 1;
    const dying = fixture.startPod("--take-over").catch(() => undefined);
    await until(() => says("Handing over") === 1);
    await fixture.run.end(fixture.supervisor, "SIGKILL");
    await dying;
    await until(() => says("taking everything back") + says("in charge again") === 1);
    assert.ok((await fixture.ask(pin)) > 0);
    await fixture.client.usage(spec.volumeId);
    await fixture.startPod("--take-over");
    await keeper.keep(spec.volumeId);
    await fixture.run.end(fixture.supervisor, "SIGKILL");
    await until(() => says("in charge again") > 0);
    assert.ok((await fixture.ask(pin)) > 0);
  });

  it("is not taken over by a release that speaks another version of the control protocol", async () => {
    await fixture.run.end(fixture.supervisor, "SIGKILL");
    const { runDir, stateDir, launcher } = fixture.run;
    const lock = new SupervisorLock({ path: supervisorLock(runDir), launcher });
    while (!(await lock.take(1_000)));
    const path = supervisorSocket(runDir);
    rmSync(path, { force: true });
    const newer = createServer((socket) => {
      socket.on("error", () => undefined).write('{"hello":"s3files","newest":9,"oldest":8}\n');
    }).listen(path);
    await once(newer, "listening");
    const { ino } = statSync(path);
    const second = fixture.run.start("src/main.ts", [
      ...["supervisor", "--take-over", "--run-dir", runDir, "--state-dir", stateDir],
      ...["--launcher", launcher],
    ]);
    await once(second, "exit");
    newer.close();
    lock.release();
    assert.equal(second.exitCode, 1);
    assert.match(second.said(), /control protocol 8 to 9, this release 1 to 1/);
    assert.equal(statSync(path, { throwIfNoEntry: false })?.ino ?? ino, ino);
  });
  afterEach(() => fixture[Symbol.dispose]());
});
