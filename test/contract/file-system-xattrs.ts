import assert from "node:assert/strict";
import type { InodeNumber } from "../../src/vfs/attributes.ts";
import type { XattrMode } from "../../src/vfs/file-system.ts";
import { type XattrName, xattrName } from "../../src/vfs/name.ts";
import { alice, bob, type Driver, root } from "../support/file-system-driver.ts";

const named = (text: string): XattrName => xattrName(Buffer.from(text));

/** Extended attributes. */
export function fileSystemXattrs(current: () => Driver): void {
  const set = (
    inode: InodeNumber,
    name: string,
    value: string | Uint8Array,
    mode: XattrMode = "either",
    caller = root,
  ) => {
    const attribute = { name: named(name), value: Buffer.from(value), mode };
    return current().run((call, fs) => fs.setXattr(call, inode, attribute), caller);
  };
  const get = async (inode: InodeNumber, name: string, caller = root) =>
    Buffer.from(
      await current().run((call, fs) => fs.getXattr(call, inode, named(name)), caller),
    ).toString();
  const names = async (inode: InodeNumber, caller = root) =>
    [...(await current().run((call, fs) => fs.listXattrs(call, inode), caller))].sort();
  const remove = (inode: InodeNumber, name: string, caller = root) =>
    current().run((call, fs) => fs.removeXattr(call, inode, named(name)), caller);

  describe("extended attributes", () => {
    it("keeps names and values of all kinds, of files and directories", async () => {
      const d = current();
      for (const inode of [await d.create("f"), await d.mkdir("d"), d.fs.root]) {
        const values = ["plain text", "", " spaces ", "ä\n", "=?utf-8?q?x?="];
        const keys = ["a", "Upper", "with.dots_and/more", "äöü", "file-owner", "s3files-write"];
        for (const [at, key] of keys.entries()) await set(inode, key, values[at % 5] ?? "");
        assert.deepEqual(await names(inode), [...keys].sort());
        for (const [at, key] of keys.entries()) assert.equal(await get(inode, key), values[at % 5]);
        await set(inode, "a", Buffer.of(0, 255, 128));
        await set(inode, "a", "plain");
        assert.equal(await get(inode, "a"), "plain");
        for (const key of keys) await remove(inode, key);
        assert.deepEqual(await names(inode), []);
      }
    });

    it("makes, replaces and removes only what it should", async () => {
      const d = current();
      const file = await d.create("f");
      await d.fails("NOXATTR", (call, fs) => fs.getXattr(call, file, named("a")));
      await d.fails("NOXATTR", (call, fs) => fs.removeXattr(call, file, named("a")));
      await assert.rejects(set(file, "a", "1", "replace"), { code: "NOXATTR" });
      await set(file, "a", "1", "create");
      await assert.rejects(set(file, "a", "2", "create"), { code: "EXIST" });
      await set(file, "a", "2", "replace");
      assert.equal(await get(file, "a"), "2");
      await remove(file, "a");
      await assert.rejects(remove(file, "a"), { code: "NOXATTR" });
      await assert.rejects(set(file, "a", Buffer.alloc(4000, 1)), { code: "XATTR2BIG" });
    });

    it("counts a change of the value as a change of the inode, and the same value as none", async () => {
      const d = current();
      const file = await d.create("f");
      const first = await set(file, "a", "1");
      assert.equal(first.after, first.before + 1);
      assert.equal((await d.attributes(file)).change, first.after);
      const second = await set(file, "a", "1");
      assert.deepEqual(second, { before: first.after, after: first.after });
      const third = await remove(file, "a");
      assert.equal(third.after, first.after + 1);
    });

    it("asks for read access to read, write access to change, and none of it on links", async () => {
      const d = current();
      await d.set(d.fs.root, { mode: 0o777 });
      const file = await d.create("f", { mode: 0o644 }, alice);
      const secret = await d.create("s", { mode: 0o600 }, alice);
      await set(file, "a", "1", "either", alice);
      assert.equal(await get(file, "a", bob), "1");
      await assert.rejects(set(file, "a", "2", "either", bob), { code: "ACCESS" });
      await assert.rejects(remove(file, "a", bob), { code: "ACCESS" });
      await assert.rejects(get(secret, "a", bob), { code: "ACCESS" });
      await assert.rejects(names(secret, bob), { code: "ACCESS" });
      const sticky = await d.mkdir("tmp", { mode: 0o1777 });
      await assert.rejects(set(sticky, "a", "2", "either", bob), { code: "PERM" });
      const link = await d.symlink("l", "f");
      await assert.rejects(set(link, "a", "1"), { code: "PERM" });
      assert.deepEqual(await names(link), []);
    });
  });
}
