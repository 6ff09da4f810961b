import assert from "node:assert/strict";
import { type Driver, named } from "../support/file-system-driver.ts";

/** The rules of rename(2). */
export function fileSystemRename(current: () => Driver): void {
  describe("rename", () => {
    const move = (d: Driver, codes: Parameters<Driver["fails"]>[0], from: string, to: string) =>
      d.fails(codes, (call, fs) =>
        fs.rename(
          call,
          { directory: fs.root, name: named(from) },
          { directory: fs.root, name: named(to) },
        ),
      );

    it("moves files between directories, inode and content unchanged", async () => {
      const d = current();
      const file = await d.create("a");
      await d.write(file, 0, "content");
      await d.mkdir("d");
      await d.rename("a", "d/b");
      assert.equal(await d.at("d/b"), file);
      assert.equal(await d.text("d/b"), "content");
      assert.deepEqual(await d.names(), ["d"]);
    });

    it("replaces a file, and the old one is gone unless it is held", async () => {
      const d = current();
      const fresh = await d.create("new");
      const old = await d.create("old");
      await d.write(old, 0, "old content");
      d.fs.hold(old);
      await d.rename("new", "old");
      assert.equal(await d.at("old"), fresh);
      assert.equal((await d.attributes(old)).linkCount, 0);
      assert.equal((await d.read(old)).toString(), "old content");
      d.case.transaction(() => d.fs.release(old));
      await d.fails("STALE", (call, fs) => fs.getAttributes(call, old));
    });

    it("replaces an empty directory by a directory, and nothing else", async () => {
      const d = current();
      const moved = await d.mkdir("a");
      await d.create("a/file");
      await d.mkdir("empty");
      await d.mkdir("full");
      await d.create("full/x");
      await d.create("f");
      await move(d, ["NOTEMPTY", "EXIST"], "a", "full");
      await move(d, "EXIST", "a", "f");
      await move(d, "EXIST", "f", "empty");
      await d.rename("a", "empty");
      assert.equal(await d.at("empty"), moved);
      assert.deepEqual(await d.names(), ["empty", "f", "full"]);
      assert.deepEqual(await d.names("empty"), ["file"]);
    });

    it("does nothing when both names are the same", async () => {
      const d = current();
      const file = await d.create("a");
      const { change } = await d.attributes(d.fs.root);
      const end = { directory: d.fs.root, name: named("a") };
      const moved = await d.run((call, fs) => fs.rename(call, end, end));
      assert.deepEqual(moved.source, { before: change, after: change });
      assert.equal(await d.at("a"), file);
    });

    it("refuses to move a directory below itself, and what is not there", async () => {
      const d = current();
      const outer = await d.mkdir("a");
      const inner = await d.mkdir("a/b");
      for (const directory of [outer, inner]) {
        await d.fails("INVAL", (call, fs) =>
          fs.rename(
            call,
            { directory: fs.root, name: named("a") },
            { directory, name: named("c") },
          ),
        );
      }
      await move(d, "NOENT", "missing", "x");
    });

    it("moves a directory with all that is in it, open files too", async () => {
      const d = current();
      await d.mkdir("a");
      await d.mkdir("a/deep");
      const file = await d.create("a/deep/file");
      await d.write(file, 0, "before");
      d.fs.hold(file);
      await d.mkdir("z");
      await d.rename("a", "z/b");
      await d.write(file, 6, " after");
      assert.equal(await d.text("z/b/deep/file"), "before after");
      d.case.transaction(() => d.fs.release(file));
    });

    it("reports the changes of both directories", async () => {
      const d = current();
      const source = await d.mkdir("s");
      const target = await d.mkdir("t");
      await d.create("s/a");
      const before = [await d.attributes(source), await d.attributes(target)] as const;
      const moved = await d.run((call, fs) =>
        fs.rename(
          call,
          { directory: source, name: named("a") },
          { directory: target, name: named("b") },
        ),
      );
      const after = [await d.attributes(source), await d.attributes(target)] as const;
      assert.deepEqual(moved.source, { before: before[0].change, after: after[0].change });
      assert.deepEqual(moved.target, { before: before[1].change, after: after[1].change });
      assert.ok(moved.source.after > moved.source.before);
      assert.ok(moved.target.after > moved.target.before);
    });
  });
}
