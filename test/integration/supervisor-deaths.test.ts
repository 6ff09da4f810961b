import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { Launcher } from "../../src/supervisor/launcher.ts";
import { SocketKeeper } from "../../src/supervisor/socket-keeper.ts";
import { volumeSpec } from "../fakes/volume-spec.ts";
import { SupervisorFixture, until } from "../support/supervisor-fixture.ts";

const { volumeId } = volumeSpec();

/** A launcher that stands still before or after the command that it is told, once and until it may go on. */
class HaltingLauncher {
  readonly path: string;
  readonly #folder: string;

  constructor(folder: string, launcher: string) {
    this.#folder = folder;
    this.path = join(folder, "launcher");
    mkdirSync(folder);
    const wait = `while ! [ -e "${folder}/on" ]; do sleep 0.05; done`;
    const halt = (when: string) =>
      `if rm "${folder}/${when}-$name" 2>/dev/null; then exec </dev/null; : >"${folder}/halted"; ${wait}; fi`;
    const script = [
      ...["#!/bin/sh", 'name=$1; case "$*" in "lock "*--owner*) name=begin;; esac', halt("before")],
      ...[`case $1 in serve) exec "${launcher}" "$@";; esac`],
      ...[`"${launcher}" "$@"`, "code=$?", halt("after"), "exit $code", ""],
    ];
    writeFileSync(this.path, script.join("\n"));
    chmodSync(this.path, 0o755);
  }

  haltAt(point: string): void {
    writeFileSync(join(this.#folder, point), "");
  }

  goOn(): void {
    writeFileSync(join(this.#folder, "on"), "");
  }

  get hasHalted(): boolean {
    return existsSync(join(this.#folder, "halted"));
  }
}

/** The supervisor below a pod's init, by its pid here. */
function supervisorIn(launcher: HaltingLauncher): number {
  const found = execFileSync("pgrep", ["-f", `^[^ ]*node .*supervisor .*${launcher.path}`]);
  return Number(found.toString().trim());
}

describe("a take-over between two pods in which one side dies", function () {
  this.timeout(60_000);
  let fixture: SupervisorFixture;
  let keeper: SocketKeeper;
  let first: HaltingLauncher;
  let second: HaltingLauncher;
  beforeEach(async () => {
    fixture = new SupervisorFixture();
    const { runDir, launcher: path, folder } = fixture.run;
    [first, second] = [
      new HaltingLauncher(join(folder, "first"), path),
      new HaltingLauncher(join(folder, "second"), path),
    ];
    const launcher = new Launcher({ path, allowNoIoFlusher: true });
    keeper = new SocketKeeper({ runDir }, { launcher, clock: systemClock, log: silentLog });
    await fixture.startPod("--take-over", "--launcher", first.path);
  });
  afterEach(() => fixture[Symbol.dispose]());

  const servers = () =>
    spawnSync("pgrep", ["-f", `^[^ ]*node .*--volume-dir ${fixture.paths().folder} `])
      .stdout.toString()
      .split("\n")
      .filter((pid) => pid !== "").length;

  /** What the supervisor in charge says of the volume. */
  const isServed = async () => {
    try {
      const { volumes } = await fixture.client.status();
      return volumes.some((one) => one.state === "running" && one.usage !== undefined);
    } catch {
      return false; // nobody is in charge at this moment
    }
  };

  it("goes on when the first pod is told to end while the second one takes over", async () => {
    const { pin } = await fixture.start();
    const pod = fixture.supervisor;
    second.haltAt("before-serve");
    const taken = fixture.startPod("--take-over", "--launcher", second.path);
    await until(() => second.hasHalted);
    process.kill(supervisorIn(first), "SIGTERM");
    await once(pod, "exit");
    second.goOn();
    await taken;
    assert.ok((await fixture.ask(pin)) > 0);
    assert.equal(servers(), 1);
    assert.ok(await isServed());
  });

  // Who dies, and at which command of whose launcher.
  for (const [dying, halting, points] of [
    ["second", "second", [...["after-hold", "before-serve", "after-begin", "before-lock"]]],
    ["second", "first", ["before-end"]],
    ["first", "first", ["before-end", "after-end"]],
  ] as const) {
    for (const point of points) {
      for (const what of ["supervisor", "pod"]) {
        it(`has one server behind the socket in the end: the ${dying} ${what} dies, ${point} of the ${halting}`, async () => {
          const { pin } = await fixture.start();
          await keeper.keep(volumeId);
          const launchers = { first, second };
          const launcher = launchers[halting];
          const pods = { first: fixture.supervisor, second: fixture.supervisor };
          // Its first lock is the attempt that finds the predecessor's.
          const isLock = point.endsWith("-lock");
          if (!isLock) launcher.haltAt(point);
          const taken = fixture
            .startPod("--take-over", "--launcher", second.path)
            .catch(() => undefined);
          pods.second = fixture.supervisor;
          if (isLock) {
            await until(() => pods.first.said().includes("Handing over"));
            launcher.haltAt(point);
          }
          await until(() => launcher.hasHalted);
          if (what === "pod") await fixture.run.end(pods[dying], "SIGKILL");
          else process.kill(supervisorIn(launchers[dying]), "SIGKILL");
          if (dying !== halting) launcher.goOn();
          // Taken, and answered unless by a server that dies at this moment.
          while ((await fixture.ask(pin)) === 0);
          while (!((await isServed()) && servers() === 1)) await sleep(50);
          assert.ok((await fixture.ask(pin)) > 0);
          if (dying === "second" && what === "pod") await taken;
          while ((await fixture.client.stop(volumeId).catch(() => "again")) === "again") {
            await sleep(50);
          }
          while (servers() > 0) await sleep(50);
        });
      }
    }
  }
});
