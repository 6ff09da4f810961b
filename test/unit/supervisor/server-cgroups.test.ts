import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { silentLog } from "../../../src/base/log.ts";
import { ownCgroup, ServerCgroups } from "../../../src/supervisor/server-cgroups.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw";

describe("the cgroup that a supervisor is in", () => {
  it("is the mount itself in a cgroup namespace of one's own, and a folder below it elsewhere", () => {
    assert.equal(ownCgroup(v2, "0::/\n"), "/sys/fs/cgroup");
    assert.equal(
      ownCgroup(v2, "4:memory:/x\n0::/kubepods/c.scope\n"),
      "/sys/fs/cgroup/kubepods/c.scope",
    );
  });

  it("is the same one for a supervisor that starts again where its predecessor had moved to", () => {
    assert.equal(ownCgroup(v2, "0::/c.scope/s3files-supervisor\n"), "/sys/fs/cgroup/c.scope");
  });

  it("is found where only a part of the tree is mounted, and unknown outside of that part", () => {
    const part = "30 23 0:26 /kubepods /sys/fs/cgroup rw - cgroup2 cgroup rw";
    assert.equal(ownCgroup(part, "0::/kubepods/c\n"), "/sys/fs/cgroup/c");
    assert.equal(ownCgroup(part, "0::/kubepods2/c\n"), undefined);
    assert.equal(ownCgroup(v2, "0::/../other\n"), undefined);
    assert.equal(ownCgroup("1 2 0:3 / / rw - ext4 /dev/vda rw", "0::/\n"), undefined);
  });
});

describe("the cgroups of volume servers", () => {
  let temporary: ReturnType<typeof temporaryFolder>;
  let folder: string;

  /** A folder with the files that the kernel makes in a cgroup. */
  const cgroup = (name: string, files: Readonly<Record<string, string>>) => {
    const path = join(folder, name);
    mkdirSync(path, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
    return (file: string) => readFileSync(join(path, file), "utf8");
  };
  const own = (files: Readonly<Record<string, string>> = {}) =>
    cgroup("", {
      "cgroup.controllers": "cpu memory pids\n",
      "cgroup.subtree_control": "\n",
      "cgroup.type": "domain\n",
      "cgroup.procs": `1\n${process.pid}\n`,
      ...files,
    });
  const open = (ownsAll: boolean) => ServerCgroups.open({ folder, ownsAll }, silentLog);

  beforeEach(() => {
    temporary = temporaryFolder();
    folder = temporary.path;
  });
  afterEach(() => temporary[Symbol.dispose]());

  it("hand the memory controller on after the container's processes have moved aside", () => {
    const read = own();
    assert.ok(open(true));
    assert.equal(read("cgroup.subtree_control"), "+memory");
    // The kernel moves one for each write; a plain file keeps the last.
    assert.equal(read("s3files-supervisor/cgroup.procs"), String(process.pid));
  });

  it("leave a cgroup alone that holds other programs, and do without a memory controller", () => {
    const read = own();
    assert.equal(open(false), undefined);
    assert.equal(read("cgroup.subtree_control"), "\n");
    own({ "cgroup.controllers": "cpu pids\n" });
    assert.equal(open(true), undefined);
    assert.equal(ServerCgroups.open({ folder: undefined, ownsAll: true }, silentLog), undefined);
  });

  it("bound a server to its memory limit and 128 MiB, without swap, and killed as a whole", () => {
    own();
    const read = cgroup("s3files-server-v", {
      "memory.events": "low 0\noom_kill 0\n",
      "memory.swap.max": "max\n",
    });
    assert.equal(open(true)?.make("v", 256 * 2 ** 20), join(folder, "s3files-server-v"));
    assert.deepEqual(["memory.max", "memory.swap.max", "memory.oom.group"].map(read), [
      String(384 * 2 ** 20),
      "0",
      "1",
    ]);
  });

  it("name a kill for memory once, and no other death, also after a supervisor's crash", () => {
    own();
    const files = { "memory.max": String(384 * 2 ** 20), "memory.events": "oom_kill 2\n" };
    cgroup("s3files-server-v", files);
    const cgroups = open(true);
    assert.equal(cgroups?.causeOfDeath("v"), undefined);
    cgroup("s3files-server-v", { "memory.events": "oom_kill 3\noom_group_kill 1\n" });
    assert.match(cgroups?.causeOfDeath("v") ?? "", /out of memory, over its limit of 384 MiB/);
    assert.equal(cgroups?.causeOfDeath("v"), undefined);
    assert.equal(cgroups?.causeOfDeath("never made"), undefined);
  });
});
