import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { run, scratchDirectory } from "../../support/mounted.ts";

/** Whether `program` succeeds as uid and gid 1000. */
function allowed(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { uid: 1000, gid: 1000, stdio: "ignore" });
    return true;
  } catch (error) {
    if (error instanceof Error && "status" in error && typeof error.status === "number")
      return false;
    throw error;
  }
}

describe("attributes and symbolic links", () => {
  let scratch: ReturnType<typeof scratchDirectory>;
  const at = (name: string) => join(scratch.path, name);
  beforeEach(() => {
    scratch = scratchDirectory();
    chmodSync(scratch.path, 0o755);
  });
  afterEach(() => scratch[Symbol.dispose]());

  it("changes the mode of files and directories", () => {
    writeFileSync(at("a"), "x", { mode: 0o640 });
    assert.equal(statSync(at("a")).mode & 0o7777, 0o640);
    chmodSync(at("a"), 0o4711);
    assert.equal(statSync(at("a")).mode & 0o7777, 0o4711);
    mkdirSync(at("d"), 0o750);
    chmodSync(at("d"), 0o1777);
    assert.equal(statSync(at("d")).mode & 0o7777, 0o1777);
  });

  it("changes owner and group", () => {
    writeFileSync(at("a"), "x");
    chownSync(at("a"), 1000, 2000);
    assert.deepEqual([statSync(at("a")).uid, statSync(at("a")).gid], [1000, 2000]);
    chownSync(at("a"), 4_000_000_000, 65_534);
    assert.deepEqual([statSync(at("a")).uid, statSync(at("a")).gid], [4_000_000_000, 65_534]);
  });

  it("sets times to the nanosecond", () => {
    writeFileSync(at("a"), "x");
    run("touch", "-m", "-d", "2001-02-03 04:05:06.123456789Z", at("a"));
    run("touch", "-a", "-d", "2011-12-13 14:15:16.987654321Z", at("a"));
    const { mtimeNs, atimeNs } = statSync(at("a"), { bigint: true });
    assert.equal(mtimeNs, 981_173_106_123_456_789n);
    assert.equal(atimeNs, 1_323_785_716_987_654_321n);
  });

  it("sets times before 1970 and after 2038", () => {
    writeFileSync(at("a"), "x");
    // Not utimes of Node, which takes a negative time for now.
    run("touch", "-a", "-d", "1969-12-31 00:00:00Z", at("a"));
    run("touch", "-m", "-d", "2128-06-11 08:53:20Z", at("a"));
    assert.equal(statSync(at("a"), { bigint: true }).atimeNs, -86_400_000_000_000n);
    assert.equal(statSync(at("a"), { bigint: true }).mtimeNs, 5_000_000_000_000_000_000n);
  });

  it("moves mtime and ctime with a write, and only ctime with chmod", () => {
    writeFileSync(at("a"), "x");
    utimesSync(at("a"), 1_000_000_000, 1_000_000_000);
    const before = statSync(at("a"), { bigint: true });
    writeFileSync(at("a"), "longer");
    const written = statSync(at("a"), { bigint: true });
    assert.ok(written.mtimeNs > before.mtimeNs);
    chmodSync(at("a"), 0o600);
    const changed = statSync(at("a"), { bigint: true });
    assert.equal(changed.mtimeNs, written.mtimeNs);
    assert.ok(changed.ctimeNs >= written.ctimeNs);
  });

  it("follows symbolic links and keeps their text as it is", () => {
    writeFileSync(at("target"), "content");
    symlinkSync("target", at("relative"));
    symlinkSync("../nowhere/ü", at("dangling"));
    symlinkSync("x".repeat(1_000), at("long"));
    assert.equal(readFileSync(at("relative"), "utf8"), "content");
    assert.ok(lstatSync(at("relative")).isSymbolicLink());
    assert.equal(lstatSync(at("relative")).size, 6);
    assert.equal(readlinkSync(at("dangling")), "../nowhere/ü");
    assert.equal(readlinkSync(at("long")), "x".repeat(1_000));
    assert.throws(() => readFileSync(at("dangling")), { code: "ENOENT" });
    writeFileSync(at("relative"), "through the link");
    assert.equal(readFileSync(at("target"), "utf8"), "through the link");
  });

  it("changes the owner of a symbolic link itself", () => {
    writeFileSync(at("target"), "x");
    symlinkSync("target", at("link"));
    lchownSync(at("link"), 1000, 1000);
    assert.equal(lstatSync(at("link")).uid, 1000);
    assert.equal(statSync(at("target")).uid, 0);
  });

  it("keeps other users out where the mode says so", () => {
    writeFileSync(at("private"), "x", { mode: 0o600 });
    writeFileSync(at("public"), "x", { mode: 0o644 });
    assert.equal(allowed("cat", at("private")), false);
    assert.equal(allowed("cat", at("public")), true);
    assert.equal(allowed("touch", at("new")), false);
    assert.equal(allowed("chmod", "777", at("public")), false);
    chmodSync(scratch.path, 0o777);
    assert.equal(allowed("touch", at("new")), true);
    assert.deepEqual([statSync(at("new")).uid, statSync(at("new")).gid], [1000, 1000]);
    assert.equal(allowed("mv", at("new"), at("renamed")), true);
  });

  it("lets only the owner remove from a directory with the sticky bit", () => {
    chmodSync(scratch.path, 0o1777);
    writeFileSync(at("roots"), "x", { mode: 0o666 });
    assert.equal(allowed("rm", "-f", at("roots")), false);
    assert.equal(allowed("touch", at("own")), true);
    assert.equal(allowed("rm", at("own")), true);
  });

  it("takes the set-user-id bit away when another user writes", () => {
    writeFileSync(at("tool"), "x");
    chmodSync(at("tool"), 0o4777);
    assert.equal(allowed("sh", "-c", `echo changed >> ${at("tool")}`), true);
    assert.equal(statSync(at("tool")).mode & 0o4000, 0);
  });
});
