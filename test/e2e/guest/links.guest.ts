import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { readFromServer, run, scratchDirectory } from "../../support/mounted.ts";

const code = (run: () => void): string => {
  try {
    run();
    return "done";
  } catch (error) {
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
};

describe("hard links", function () {
  this.timeout(120_000);
  let scratch: ReturnType<typeof scratchDirectory>;
  let local: string;
  const at = (...names: readonly string[]) => join(scratch.path, ...names);
  beforeEach(() => {
    scratch = scratchDirectory();
    local = mkdtempSync("/tmp/links-");
  });
  afterEach(() => {
    scratch[Symbol.dispose]();
    rmSync(local, { recursive: true });
  });

  /** Names of the files below a directory that are one, each set on a line; and that the link counts say so. */
  const groups = (root: string): string => {
    const lines = run("find", root, "-type", "f", "-printf", "%i %n %P\n").trim().split("\n");
    const found = lines.map((line) => /^(\d+) (\d+) (.*)$/.exec(line) ?? []);
    const byInode = Map.groupBy(found, ([, inode]) => inode);
    return [...byInode.values()]
      .map((files) => {
        for (const [line, , count] of files) assert.equal(Number(count), files.length, line);
        return files
          .map(([, , , name]) => name)
          .sort()
          .join(" = ");
      })
      .sort()
      .join("\n");
  };

  it("are one file, whose link count and change time tell", () => {
    writeFileSync(at("a"), "content");
    const before = statSync(at("a"));
    linkSync(at("a"), at("b"));
    mkdirSync(at("d"));
    linkSync(at("b"), at("d/c"));
    const after = statSync(at("d/c"));
    assert.deepEqual([after.ino, after.nlink, before.nlink], [before.ino, 3, 1]);
    assert.ok(after.ctimeMs > before.ctimeMs);
    assert.equal(after.mtimeMs, before.mtimeMs);
    const fd = openSync(at("b"), "a");
    writeSync(fd, " and more");
    closeSync(fd);
    assert.equal(readFromServer(at("a")).toString(), "content and more");
    assert.equal(readFromServer(at("d/c")).toString(), "content and more");
    assert.equal(statSync(at("a")).nlink, 3);
  });

  it("keep the file when any of them is removed or renamed, also while it is open", () => {
    writeFileSync(at("a"), "content");
    linkSync(at("a"), at("b"));
    linkSync(at("a"), at("c"));
    const fd = openSync(at("a"), "r+");
    unlinkSync(at("a"));
    writeSync(fd, "CONTENT");
    closeSync(fd);
    assert.equal(readFileSync(at("b"), "latin1"), "CONTENT");
    assert.equal(statSync(at("c")).nlink, 2);
    renameSync(at("b"), at("c"));
    assert.deepEqual(readdirSync(at()).sort(), ["b", "c"]);
    writeFileSync(at("x"), "other");
    const open = openSync(at("b"), "r");
    renameSync(at("x"), at("b"));
    closeSync(open);
    assert.equal(readFileSync(at("b"), "latin1"), "other");
    assert.equal(readFileSync(at("c"), "latin1"), "CONTENT");
    assert.equal(statSync(at("c")).nlink, 1);
    assert.deepEqual(readdirSync(at()).sort(), ["b", "c"]);
  });

  it("fail as link(2) says", () => {
    writeFileSync(at("a"), "content");
    mkdirSync(at("d"));
    symlinkSync("nowhere", at("l"));
    assert.equal(
      code(() => linkSync(at("a"), at("a"))),
      "EEXIST",
    );
    assert.equal(
      code(() => linkSync(at("a"), at("l"))),
      "EEXIST",
    );
    assert.equal(
      code(() => linkSync(at("d"), at("e"))),
      "EPERM",
    );
    assert.equal(
      code(() => linkSync(at("x"), at("e"))),
      "ENOENT",
    );
    assert.equal(
      code(() => linkSync(at("a"), at("x/e"))),
      "ENOENT",
    );
    assert.equal(
      code(() => linkSync(at("a"), at("a/e"))),
      "ENOTDIR",
    );
    assert.equal(
      code(() => linkSync(at("a"), at("n".repeat(256)))),
      "ENAMETOOLONG",
    );
    assert.equal(
      code(() => linkSync(at("a"), "/tmp/links-elsewhere")),
      "EXDEV",
    );
    linkSync(at("l"), at("m"));
    assert.equal(run("readlink", at("m")).trim(), "nowhere");
    assert.equal(run("stat", "-c", "%h", at("m")).trim(), "2");
  });

  it("come through cp -al, cp -a, tar and rsync -aH", () => {
    for (const folder of ["one", "two"]) mkdirSync(join(local, folder));
    for (let i = 0; i < 20; i++) {
      const file = join(local, "one", `file ${i}`);
      writeFileSync(file, `${i}\n`.repeat(i * 100));
      if (i % 2 === 0) linkSync(file, join(local, "two", `link ${i}`));
      if (i % 4 === 0) linkSync(file, join(local, `again ${i}`));
    }
    const wanted = groups(local);
    run("tar", "-C", local, "-cf", "/tmp/links.tar", ".");
    mkdirSync(at("tar"));
    run("tar", "-C", at("tar"), "-xpf", "/tmp/links.tar");
    rmSync("/tmp/links.tar");
    run("cp", "-a", local, at("copy"));
    run("rsync", "-aH", `${local}/`, at("rsync"));
    assert.equal(run("rsync", "-aH", "--itemize-changes", `${local}/`, at("rsync")), "");
    for (const name of ["tar", "copy", "rsync"]) {
      run("diff", "-r", local, at(name));
      assert.equal(groups(at(name)), wanted, name);
    }
    run("cp", "-al", at("copy"), at("snapshot"));
    assert.equal(statSync(at("snapshot/one/file 1")).ino, statSync(at("copy/one/file 1")).ino);
    assert.equal(statSync(at("snapshot/one/file 0")).nlink, 6);
    run("rsync", "-aH", `--link-dest=${at("copy")}`, `${local}/`, at("backup"));
    assert.equal(statSync(at("backup/one/file 3")).ino, statSync(at("copy/one/file 3")).ino);
    rmSync(at("copy"), { recursive: true });
    run("diff", "-r", local, at("snapshot"));
    rmSync(at("backup"), { recursive: true });
    assert.equal(groups(at("snapshot")), wanted);
  });

  it("are what a local clone of git is made of", () => {
    const git = (...args: readonly string[]) =>
      run("git", "-c", "user.name=Test", "-c", "user.email=test@example.invalid", ...args);
    git("init", "-q", "-b", "main", at("repository"));
    writeFileSync(at("repository/file"), "content\n");
    git("-C", at("repository"), "add", "-A");
    git("-C", at("repository"), "commit", "-q", "-m", "first");
    git("clone", "-q", at("repository"), at("clone"));
    const objects = run("find", at("clone/.git/objects"), "-type", "f", "-links", "2").trim();
    assert.equal(objects.split("\n").length, 3);
    rmSync(at("repository"), { recursive: true });
    git("-C", at("clone"), "fsck", "--strict", "--full");
    assert.equal(readFileSync(at("clone/file"), "latin1"), "content\n");
  });

  it("are the lock of programs that have no other, and deliver mail", () => {
    mkdirSync(at("tmp"));
    mkdirSync(at("new"));
    for (let i = 0; i < 20; i++) {
      writeFileSync(at("tmp", `${i}`), `mail ${i}`);
      linkSync(at("tmp", `${i}`), at("new", `${i}`));
      unlinkSync(at("tmp", `${i}`));
    }
    assert.deepEqual(readdirSync(at("tmp")), []);
    assert.equal(readdirSync(at("new")).length, 20);
    assert.equal(readFromServer(at("new/7")).toString(), "mail 7");
    assert.equal(statSync(at("new/7")).nlink, 1);
    writeFileSync(at("mine"), "1");
    linkSync(at("mine"), at("lock"));
    assert.equal(statSync(at("mine")).nlink, 2);
    writeFileSync(at("yours"), "2");
    assert.equal(
      code(() => linkSync(at("yours"), at("lock"))),
      "EEXIST",
    );
    unlinkSync(at("lock"));
    linkSync(at("yours"), at("lock"));
    assert.ok(existsSync(at("mine")));
    assert.equal(readFileSync(at("lock"), "latin1"), "2");
  });
});
