import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
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

  describe("with several pods", () => {
    let keeper: readonly string[];
    const lockOf = (folder: string) => join(run.runDir, folder, "v.lock");
    const holderSocket = () => join(run.runDir, "holders", "v.sock");
    const keeperSocket = () => join(run.runDir, "keepers", "v.sock");

    /** A pod: a pid namespace in which a command has been run; it ends as a whole. */
    const pod = async (...args: readonly string[]) => {
      const script = '"$@" && echo done && exec sleep 100';
      const child = spawn(
        "unshare",
        ["-p", "-f", "--kill-child", "bash", "-c", script, "bash", run.launcher, ...args],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      await once(child.stdout, "data");
      return async () => {
        child.kill("SIGKILL");
        await once(child, "exit");
      };
    };
    /** Which socket a holder hands out. */
    const identity = (socket: string) => {
      const lock = join(run.runDir, "servers", "probe.lock");
      const { stdout, stderr } = spawnSync(
        run.launcher,
        [
          ...["serve", "--socket", socket, "--lock", lock, "--allow-no-io-flusher"],
          ...["--", "readlink", "/proc/self/fd/3"],
        ],
        { encoding: "utf8" },
      );
      assert.equal(stderr, "");
      return stdout.trim();
    };

    beforeEach(() => {
      mkdirSync(join(run.runDir, "keepers"));
      keeper = [
        ...["--pin", pin, "--socket", keeperSocket(), "--lock", lockOf("keepers")],
        ...["--from", holderSocket()],
      ];
      succeeds("make-namespace", "--pin", pin);
    });

    it("keeps a socket that takes connections after the pod with its holder has gone, and gives it back", async () => {
      const endPod = await pod("hold", ...holder);
      const before = identity(holderSocket());
      succeeds("keep", ...keeper);
      succeeds("keep", ...keeper);
      await endPod();
      assert.equal(launcher("keep", ...keeper).status, 0, "what is kept is kept");
      inside("exec 3<>/dev/tcp/127.0.0.1/2049");
      succeeds("hold", ...holder, "--from", keeperSocket());
      assert.equal(identity(holderSocket()), before);
    });

    it("replaces the holder of another pod by one here, with the same socket", async () => {
      const endPod = await pod("hold", ...holder);
      const before = identity(holderSocket());
      succeeds("hold", ...holder);
      const pid = lockOwner(lockOf("holders"));
      assert.ok(pid !== undefined && isAlive(pid));
      await endPod();
      assert.equal(identity(holderSocket()), before);
    });

    it("gets the socket from a holder whose door somebody moved away and died", () => {
      succeeds("hold", ...holder);
      const before = identity(holderSocket());
      const pid = lockOwner(lockOf("holders"));
      renameSync(holderSocket(), `${holderSocket()}.old`);
      succeeds("hold", ...holder);
      assert.equal(identity(holderSocket()), before);
      assert.equal(pid !== undefined && isAlive(pid), false);
      assert.equal(existsSync(`${holderSocket()}.old`), false);
    });

    it("gets the socket from a running server when its holder has gone with another pod", async () => {
      const endPod = await pod("hold", ...holder);
      const before = identity(holderSocket());
      const program = ["--allow-no-io-flusher", "--", "sleep", "60"];
      const server = spawn(run.launcher, serve(...program), { stdio: "ignore" });
      while (lockOwner(serverLock) !== server.pid) await sleep(5);
      await endPod();
      succeeds("hold", ...holder, "--server", serverLock);
      assert.equal(identity(holderSocket()), before);
      server.kill();
      await once(server, "exit");
    });

    it("does not keep the socket of a namespace that is gone", () => {
      succeeds("hold", ...holder);
      succeeds("keep", ...keeper);
      succeeds("release", "--socket", holderSocket(), "--lock", lockOf("holders"), "--grace", "9");
      succeeds("remove-namespace", "--pin", pin);
      succeeds("make-namespace", "--pin", pin);
      succeeds("hold", ...holder, "--from", keeperSocket());
      inside("exec 3<>/dev/tcp/127.0.0.1/2049");
      const now = identity(holderSocket());
      assert.notEqual(identity(keeperSocket()), now);
      succeeds("keep", ...keeper);
      assert.equal(identity(keeperSocket()), now);
    });

    it("ends a holder of another pod, and says that it cannot end a server there", async () => {
      const endPod = await pod("hold", ...holder);
      const release = ["release", "--socket", holderSocket(), "--lock", lockOf("holders")];
      succeeds(...release, "--grace", "5000");
      succeeds(...release, "--grace", "5000");
      assert.throws(() => inside("exec 3<>/dev/tcp/127.0.0.1/2049"), /refused/);
      succeeds("hold", ...holder);
      const arrives = ["-c", 'echo here > "$1"; exec sleep 100', "bash", join(run.folder, "here")];
      const server = serve("--allow-no-io-flusher", "--", "bash", ...arrives);
      const serverPod = spawn("unshare", ["-p", "-f", "--kill-child", run.launcher, ...server]);
      while (!existsSync(join(run.folder, "here"))) await sleep(5);
      const { status, stderr } = launcher("end", "--lock", serverLock, "--grace", "0");
      assert.equal(status, 76);
      assert.match(stderr, /another pid namespace/);
      serverPod.kill("SIGKILL");
      await once(serverPod, "exit");
      await endPod();
    });
  });

  describe("as PID 1", () => {
    /** Runs `script` under it in a pid namespace of its own. */
    const start = (script: string) =>
      spawn(
        "unshare",
        [
          "-p",
          "-f",
          "--mount-proc",
          "--kill-child",
          run.launcher,
          "init",
          "--",
          "bash",
          "-c",
          script,
        ],
        { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, FOLDER: run.folder } },
      );

    it("starts a killed program again, and leaves its orphans alone", async () => {
      const child = start(`
        if [ ! -e $FOLDER/again ]; then
          touch $FOLDER/again; (sleep 100 & echo $! > $FOLDER/orphan); kill -9 $$
        fi
        kill -0 $(cat $FOLDER/orphan) && echo alive; exit 0`);
      const [text] = (await once(child.stdout, "data")) as [Buffer];
      assert.equal(text.toString(), "alive\n");
      assert.deepEqual(await once(child, "exit"), [0, null]);
    });

    it("passes SIGTERM on and ends with the program, everything with it", async () => {
      const child = start("trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done");
      await once(child.stdout, "data");
      // unshare itself ignores the signal: it is for its child.
      const pid = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8"));
      process.kill(pid, "SIGTERM");
      assert.deepEqual(await once(child, "exit"), [7, null]);
    });

    it("gives up at once when the program is called wrongly or cannot be run", async () => {
      assert.deepEqual(await once(start("exit 2"), "exit"), [2, null]);
      assert.equal(launcher("init", "--", "/no/such/program").status, 127);
    });
  });
});
