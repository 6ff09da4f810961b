import assert from "node:assert/strict";
import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { silentLog } from "../../../src/base/log.ts";
import { Launcher } from "../../../src/supervisor/launcher.ts";
import { ServerCgroups } from "../../../src/supervisor/server-cgroups.ts";
import { runFolders, volumePaths } from "../../../src/supervisor/volume-paths.ts";

const root = "/sys/fs/cgroup";
/** Stands for the container's cgroup: below the root, with processes in it, one of them this test's. */
const container = join(root, "container");
const runDir = "/run/cgroups-test";

describe("the cgroups of volume servers, by the kernel", function () {
  this.timeout(120_000);
  const launcherPath = join(import.meta.dirname, "../../../build/bin/s3files-launcher");
  const filled = "const b = []; for (;;) b.push(Buffer.alloc(2 ** 20, 1));";
  const idle = "setInterval(() => {}, 1000)";
  const children: ChildProcess[] = [];
  let cgroups: ServerCgroups | undefined;
  let launcher: Launcher;

  const server = async (digest: string, script: string, memoryLimitBytes: number) => {
    const paths = volumePaths({ runDir, stateDir: runDir }, digest);
    await launcher.makeListener(paths);
    const child = launcher.startServer(paths, {
      ...{ program: process.execPath, programArguments: ["-e", script, "--"], serveArguments: [] },
      memoryLimitBytes,
    });
    children.push(child);
    return { paths, child };
  };
  const members = (digest: string) =>
    readFileSync(join(container, `s3files-server-${digest}`, "cgroup.procs"), "utf8").trim();

  before(() => {
    for (const folder of runFolders) mkdirSync(join(runDir, folder), { recursive: true });
    writeFileSync(join(root, "cgroup.subtree_control"), "+memory");
    mkdirSync(container);
    writeFileSync(join(container, "cgroup.procs"), String(process.pid));
    cgroups = ServerCgroups.open({ folder: container, ownsAll: true }, silentLog);
    launcher = new Launcher({ path: launcherPath, allowNoIoFlusher: true, cgroups });
  });
  after(() => {
    for (const child of children) child.kill("SIGKILL");
    writeFileSync(join(root, "cgroup.procs"), String(process.pid));
    rmdirSync(join(container, "s3files-supervisor"));
    rmdirSync(container);
    execFileSync("rm", ["-rf", runDir]);
  });

  it("kill a server over its limit alone, say so, and go with their volumes", async () => {
    assert.ok(cgroups !== undefined);
    assert.match(
      readFileSync("/proc/self/cgroup", "utf8"),
      /^0::\/container\/s3files-supervisor$/m,
    );
    const quiet = await server("quiet", idle, 2 ** 20);
    const greedy = await server("greedy", filled, 2 ** 20);
    const [code, signal] = (await once(greedy.child, "exit")) as [number | null, string | null];
    assert.deepEqual([code, signal], [null, "SIGKILL"]);
    assert.match(launcher.causeOfDeath(greedy.paths) ?? "", /over its limit of 129 MiB/);
    assert.equal(launcher.causeOfDeath(quiet.paths), undefined);
    assert.equal(members("quiet"), String(quiet.child.pid));
    assert.equal(members("greedy"), "");
    await launcher.endServer(quiet.paths, 1_000);
    for (const { paths } of [quiet, greedy]) {
      await launcher.removeListener(paths);
      assert.equal(existsSync(join(container, `s3files-server-${paths.digest}`)), false);
    }
  });
});
