import assert from "node:assert/strict";
import {
  appendFileSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { probe, readFromServer, scratchDirectory } from "../../support/mounted.ts";

const mebibyte = 1024 * 1024;

/** Bytes that differ from place to place, so that a shifted or repeated block shows. */
function pattern(lengthBytes: number, seed = 1): Buffer {
  const words = new Uint32Array(Math.ceil(lengthBytes / 4));
  let x = seed;
  for (let i = 0; i < words.length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    words[i] = x;
  }
  return Buffer.from(words.buffer, 0, lengthBytes);
}

function writeAt(path: string, bytes: Buffer | string, offsetBytes: number): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o644);
  writeSync(fd, Buffer.from(bytes), 0, Buffer.byteLength(bytes), offsetBytes);
  closeSync(fd);
}

describe("files", () => {
  let scratch: ReturnType<typeof scratchDirectory>;
  const at = (name: string) => join(scratch.path, name);
  beforeEach(() => {
    scratch = scratchDirectory();
  });
  afterEach(() => scratch[Symbol.dispose]());

  it("keeps what is written to a new file", () => {
    writeFileSync(at("a"), "hello");
    assert.equal(readFileSync(at("a"), "utf8"), "hello");
    assert.equal(readFromServer(at("a")).toString(), "hello");
    assert.equal(statSync(at("a")).size, 5);
    assert.ok(statSync(at("a")).isFile());
  });

  it("keeps an empty file", () => {
    writeFileSync(at("empty"), "");
    assert.equal(statSync(at("empty")).size, 0);
    assert.deepEqual(readdirSync(scratch.path), ["empty"]);
  });

  it("keeps every byte of a file of several requests", () => {
    const bytes = pattern(5 * mebibyte + 777);
    writeFileSync(at("large"), bytes);
    assert.ok(readFromServer(at("large")).equals(bytes));
  });

  it("replaces bytes in the middle and leaves the others", () => {
    const bytes = pattern(300_000);
    writeFileSync(at("a"), bytes);
    writeAt(at("a"), "REPLACED", 123_457);
    bytes.write("REPLACED", 123_457);
    assert.ok(readFromServer(at("a")).equals(bytes));
  });

  it("replaces the whole content when opened for writing from the start", () => {
    writeFileSync(at("a"), pattern(100_000));
    writeFileSync(at("a"), "short");
    assert.equal(readFromServer(at("a")).toString(), "short");
  });

  it("appends at the end, also through two descriptors in turn", () => {
    writeFileSync(at("a"), "one ");
    appendFileSync(at("a"), "two ");
    const first = openSync(at("a"), "a");
    const second = openSync(at("a"), "a");
    writeSync(first, "three ");
    writeSync(second, "four ");
    writeSync(first, "five");
    closeSync(first);
    closeSync(second);
    assert.equal(readFromServer(at("a")).toString(), "one two three four five");
  });

  it("cuts a file and fills it with zeros when it grows again", () => {
    writeFileSync(at("a"), "abcdefgh");
    truncateSync(at("a"), 3);
    assert.equal(readFromServer(at("a")).toString(), "abc");
    truncateSync(at("a"), 6);
    assert.equal(readFromServer(at("a")).toString("latin1"), "abc\0\0\0");
    truncateSync(at("a"), 0);
    assert.equal(statSync(at("a")).size, 0);
  });

  it("cuts and grows a file by its open descriptor, across block borders", () => {
    const bytes = pattern(20_000);
    const fd = openSync(at("a"), "w+");
    writeSync(fd, bytes);
    ftruncateSync(fd, 5_001);
    ftruncateSync(fd, 15_000);
    writeSync(fd, Buffer.from("end"), 0, 3, 14_997);
    assert.equal(fstatSync(fd).size, 15_000);
    closeSync(fd);
    const expected = Buffer.alloc(15_000);
    bytes.copy(expected, 0, 0, 5_001);
    expected.write("end", 14_997);
    assert.ok(readFromServer(at("a")).equals(expected));
  });

  it("reads zeros where a sparse file was never written", () => {
    writeAt(at("sparse"), "far", 3 * mebibyte + 5);
    assert.equal(statSync(at("sparse")).size, 3 * mebibyte + 8);
    const content = readFromServer(at("sparse"));
    assert.ok(content.subarray(0, 3 * mebibyte + 5).equals(Buffer.alloc(3 * mebibyte + 5)));
    assert.equal(content.subarray(3 * mebibyte + 5).toString(), "far");
    writeAt(at("sparse"), "near", mebibyte);
    assert.equal(readFromServer(at("sparse"), mebibyte - 1, 6).toString("latin1"), "\0near\0");
  });

  it("holds a sparse file of 5 GiB with data on both sides of 4 GiB", () => {
    const size = 5 * 1024 * mebibyte;
    const border = 4 * 1024 * mebibyte;
    writeAt(at("huge"), "begin", 0);
    writeAt(at("huge"), "border", border - 3);
    writeAt(at("huge"), "x", size - 1);
    assert.equal(statSync(at("huge")).size, size);
    assert.equal(readFromServer(at("huge"), 0, 6).toString("latin1"), "begin\0");
    assert.equal(readFromServer(at("huge"), border - 4, 8).toString("latin1"), "\0border\0");
    assert.equal(readFromServer(at("huge"), size - 2, 10).toString("latin1"), "\0x");
    unlinkSync(at("huge"));
  });

  it("lets exactly one of 8 processes create a name with O_EXCL", () => {
    for (let round = 0; round < 5; round++) {
      assert.equal(probe("race", at(`race-${round}`), 8), "1 won, 7 EEXIST, 0 other");
    }
  });

  it("refuses O_EXCL on a name that exists", () => {
    writeFileSync(at("a"), "x");
    assert.throws(() => openSync(at("a"), "wx"), { code: "EEXIST" });
    assert.equal(readFileSync(at("a"), "utf8"), "x");
  });

  it("keeps what is written through a shared memory map", () => {
    writeFileSync(at("map"), Buffer.alloc(10_000, "."));
    probe("mmap", at("map"), 4_000, 3_000, "M");
    const expected = Buffer.alloc(10_000, ".");
    expected.fill("M", 4_000, 7_000);
    assert.ok(readFromServer(at("map")).equals(expected));
  });

  it("goes on reading and writing a file that was unlinked while open", () => {
    writeFileSync(at("gone"), "before");
    const fd = openSync(at("gone"), "r+");
    unlinkSync(at("gone"));
    assert.throws(() => statSync(at("gone")), { code: "ENOENT" });
    writeSync(fd, Buffer.from("after!"), 0, 6, 6);
    fsyncSync(fd);
    const buffer = Buffer.alloc(20);
    assert.equal(readSync(fd, buffer, 0, 20, 0), 12);
    assert.equal(buffer.toString("latin1", 0, 12), "beforeafter!");
    writeFileSync(at("gone"), "a new file of that name");
    assert.equal(readSync(fd, buffer, 0, 6, 0), 6);
    closeSync(fd);
    assert.equal(readFileSync(at("gone"), "utf8"), "a new file of that name");
    assert.deepEqual(readdirSync(scratch.path), ["gone"]);
  });

  it("leaves no copy of an unlinked open file under another name", function () {
    // A server without OPEN4_RESULT_PRESERVE_UNLINKED makes the client rename it to .nfs*.
    if (process.env["S3FILES_REFERENCE"] !== undefined) this.skip();
    writeFileSync(at("gone"), "x");
    const fd = openSync(at("gone"), "r");
    unlinkSync(at("gone"));
    assert.deepEqual(readdirSync(scratch.path), []);
    assert.equal(fstatSync(fd).nlink, 0);
    closeSync(fd);
  });

  it("says ENOENT, EISDIR and ENOTDIR where they apply", () => {
    writeFileSync(at("file"), "x");
    assert.throws(() => readFileSync(at("missing")), { code: "ENOENT" });
    assert.throws(() => openSync(scratch.path, "w"), { code: "EISDIR" });
    assert.throws(() => readFileSync(join(at("file"), "below")), { code: "ENOTDIR" });
  });
});
