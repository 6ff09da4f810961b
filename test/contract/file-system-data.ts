import assert from "node:assert/strict";
import type { Driver } from "../support/file-system-driver.ts";

/** Reading, writing, sizes. */
export function fileSystemData(current: () => Driver): void {
  describe("data", () => {
    it("reads back what was written, zeros between, and the end", async () => {
      const d = current();
      const file = await d.create("a");
      await d.write(file, 0, "start");
      await d.write(file, 10, "end");
      assert.equal((await d.read(file)).toString(), "start\0\0\0\0\0end");
      assert.equal((await d.read(file, 3, 4)).toString(), "rt\0\0");
      const result = (offset: number, length: number) =>
        d.run((call, fs) => {
          const { lengthBytes, endOfFile } = fs.read(call, file, offset, length);
          return [lengthBytes, endOfFile];
        });
      assert.deepEqual(await result(0, 12), [12, false]);
      assert.deepEqual(await result(0, 13), [13, true]);
      assert.deepEqual(await result(10, 100), [3, true]);
      assert.deepEqual(await result(13, 1), [0, true]);
      assert.deepEqual(await result(1000, 1), [0, true]);
    });

    it("overwrites in the middle and over the end", async () => {
      const d = current();
      const file = await d.create("a");
      await d.write(file, 0, "0123456789");
      await d.write(file, 3, "abc");
      await d.write(file, 8, "XYZ");
      assert.equal((await d.read(file)).toString(), "012abc67XYZ");
      await d.write(file, 0, "");
      assert.equal((await d.attributes(file)).sizeBytes, 11);
    });

    it("writes a megabyte in one piece", async () => {
      const d = current();
      const file = await d.create("a");
      const bytes = Buffer.alloc(1 << 20, "pattern ");
      await d.write(file, 12_345, bytes, { stability: "fileSync" });
      assert.ok((await d.read(file, 12_345)).equals(bytes));
    });

    it("never shows again what a truncation has cut off", async () => {
      const d = current();
      const file = await d.create("a");
      await d.write(file, 0, "0123456789");
      await d.set(file, { sizeBytes: 4 });
      assert.equal((await d.read(file)).toString(), "0123");
      await d.set(file, { sizeBytes: 8 });
      assert.equal((await d.read(file)).toString(), "0123\0\0\0\0");
      await d.write(file, 10, "x");
      assert.equal((await d.read(file)).toString(), "0123\0\0\0\0\0\0x");
      await d.set(file, { sizeBytes: 0 });
      await d.set(file, { sizeBytes: 3 });
      assert.equal((await d.read(file)).toString(), "\0\0\0");
    });

    it("has files of several gigabytes that are mostly holes", async () => {
      const d = current();
      const file = await d.create("a");
      await d.set(file, { sizeBytes: 5 * 2 ** 30 });
      await d.write(file, 4 * 2 ** 30, Buffer.alloc(1000, 1));
      const { sizeBytes } = await d.attributes(file);
      assert.equal(sizeBytes, 5 * 2 ** 30);
      assert.deepEqual(await d.read(file, 4 * 2 ** 30 - 1, 2), Buffer.of(0, 1));
      assert.deepEqual(await d.read(file, 2 ** 30, 3), Buffer.alloc(3));
    });

    it("commits what it was given, and goes on", async () => {
      const d = current();
      const file = await d.create("a");
      await d.commit(file);
      await d.write(file, 0, "one");
      await d.commit(file);
      await d.write(file, 3, " two", { stability: "dataSync" });
      await d.commit(file);
      assert.equal((await d.read(file)).toString(), "one two");
    });

    it("has data in regular files only", async () => {
      const d = current();
      const folder = await d.mkdir("d");
      const link = await d.symlink("l", "d");
      const chunk = [Buffer.from("x")];
      for (const [inode, codes] of [
        [folder, ["ISDIR"]],
        [link, ["INVAL", "SYMLINK"]],
      ] as const) {
        await d.fails(codes, (call, fs) => fs.read(call, inode, 0, 1));
        await d.fails(codes, (call, fs) => fs.write(call, inode, 0, chunk, "unstable"));
        await d.fails(codes, (call, fs) =>
          fs.setAttributes(call, inode, { sizeBytes: 0 }, { opened: false }),
        );
      }
    });

    it("moves size, times and change attribute with a write", async () => {
      const d = current();
      const file = await d.create("a");
      const past = { seconds: 1_000, nanoseconds: 5 };
      await d.set(file, { modifyTime: past, accessTime: past });
      const before = await d.attributes(file);
      assert.deepEqual(before.modifyTime, past);
      await d.write(file, 0, "x");
      const after = await d.attributes(file);
      assert.equal(after.sizeBytes, 1);
      assert.ok(after.change > before.change);
      assert.ok(after.modifyTime.seconds > past.seconds);
      assert.deepEqual(after.accessTime, past);
    });

    it("keeps concurrent writes to one file apart", async () => {
      const d = current();
      const file = await d.create("a");
      const writes = Array.from({ length: 16 }, (_, at) =>
        d.write(file, at * 1000, Buffer.alloc(1000, at + 1)),
      );
      await Promise.all(writes);
      const bytes = await d.read(file);
      assert.equal(bytes.length, 16_000);
      for (const [at, byte] of bytes.entries()) assert.equal(byte, Math.floor(at / 1000) + 1);
    });
  });
}
