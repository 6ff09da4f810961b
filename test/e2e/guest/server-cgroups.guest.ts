import assert from "node:assert/strict";
import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { silentLog } from "../../../src/base/log.ts";
import { Launcher } from "../../../src/supervisor/launcher.ts";
import { MemoryCgroups } from "../../../src/supervisor/memory-cgroups.ts";
import { runFolders, volumePaths } from "../../../src/supervisor/volume-paths.ts";

const runDir = "/run/cgroups-test";

describe("the cgroups of volume servers, by the kernel", function () {
  this.timeout(120_000);
  const launcher = new Launcher({
    path: join(import.meta.dirname, "../../../build/bin/s3files-launcher"),
    allowNoIoFlusher: true,
  });
  const filling = "const b = []; for (;;) b.push(Buffer.alloc(2 ** 20, 1));";
  const idle = "setInterval(() => {}, 1000)";
  const children: ChildProcess[] = [];

  const server = async (digest: string, script: string, cgroup: string) => {
    const paths = volumePaths({ runDir, stateDir: runDir }, digest);
    await launcher.makeListener(paths);
    const child = launcher.startServer(paths, {
      ...{ program: process.execPath, programArguments: ["-e", script, "--"], serveArguments: [] },
      cgroup,
    });
    children.push(child);
    return { paths, child };
  };
  const members = (cgroup: string) => readFileSync(join(cgroup, "cgroup.procs"), "utf8").trim();

  before(() => {
    for (const folder of runFolders) mkdirSync(join(runDir, folder), { recursive: true });
  });
  after(() => {
    for (const child of children) child.kill("SIGKILL");
    execFileSync("rm", ["-rf", runDir]);
  });

  it("kill a server over its limit alone, say so, and go with their volumes", async () => {
    const cgroups = MemoryCgroups.open(silentLog);
    assert.ok(cgroups !== undefined);
    const [quietGroup, greedyGroup] = ["quiet", "greedy"].map((digest) =>
      cgroups.make(digest, 2 ** 20),
    );
    assert.ok(quietGroup !== undefined && greedyGroup !== undefined);
    const quiet = await server("quiet", idle, quietGroup);
    const greedy = await server("greedy", filling, greedyGroup);
    const [code, signal] = (await once(greedy.child, "exit")) as [number | null, string | null];
    assert.deepEqual([code, signal], [null, "SIGKILL"]);
    assert.ok(cgroups.kills("greedy") > 0);
    assert.equal(cgroups.kills("quiet"), 0);
    assert.equal(members(quietGroup), String(quiet.child.pid));
    assert.equal(members(greedyGroup), "");
    await launcher.endServer(quiet.paths, 1_000);
    for (const { paths } of [quiet, greedy]) {
      await launcher.removeListener(paths);
      cgroups.remove(paths.digest);
    }
    assert.ok(!existsSync(quietGroup) && !existsSync(greedyGroup));
  });
});
