import assert from "node:assert/strict";
import { maxLinks } from "../../src/vfs/file-system.ts";
import { alice, type Driver, named } from "../support/file-system-driver.ts";

/** The rules of link(2). */
export function fileSystemLinks(current: () => Driver): void {
  describe("a file with several names", () => {
    it("is one file under all of them", async () => {
      const d = current();
      const file = await d.create("a");
      await d.mkdir("d");
      await d.link("a", "b");
      await d.link("b", "d/c");
      for (const path of ["a", "b", "d/c"]) assert.equal(await d.at(path), file);
      assert.equal((await d.attributes(file)).linkCount, 3);
      await d.write(await d.at("b"), 0, "content");
      assert.equal(await d.text("d/c"), "content");
      assert.deepEqual(await d.names(), ["a", "b", "d"]);
      assert.deepEqual(await d.names("d"), ["c"]);
    });

    it("counts a link as a change of itself and of the directory", async () => {
      const d = current();
      const file = await d.create("a");
      const before = await d.attributes(file);
      const above = await d.attributes(d.fs.root);
      const change = await d.run((call, fs) => fs.link(call, file, fs.root, named("b")));
      const after = await d.attributes(file);
      assert.ok(after.change > before.change);
      assert.deepEqual(after.modifyTime, before.modifyTime);
      assert.equal(change.before, above.change);
      assert.equal(change.after, (await d.attributes(d.fs.root)).change);
      assert.ok(change.after > change.before);
    });

    it("stays under the others when one is removed, whichever came first", async () => {
      const d = current();
      const file = await d.create("a");
      await d.write(file, 0, "content");
      await d.link("a", "b");
      await d.link("a", "c");
      const { change } = await d.attributes(file);
      await d.remove("a");
      assert.ok((await d.attributes(file)).change > change);
      assert.equal((await d.attributes(file)).linkCount, 2);
      assert.equal(await d.text("b"), "content");
      await d.remove("c");
      assert.equal((await d.attributes(await d.at("b"))).linkCount, 1);
      await d.remove("b");
      await d.fails("STALE", (call, fs) => fs.getAttributes(call, file));
    });

    it("keeps its data while it is held, and goes with its last use", async () => {
      const d = current();
      const file = await d.create("a");
      await d.write(file, 0, "content");
      await d.link("a", "b");
      d.fs.hold(file);
      await d.remove("a");
      await d.remove("b");
      assert.equal((await d.attributes(file)).linkCount, 0);
      assert.equal((await d.read(file)).toString(), "content");
      await d.fails("STALE", (call, fs) => fs.link(call, file, fs.root, named("c")));
      d.case.transaction(() => d.fs.release(file));
      await d.fails("STALE", (call, fs) => fs.getAttributes(call, file));
    });

    it("is not renamed onto another of its names: both stay", async () => {
      const d = current();
      const file = await d.create("a");
      await d.link("a", "b");
      await d.rename("a", "b");
      await d.rename("b", "a");
      assert.deepEqual(await d.names(), ["a", "b"]);
      assert.equal((await d.attributes(file)).linkCount, 2);
    });

    it("is renamed by one name, over another file too, and the other names stay", async () => {
      const d = current();
      const file = await d.create("a");
      await d.link("a", "b");
      await d.link("a", "c");
      const other = await d.create("x");
      await d.link("x", "y");
      await d.rename("a", "x");
      await d.rename("b", "z");
      for (const path of ["x", "z", "c"]) assert.equal(await d.at(path), file);
      assert.equal((await d.attributes(file)).linkCount, 3);
      assert.equal(await d.at("y"), other);
      assert.equal((await d.attributes(other)).linkCount, 1);
      assert.deepEqual(await d.names(), ["c", "x", "y", "z"]);
    });

    it("follows a directory that holds one of its names", async () => {
      const d = current();
      const file = await d.create("a");
      await d.mkdir("d");
      await d.link("a", "d/b");
      await d.rename("d", "e");
      assert.equal(await d.at("e/b"), file);
      await d.fails(["NOTEMPTY"], (call, fs) => fs.remove(call, fs.root, named("e")));
      await d.remove("a");
      assert.equal(await d.at("e/b"), file);
    });

    it("may be a symlink or a fifo, and no directory", async () => {
      const d = current();
      const link = await d.symlink("l", "target");
      await d.link("l", "m");
      assert.equal(await d.at("m"), link);
      assert.equal((await d.attributes(link)).linkCount, 2);
      const fifo = await d.run((call, fs) =>
        fs.createNode(call, fs.root, named("p"), { type: "fifo" }, {}),
      );
      await d.link("p", "q");
      assert.equal(await d.at("q"), fifo.inode);
      const folder = await d.mkdir("d");
      await d.fails("ISDIR", (call, fs) => fs.link(call, folder, fs.root, named("e")));
    });

    it("gets no name that exists, is too long, or is in no directory that the user may write", async () => {
      const d = current();
      const file = await d.create("a");
      const other = await d.create("b");
      const folder = await d.mkdir("d", { mode: 0o755 });
      await d.fails("EXIST", (call, fs) => fs.link(call, file, fs.root, named("b")));
      await d.fails("EXIST", (call, fs) => fs.link(call, file, fs.root, named("a")));
      await d.fails("NOTDIR", (call, fs) => fs.link(call, file, other, named("c")));
      await d.fails("ACCESS", (call, fs) => fs.link(call, file, folder, named("c")), alice);
      // The file itself need not be alice's: that is the client's to refuse (protected_hardlinks).
      await d.set(folder, { mode: 0o777 });
      await d.run((call, fs) => fs.link(call, file, folder, named("c")), alice);
      assert.equal((await d.attributes(file)).linkCount, 2);
    });

    it("has a limit of names", async function () {
      this.timeout(60_000);
      const d = current();
      const file = await d.create("a");
      const folder = await d.mkdir("d");
      d.case.transaction(() => d.fs.hold(file));
      await d.run((call, fs) => {
        for (let at = 1; at < 200; at++) fs.link(call, file, folder, named(`${at}`));
      });
      assert.equal((await d.attributes(file)).linkCount, 200);
      assert.ok(maxLinks >= 8 && maxLinks < 2 ** 31);
    });
  });
}
