import assert from "node:assert/strict";
import { readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { probe, readFromServer, run, scratchDirectory } from "../../support/mounted.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** What needs minor version 2: the client has nothing to fall back to, or does it itself under 1. */
const isNewer = readFileSync("/proc/mounts", "utf8")
  .split("\n")
  .some((line) => line.split(" ")[1] === process.env["MOUNT"] && /[, ]vers=4\.2/.test(line));

describe("holes, copies and extended attributes", () => {
  let scratch: ReturnType<typeof scratchDirectory>;
  const at = (name: string) => join(scratch.path, name);
  beforeEach(function () {
    if (!isNewer) this.skip();
    scratch = scratchDirectory();
  });
  afterEach(() => scratch?.[Symbol.dispose]());

  it("are found by SEEK_DATA and SEEK_HOLE", () => {
    writeFileSync(at("a"), Buffer.alloc(64 * KiB, 1));
    truncateSync(at("a"), 4 * MiB);
    run("dd", "if=/dev/zero", `of=${at("a")}`, "bs=64K", "count=1", "seek=32", "conv=notrunc");
    assert.equal(probe("seek", at("a"), "data", 0), "0");
    assert.equal(probe("seek", at("a"), "hole", 0), String(64 * KiB));
    assert.equal(probe("seek", at("a"), "data", 64 * KiB), String(2 * MiB));
    assert.equal(probe("seek", at("a"), "hole", 2 * MiB), String(2 * MiB + 64 * KiB));
    assert.equal(probe("seek", at("a"), "data", 3 * MiB), "ENXIO");
    assert.equal(probe("seek", at("a"), "hole", 4 * MiB), "ENXIO");
  });

  it("are punched and filled by fallocate", () => {
    writeFileSync(at("a"), Buffer.alloc(MiB, 7));
    probe("punch", at("a"), 256 * KiB, 512 * KiB);
    const bytes = readFromServer(at("a"));
    assert.equal(bytes.length, MiB);
    assert.ok(bytes.subarray(256 * KiB, 768 * KiB).every((byte) => byte === 0));
    assert.ok(bytes.subarray(0, 256 * KiB).every((byte) => byte === 7));
    assert.equal(probe("seek", at("a"), "hole", 0), String(256 * KiB));
    const before = statSync(at("a")).blocks;
    assert.ok(before <= 1100, `${before} blocks`);
    probe("allocate", at("a"), 0, 2 * MiB);
    assert.equal(statSync(at("a")).size, 2 * MiB);
    assert.ok(statSync(at("a")).blocks >= 4096);
    assert.ok(readFromServer(at("a"), MiB).every((byte) => byte === 0));
  });

  it("are kept by cp and by copy_file_range, within a file system call of the server", () => {
    writeFileSync(at("a"), Buffer.from(Array.from({ length: 9 * MiB }, (_, i) => (i * 7) % 251)));
    truncateSync(at("a"), 200 * MiB);
    probe("copy", at("a"), 0, at("b"), 0, 200 * MiB);
    run("cmp", at("a"), at("b"));
    assert.ok(statSync(at("b")).blocks * 512 <= 10 * MiB);
    probe("copy", at("a"), 5, at("b"), 3 * MiB + 1, 12_345);
    const whole = readFromServer(at("a"), 5, 12_345);
    assert.ok(readFromServer(at("b"), 3 * MiB + 1, 12_345).equals(whole));
    run("cp", "--sparse=auto", at("a"), at("c"));
    run("cmp", at("a"), at("c"));
  });

  it("are set, listed, replaced and removed", () => {
    writeFileSync(at("f"), "x");
    for (const path of [at("f"), scratch.path]) {
      probe("setxattr", path, "user.plain", "value", "create");
      probe("setxattr", path, "user.Ünïcode.and_more", "wert ä", "either");
      assert.equal(probe("getxattr", path, "user.plain"), "value");
      assert.equal(probe("getxattr", path, "user.Ünïcode.and_more"), "wert ä");
      const names = probe("listxattr", path).split("\n").sort();
      assert.deepEqual(names, ["user.plain", "user.Ünïcode.and_more"]);
      assert.throws(() => probe("setxattr", path, "user.plain", "x", "create"), /File exists/);
      assert.throws(() => probe("setxattr", path, "user.none", "x", "replace"), /No data/);
      probe("setxattr", path, "user.plain", "other", "replace");
      assert.equal(probe("getxattr", path, "user.plain"), "other");
      probe("removexattr", path, "user.plain");
      assert.throws(() => probe("getxattr", path, "user.plain"), /No data/);
      assert.throws(() => probe("removexattr", path, "user.plain"), /No data/);
    }
    symlinkSync("f", at("l"));
    run("cp", "-a", at("f"), at("copy"));
    assert.equal(probe("getxattr", at("copy"), "user.Ünïcode.and_more"), "wert ä");
  });
});
