import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { probe, readFromServer, scratchDirectory } from "../../support/mounted.ts";

describe("directories and names", () => {
  let scratch: ReturnType<typeof scratchDirectory>;
  const at = (...names: readonly string[]) => join(scratch.path, ...names);
  beforeEach(() => {
    scratch = scratchDirectory();
  });
  afterEach(() => scratch[Symbol.dispose]());

  it("makes and removes directories", () => {
    mkdirSync(at("a/b/c"), { recursive: true });
    assert.ok(statSync(at("a/b/c")).isDirectory());
    assert.throws(() => mkdirSync(at("a")), { code: "EEXIST" });
    assert.throws(() => rmdirSync(at("a")), { code: "ENOTEMPTY" });
    rmdirSync(at("a/b/c"));
    rmdirSync(at("a/b"));
    rmdirSync(at("a"));
    assert.deepEqual(readdirSync(scratch.path), []);
  });

  it("removes a directory only as a directory and a file only as a file", () => {
    mkdirSync(at("directory"));
    writeFileSync(at("file"), "x");
    assert.throws(() => rmdirSync(at("file")), { code: "ENOTDIR" });
    assert.throws(() => unlinkSync(at("directory")), { code: "EISDIR" });
  });

  it("renames a file, and over an existing one", () => {
    writeFileSync(at("a"), "one");
    renameSync(at("a"), at("b"));
    assert.equal(existsSync(at("a")), false);
    writeFileSync(at("c"), "two");
    renameSync(at("b"), at("c"));
    assert.equal(readFromServer(at("c")).toString(), "one");
    assert.deepEqual(readdirSync(scratch.path), ["c"]);
  });

  it("goes on serving the open file that a rename replaced", () => {
    writeFileSync(at("old"), "old");
    writeFileSync(at("new"), "new");
    const fd = openSync(at("old"), "r");
    renameSync(at("new"), at("old"));
    assert.equal(readFileSync(fd, "utf8"), "old");
    closeSync(fd);
    assert.equal(readFileSync(at("old"), "utf8"), "new");
    assert.deepEqual(readdirSync(scratch.path), ["old"]);
  });

  it("renames over a directory only when it is empty, and not over another kind", () => {
    mkdirSync(at("empty"));
    mkdirSync(at("full"));
    mkdirSync(at("moved"));
    writeFileSync(at("full/x"), "x");
    writeFileSync(at("file"), "x");
    assert.throws(() => renameSync(at("moved"), at("full")), { code: "ENOTEMPTY" });
    assert.throws(() => renameSync(at("moved"), at("file")), { code: "ENOTDIR" });
    assert.throws(() => renameSync(at("file"), at("moved")), { code: "EISDIR" });
    assert.throws(() => renameSync(at("full"), at("full/below")), { code: "EINVAL" });
    renameSync(at("full"), at("empty"));
    assert.deepEqual(readdirSync(scratch.path).sort(), ["empty", "file", "moved"]);
    assert.equal(readFileSync(at("empty/x"), "utf8"), "x");
  });

  it("renames a directory in which files are open, and they stay what they are", () => {
    mkdirSync(at("tree/deep"), { recursive: true });
    writeFileSync(at("tree/deep/read"), "still here");
    const written = openSync(at("tree/deep/write"), "w");
    const read = openSync(at("tree/deep/read"), "r");
    writeSync(written, "before ");
    mkdirSync(at("other"));
    renameSync(at("tree"), at("other/tree"));
    writeSync(written, "after");
    assert.equal(readFileSync(read, "utf8"), "still here");
    closeSync(written);
    closeSync(read);
    assert.equal(existsSync(at("tree")), false);
    assert.equal(readFromServer(at("other/tree/deep/write")).toString(), "before after");
    unlinkSync(at("other/tree/deep/write"));
    assert.deepEqual(readdirSync(at("other/tree/deep")), ["read"]);
  });

  it("moves a file between directories and changes both times", () => {
    mkdirSync(at("from"));
    mkdirSync(at("to"));
    writeFileSync(at("from/a"), "x");
    const before = statSync(at("to"), { bigint: true }).mtimeNs;
    renameSync(at("from/a"), at("to/b"));
    assert.deepEqual(readdirSync(at("from")), []);
    assert.deepEqual(readdirSync(at("to")), ["b"]);
    assert.ok(statSync(at("to"), { bigint: true }).mtimeNs >= before);
  });

  it("counts its sub-directories as links", () => {
    mkdirSync(at("parent"));
    const before = statSync(at("parent")).nlink;
    mkdirSync(at("parent/a"));
    mkdirSync(at("parent/b"));
    assert.equal(statSync(at("parent")).nlink, before + 2);
  });

  // S3FILES_ENTRIES: fewer where another suite holds the 10,000.
  const entries = Number(process.env["S3FILES_ENTRIES"] ?? 10_000);
  it("holds a directory of thousands of entries and lists each once", function () {
    this.timeout(400_000);
    const entry = (i: number) => `entry-${String(i).padStart(5, "0")}`;
    mkdirSync(at("many"));
    probe("many", at("many"), entries);
    const names = readdirSync(at("many")).sort();
    assert.equal(names.length, entries);
    assert.equal(new Set(names).size, entries);
    assert.equal(names[0], entry(0));
    assert.equal(names.at(-1), entry(entries - 1));
    for (let i = 0; i < entries; i += 2) unlinkSync(at("many", entry(i)));
    assert.equal(readdirSync(at("many")).length, entries / 2);
  });

  it("keeps names of 255 bytes and refuses 256 with ENAMETOOLONG", () => {
    const longest = "n".repeat(255);
    const longestUtf8 = `${"ü".repeat(127)}x`;
    writeFileSync(at(longest), "a");
    writeFileSync(at(longestUtf8), "b");
    mkdirSync(at("d".repeat(255)));
    assert.deepEqual(
      new Set(readdirSync(scratch.path)),
      new Set([longest, longestUtf8, "d".repeat(255)]),
    );
    assert.throws(() => writeFileSync(at("n".repeat(256)), ""), { code: "ENAMETOOLONG" });
    assert.throws(() => mkdirSync(at("n".repeat(256))), { code: "ENAMETOOLONG" });
  });

  it("keeps UTF-8 names byte for byte, composed and decomposed apart", () => {
    const names = [
      "Grüße",
      "日本語",
      "emoji-🗂",
      "e\u0301",
      "\u00e9",
      "a b\tc",
      "-rf",
      "*?[]",
      "a%2Fb",
      "a+b&c=d#e",
    ];
    for (const name of names) writeFileSync(at(name), name);
    assert.deepEqual(readdirSync(scratch.path).sort(), [...names].sort());
    for (const name of names) assert.equal(readFileSync(at(name), "utf8"), name);
  });

  it("tells names apart by case and by a final dot or blank", () => {
    const names = ["name", "NAME", "name.", "name ", ".name"];
    for (const name of names) writeFileSync(at(name), name);
    assert.deepEqual(readdirSync(scratch.path).sort(), [...names].sort());
  });
});
