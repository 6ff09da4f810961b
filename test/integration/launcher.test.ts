import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive, lockOwner, PrivateRun } from "../support/private-run.ts";

describe("s3files-launcher", function () {
  this.timeout(30_000);
  let run: PrivateRun;
  let pin: string;
  let holder: readonly string[];
  let serverLock: string;

  const launcher = (...args: readonly string[]) => {
    const { status, stderr } = spawnSync(run.launcher, args, { encoding: "utf8" });
    return { status, stderr: stderr.trim() };
  };
  const succeeds = (...args: readonly string[]) =>
    assert.deepEqual(launcher(...args), { status: 0, stderr: "" });
  const inside = (command: string) =>
    execFileSync("nsenter", [`--net=${pin}`, "bash", "-c", command], { encoding: "utf8" });
  const serve = (...args: readonly string[]) => {
    const [, , , socket = ""] = holder;
    return ["serve", "--socket", socket, "--lock", serverLock, ...args];
  };
  const capable = () => {
    const [, effective = "0"] =
      /^CapEff:\s+(\w+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    const sysResource = 24n;
    return ((BigInt(`0x${effective}`) >> sysResource) & 1n) === 1n;
  };

  beforeEach(() => {
    run = new PrivateRun();
    for (const folder of ["netns", "holders", "servers"]) {
      mkdirSync(join(run.runDir, folder), { recursive: true });
    }
    pin = join(run.runDir, "netns", "v");
    serverLock = join(run.runDir, "servers", "v.lock");
    holder = [
      ...["--pin", pin, "--socket", join(run.runDir, "holders", "v.sock")],
      ...["--lock", join(run.runDir, "holders", "v.lock")],
      ...["--output", join(run.runDir, "servers", "v.log")],
    ];
  });
  afterEach(() => run[Symbol.dispose]());

  it("makes a namespace that holds only lo, up, and keeps the one that is there", () => {
    succeeds("make-namespace", "--pin", pin);
    const identity = inside("readlink /proc/self/ns/net");
    succeeds("make-namespace", "--pin", pin);
    assert.equal(inside("readlink /proc/self/ns/net"), identity);
    assert.match(inside("ip -o link"), /^1: lo: <LOOPBACK,UP[^\n]*\n$/);
  });

  it("makes a pin anew that is no namespace, as a reboot or a crash leaves it", () => {
    writeFileSync(pin, "");
    succeeds("make-namespace", "--pin", pin);
    assert.match(inside("readlink /proc/self/ns/net"), /^net:/);
  });

  it("removes a namespace, also one that is gone already", () => {
    succeeds("make-namespace", "--pin", pin);
    succeeds("remove-namespace", "--pin", pin);
    succeeds("remove-namespace", "--pin", pin);
    assert.equal(existsSync(pin), false);
  });

  it("leaves one holder behind, however often it is asked, without a capability", () => {
    succeeds("make-namespace", "--pin", pin);
    succeeds("hold", ...holder);
    const pid = lockOwner(join(run.runDir, "holders", "v.lock"));
    succeeds("hold", ...holder);
    assert.equal(lockOwner(join(run.runDir, "holders", "v.lock")), pid);
    assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /CapEff:\s+0+\nCapBnd:\s+0+\n/);
    inside("exec 3<>/dev/tcp/127.0.0.1/2049");
  });

  it("executes a program with the listening socket at descriptor 3 and almost no capability", () => {
    succeeds("make-namespace", "--pin", pin);
    succeeds("hold", ...holder);
    const script = "readlink /proc/self/fd/3; grep -c CapPrm:.0000000000000004 /proc/self/status";
    const { stdout, status } = spawnSync(
      run.launcher,
      serve("--allow-no-io-flusher", "--", "bash", "-c", script),
      { encoding: "utf8" },
    );
    assert.deepEqual([status, stdout.replace(/\d+(?=\])/, "N")], [0, "socket:[N]\n1\n"]);
  });

  it("sets PR_SET_IO_FLUSHER for the program, or says which capability is missing", () => {
    succeeds("make-namespace", "--pin", pin);
    succeeds("hold", ...holder);
    const flags =
      "open F, '/proc/self/stat'; <F> =~ /.*\\) (.*)/; exit !((split / /, $1)[6] & 0x100000)";
    const { status, stderr } = launcher(...serve("--", "perl", "-e", flags));
    if (capable()) assert.deepEqual([status, stderr], [0, ""]);
    else {
      assert.equal(status, 1);
      assert.match(stderr, /PR_SET_IO_FLUSHER needs CAP_SYS_RESOURCE/);
    }
  });

  it("lets a second server wait until the first is gone, and no longer than it is told", async () => {
    succeeds("make-namespace", "--pin", pin);
    succeeds("hold", ...holder);
    const first = spawn(run.launcher, serve("--allow-no-io-flusher", "--", "sleep", "60"));
    while (lockOwner(serverLock) !== first.pid) await sleep(5);
    const busy = launcher(...serve("--wait", "50", "--allow-no-io-flusher", "--", "true"));
    assert.equal(busy.status, 75);
    assert.match(busy.stderr, /another process serves this volume/);
    const second = spawn(
      run.launcher,
      serve("--wait", "20000", "--allow-no-io-flusher", "--", "true"),
    );
    const exit = once(second, "exit");
    first.kill("SIGKILL");
    assert.deepEqual(await exit, [0, null]);
  });

  it("ends the owner of a lock, by force when it does not end by itself, and nobody else", async () => {
    succeeds("make-namespace", "--pin", pin);
    succeeds("hold", ...holder);
    succeeds("end", "--lock", join(run.runDir, "servers", "none.lock"), "--grace", "0");
    const deaf = "trap '' TERM; touch $0; while :; do read -rt 1 <> <(:); done";
    const ready = join(run.folder, "deaf");
    const child = spawn(
      run.launcher,
      serve("--allow-no-io-flusher", "--", "bash", "-c", deaf, ready),
    );
    const exit = once(child, "exit");
    while (!existsSync(ready)) await sleep(5);
    succeeds("end", "--lock", serverLock, "--grace", "100");
    assert.deepEqual(await exit, [null, "SIGKILL"]);
    // The file still names a pid. It is nobody's any more, whoever may get it.
    writeFileSync(serverLock, `${process.pid}\n`);
    succeeds("end", "--lock", serverLock, "--grace", "0");
    assert.ok(isAlive(process.pid));
  });

  it("refuses unknown mount flags, and names what a kernel without an NFS client lacks", () => {
    succeeds("make-namespace", "--pin", pin);
    const mount = (flags: string, type: string) =>
      launcher(
        ...["mount", "--pin", pin, "--target", run.folder, "--source", "127.0.0.1:/"],
        ...["--type", type, "--flags", flags, "--options", "vers=4.2,addr=127.0.0.1"],
      );
    assert.match(mount("nosuid,shiny", "nfs4").stderr, /no mount flag shiny/);
    const { status, stderr } = mount("nosuid,ro", "nfs9");
    assert.equal(status, 1);
    assert.match(stderr, /this kernel has no file system type nfs9.*modprobe nfsv4/);
  });

  it("refuses options that a command needs and does not have", () => {
    assert.equal(launcher("hold", "--pin", pin).status, 2);
    assert.equal(launcher("serve", "--wait", "soon").status, 2);
    assert.equal(launcher("fly").status, 2);
  });
});
