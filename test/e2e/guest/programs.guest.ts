import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, scratchDirectory } from "../../support/mounted.ts";

/** A small tree with what archives must keep: modes, times, links, empty and larger files, odd names. */
function makeTree(root: string): void {
  for (let i = 0; i < 6; i++) {
    const folder = join(root, `folder-${i}`, "below");
    mkdirSync(folder, { recursive: true });
    for (let j = 0; j < 5; j++) {
      writeFileSync(join(folder, `file ${j}`), `${i} ${j}\n`.repeat(i * j * 700), {
        mode: 0o600 + j,
      });
    }
  }
  mkdirSync(join(root, "empty"));
  symlinkSync("folder-1/below/file 2", join(root, "link"));
  writeFileSync(join(root, "Grüße"), "x");
  run("touch", "-d", "2003-04-05 06:07:08.5", join(root, "folder-2/below/file 1"));
}

describe("programs on the mount", function () {
  this.timeout(120_000);
  let scratch: ReturnType<typeof scratchDirectory>;
  let local: string;
  const at = (...names: readonly string[]) => join(scratch.path, ...names);
  beforeEach(() => {
    scratch = scratchDirectory();
    local = mkdtempSync("/tmp/programs-");
  });
  afterEach(() => {
    scratch[Symbol.dispose]();
    rmSync(local, { recursive: true });
  });

  it("keeps a git repository through init, commit, branch, merge, gc and clone", () => {
    const git = (...args: readonly string[]) =>
      execFileSync("git", ["-C", at("repository"), ...args], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          GIT_CONFIG_NOSYSTEM: "1",
          GIT_CONFIG_COUNT: "2",
          GIT_CONFIG_KEY_0: "user.name",
          GIT_CONFIG_VALUE_0: "Test",
          GIT_CONFIG_KEY_1: "user.email",
          GIT_CONFIG_VALUE_1: "test@example.invalid",
        },
      }).trim();
    mkdirSync(at("repository"));
    git("init", "-q", "-b", "main");
    makeTree(at("repository"));
    git("add", "-A");
    git("commit", "-q", "-m", "first");
    git("checkout", "-q", "-b", "side");
    writeFileSync(at("repository/side"), "side\n");
    git("add", "-A");
    git("commit", "-q", "-m", "side");
    git("checkout", "-q", "main");
    git("merge", "-q", "--no-ff", "-m", "merged", "side");
    git("gc", "-q", "--prune=now");
    git("fsck", "--strict", "--full");
    assert.equal(git("status", "--porcelain"), "");
    assert.equal(git("rev-list", "--count", "HEAD"), "3");
    git("clone", "-q", at("repository"), join(local, "clone"));
    run("diff", "-r", "--exclude=.git", "--exclude=empty", at("repository"), join(local, "clone"));
  });

  it("keeps a tree through tar, in both directions", () => {
    makeTree(local);
    run("tar", "-C", local, "--format=posix", "-cf", at("tree.tar"), ".");
    mkdirSync(at("unpacked"));
    run("tar", "-C", at("unpacked"), "-xpf", at("tree.tar"));
    run("diff", "-r", "--no-dereference", local, at("unpacked"));
    const list = (root: string) =>
      run(
        "sh",
        "-c",
        `cd ${root} && find . ! -name . -printf '%p %m %T@ %s %l\\n' | grep -v '^./[^ ]* 755' | sort`,
      );
    assert.equal(list(at("unpacked")), list(local));
    run("tar", "-C", at("unpacked"), "-df", at("tree.tar"));
  });

  it("keeps a tree through rsync -a, which then finds nothing more to do", () => {
    makeTree(local);
    const sync = (from: string, to: string) => run("rsync", "-a", "--itemize-changes", from, to);
    sync(`${local}/`, at("copy"));
    run("diff", "-r", "--no-dereference", local, at("copy"));
    assert.equal(sync(`${local}/`, at("copy")), "");
    writeFileSync(join(local, "folder-3/below/file 3"), "changed\n");
    assert.equal(sync(`${local}/`, at("copy")), ">f.st...... folder-3/below/file 3\n");
    run("rsync", "-a", "--checksum", "--delete", `${at("copy")}/`, join(local, "back"));
    run("diff", "-r", "--no-dereference", at("copy"), join(local, "back"));
  });

  it("keeps an SQLite database that two processes write at once", async () => {
    const database = at("data.sqlite");
    const sql = (text: string) => run("sqlite3", "-cmd", ".timeout 30000", database, text).trim();
    sql(
      "create table t (id integer primary key, writer text, body text); create index i on t (writer);",
    );
    const writers = ["a", "b"].map((name) => {
      const inserts = Array.from(
        { length: 10 },
        () =>
          `begin immediate; insert into t (writer, body) select '${name}', hex(randomblob(200)) from generate_series(1, 50); commit;`,
      );
      const child = spawn("sqlite3", ["-bail", "-cmd", ".timeout 30000", database], {
        stdio: ["pipe", "inherit", "inherit"],
      });
      child.stdin.end(inserts.join("\n"));
      return once(child, "exit");
    });
    for (const writer of writers) assert.deepEqual(await writer, [0, null]);
    assert.equal(sql("pragma integrity_check"), "ok");
    assert.equal(sql("select writer, count(*) from t group by writer"), "a|500\nb|500");
    sql("delete from t where id % 2; vacuum;");
    assert.equal(sql("pragma integrity_check; select count(*) from t"), "ok\n500");
  });
});
