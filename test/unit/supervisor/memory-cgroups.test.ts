import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jsonLog, silentLog } from "../../../src/base/log.ts";
import { MemoryCgroups } from "../../../src/supervisor/memory-cgroups.ts";

describe("the memory cgroups of servers", () => {
  let folder: string;
  let root: string;
  const files = () => ({
    mountinfo: join(folder, "mountinfo"),
    own: join(folder, "own"),
    init: join(folder, "init"),
  });
  const content = (...path: string[]) => readFileSync(join(root, ...path), "utf8");

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "s3files-cgroup-"));
    root = join(folder, "cgroup");
    mkdirSync(root);
    writeFileSync(files().mountinfo, `31 23 0:27 / ${root} rw shared:9 - cgroup2 cgroup2 rw\n`);
    writeFileSync(files().own, "0::/\n");
    writeFileSync(files().init, "0::/\n");
    writeFileSync(join(root, "cgroup.controllers"), "cpu memory pids\n");
    writeFileSync(join(root, "cgroup.subtree_control"), "\n");
    writeFileSync(join(root, "cgroup.type"), "domain\n");
    writeFileSync(join(root, "cgroup.procs"), "7\n");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("move the container's processes aside and hand the memory controller down", () => {
    assert.ok(MemoryCgroups.open(silentLog, files()));
    assert.equal(content("supervisor", "cgroup.procs"), "7");
    assert.equal(content("cgroup.subtree_control"), "+memory");
  });

  it("are the container's also where it has the host's cgroup namespace, as a privileged one has", () => {
    const container = join(root, "kubepods/burstable/pod1/c1");
    mkdirSync(container, { recursive: true });
    for (const [name, text] of [
      ["cgroup.controllers", "memory\n"],
      ["cgroup.subtree_control", "\n"],
      ["cgroup.type", "domain\n"],
      ["cgroup.procs", "1\n2\n"],
    ] as const) {
      writeFileSync(join(container, name), text);
    }
    for (const file of [files().own, files().init]) {
      writeFileSync(file, "0::/kubepods/burstable/pod1/c1\n");
    }
    const path = MemoryCgroups.open(silentLog, files())?.make("d", 1);
    assert.equal(path, join(container, "volume-d"));
    assert.equal(content("cgroup.subtree_control"), "\n", "the host's root is changed");
  });

  it("are found again by a supervisor that was started again where its predecessor put all", () => {
    MemoryCgroups.open(silentLog, files());
    for (const file of [files().own, files().init]) writeFileSync(file, "0::/supervisor\n");
    const path = MemoryCgroups.open(silentLog, files())?.make("d", 1);
    assert.equal(path, join(root, "volume-d"));
  });

  it("limit a server to memoryLimit and 128 MiB, without swap, as a whole", () => {
    const cgroups = MemoryCgroups.open(silentLog, files());
    const path = cgroups?.make("d", 256 * 2 ** 20);
    assert.equal(path, join(root, "volume-d"));
    assert.equal(content("volume-d", "memory.max"), String(384 * 2 ** 20));
    assert.equal(content("volume-d", "memory.swap.max"), "0");
    assert.equal(content("volume-d", "memory.oom.group"), "1");
  });

  it("tell how many processes were killed for want of memory", () => {
    const cgroups = MemoryCgroups.open(silentLog, files());
    cgroups?.make("d", 1);
    assert.equal(cgroups?.kills("d"), 0);
    writeFileSync(join(root, "volume-d", "memory.events"), "max 4\noom 1\noom_kill 2\n");
    assert.equal(cgroups?.kills("d"), 2);
  });

  it("are not there, and the log says why, without a memory controller or outside a container", () => {
    const said: string[] = [];
    const log = jsonLog({ level: "info", fields: {} }, (line) => said.push(line));
    writeFileSync(join(root, "cgroup.controllers"), "cpu\n");
    assert.equal(MemoryCgroups.open(log, files()), undefined);
    writeFileSync(files().own, "0::/user.slice/session-1.scope\n");
    writeFileSync(files().init, "0::/init.scope\n");
    assert.equal(MemoryCgroups.open(log, files()), undefined);
    assert.match(said[0] ?? "", /no memory controller/);
    assert.match(said[1] ?? "", /session-1/);
    assert.equal(existsSync(join(root, "supervisor")), false);
  });
});
