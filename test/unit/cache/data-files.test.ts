import assert from "node:assert/strict";
import { join } from "node:path";
import { DataFiles } from "../../../src/cache/data-files.ts";
import type { InodeNumber } from "../../../src/vfs/attributes.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const inode = 300 as InodeNumber;

describe("the cache files", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let files: DataFiles;
  beforeEach(() => {
    folder = temporaryFolder();
    files = new DataFiles(join(folder.path, "data"));
  });
  afterEach(() => {
    files.close();
    folder[Symbol.dispose]();
  });

  const text = async (offset: number, length: number, generation = 1) => {
    const buffer = Buffer.alloc(length, "?");
    await files.read(inode, generation, offset, buffer);
    return buffer.toString();
  };

  it("give back bytes at their offsets, and zeros where nothing was written", async () => {
    await files.write(inode, 1, 5, [Buffer.from("ab"), Buffer.alloc(0), Buffer.from("cd")]);
    assert.equal(await text(3, 8), "\0\0abcd\0\0");
    const buffer = Buffer.alloc(3, "?");
    files.readSync(inode, 1, 8, buffer);
    assert.equal(buffer.toString(), "d\0\0");
  });

  it("write more chunks than one system call takes", async () => {
    const chunks = Array.from({ length: 3000 }, (_, at) => Buffer.from([at % 256]));
    await files.write(inode, 1, 0, chunks);
    const buffer = Buffer.alloc(3000);
    await files.read(inode, 1, 0, buffer);
    assert.ok(buffer.equals(Buffer.concat(chunks)));
  });

  it("are one for each generation, and reading does not make one", async () => {
    await files.write(inode, 1, 0, [Buffer.from("one")]);
    await files.write(inode, 2, 0, [Buffer.from("two")]);
    assert.equal(await text(0, 3, 1), "one");
    assert.equal(await text(0, 3, 2), "two");
    await assert.rejects(text(0, 3, 3), { code: "ENOENT" });
    await files.sync(inode, 1);
    assert.deepEqual(
      [...files.list()].sort((a, b) => a.generation - b.generation),
      [
        { inode, generation: 1 },
        { inode, generation: 2 },
      ],
    );
  });

  it("can be removed while they are in use: what is under way finishes", async () => {
    await files.write(inode, 1, 0, [Buffer.alloc(1 << 20, "x")]);
    const buffer = Buffer.alloc(1 << 20);
    const reading = files.read(inode, 1, 0, buffer);
    files.remove(inode, 1);
    files.remove(inode, 1);
    await reading;
    assert.ok(buffer.equals(Buffer.alloc(1 << 20, "x")));
    assert.deepEqual([...files.list()], []);
    await assert.rejects(text(0, 1), { code: "ENOENT" });
  });

  it("are more than descriptors that stay open", async () => {
    for (let at = 1; at <= 300; at++) {
      await files.write(at as InodeNumber, 1, 0, [Buffer.from(`file ${at}`)]);
    }
    const buffer = Buffer.alloc(6);
    await files.read(1 as InodeNumber, 1, 0, buffer);
    assert.equal(buffer.toString(), "file 1");
    assert.equal([...files.list()].length, 300);
  });
});
