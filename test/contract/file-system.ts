import assert from "node:assert/strict";
import type { Call } from "../../src/vfs/call.ts";
import type { FileSystem } from "../../src/vfs/file-system.ts";
import { alice, Driver, type FileSystemCase, named } from "../support/file-system-driver.ts";
import { fileSystemData } from "./file-system-data.ts";
import { fileSystemLinks } from "./file-system-links.ts";
import { fileSystemPermissions } from "./file-system-permissions.ts";
import { fileSystemRename } from "./file-system-rename.ts";
import { fileSystemSparse } from "./file-system-sparse.ts";
import { fileSystemXattrs } from "./file-system-xattrs.ts";

/**
 * What every file system of this project does, whatever it keeps its files in. `limits`: it has those of S3, on
 * keys and sizes, and counts bytes exactly.
 */
export function fileSystemContract(
  title: string,
  open: () => Promise<FileSystemCase>,
  traits: { readonly limits: boolean },
): void {
  describe(`${title}: the contract of a file system`, () => {
    let driver: Driver;
    const current = (): Driver => driver;
    beforeEach(async () => {
      driver = new Driver(await open());
    });
    afterEach(() => driver.case.close());

    fileSystemNames(current);
    fileSystemLinks(current);
    fileSystemRename(current);
    fileSystemData(current);
    fileSystemPermissions(current);
    fileSystemSparse(current);
    fileSystemXattrs(current);
    if (traits.limits) fileSystemLimits(current);
  });
}

function fileSystemNames(current: () => Driver): void {
  describe("names", () => {
    it("finds what was created, and nothing else", async () => {
      const d = current();
      const file = await d.create("a");
      const folder = await d.mkdir("d");
      const link = await d.symlink("d/l", "../a");
      assert.equal(await d.at("a"), file);
      assert.equal(await d.at("d/l"), link);
      await d.fails("NOENT", (call, fs) => fs.lookup(call, fs.root, named("b")));
      await d.fails("NOTDIR", (call, fs) => fs.lookup(call, file, named("b")));
      assert.equal((await d.attributes(folder)).type, "directory");
      assert.equal((await d.attributes(link)).type, "symlink");
      assert.equal((await d.attributes(link)).sizeBytes, 4);
      const target = await d.run((call, fs) => Buffer.from(fs.readLink(call, link)).toString());
      assert.equal(target, "../a");
      await d.fails("WRONG_TYPE", (call, fs) => fs.readLink(call, file));
    });

    it("keeps names apart that differ in case or in composition", async () => {
      const d = current();
      const names = ["ä", "a\u0308", "A", "a", "日本", " ", ".hidden", "x".repeat(255)];
      for (const name of names) await d.create(name);
      assert.deepEqual(await d.names(), [...names].sort());
    });

    it("creates guarded files once, and finds unchecked ones unchanged", async () => {
      const d = current();
      const file = await d.create("a", { mode: 0o600 });
      const guarded = { kind: "guarded" } as const;
      await d.fails("EXIST", (call, fs) => fs.createFile(call, fs.root, named("a"), guarded, {}));
      const again = await d.run((call, fs) =>
        fs.createFile(call, fs.root, named("a"), { kind: "unchecked" }, { mode: 0o777 }),
      );
      assert.equal(again.created, false);
      assert.equal(again.inode, file);
      assert.equal((await d.attributes(file)).mode, 0o600);
    });

    it("takes an exclusive create with the same verifier for a retry", async () => {
      const d = current();
      const create = (verifier: string) =>
        d.run((call, fs) =>
          fs.createFile(
            call,
            fs.root,
            named("a"),
            { kind: "exclusive", verifier: Buffer.from(verifier) },
            {},
          ),
        );
      const first = await create("12345678");
      const second = await create("12345678");
      assert.deepEqual([first.created, second.created], [true, true]);
      assert.equal(first.inode, second.inode);
      await assert.rejects(create("87654321"), { code: "EXIST" });
    });

    it("refuses to open or create what is no regular file", async () => {
      const d = current();
      await d.mkdir("d");
      await d.symlink("l", "d");
      const unchecked = { kind: "unchecked" } as const;
      await d.fails("ISDIR", (call, fs) => fs.createFile(call, fs.root, named("d"), unchecked, {}));
      await d.fails("SYMLINK", (call, fs) =>
        fs.createFile(call, fs.root, named("l"), unchecked, {}),
      );
      const fifo = await d.run((call, fs) =>
        fs.createNode(call, fs.root, named("p"), { type: "fifo" }, { mode: 0o640 }),
      );
      const both = { read: true, write: false };
      for (const [path, code] of [
        ["d", "ISDIR"],
        ["l", "SYMLINK"],
        ["p", "WRONG_TYPE"],
      ] as const) {
        const inode = await d.at(path);
        await d.fails(code, (call, fs) => fs.open(call, inode, both));
      }
      assert.equal((await d.attributes(fifo.inode)).type, "fifo");
    });

    it("lets root make device nodes, and tells their numbers", async () => {
      const d = current();
      const device = { major: 1, minor: 0xffff_ffff };
      await d.set(d.fs.root, { mode: 0o777 });
      for (const type of ["blockDevice", "characterDevice"] as const) {
        const make = (call: Call, fs: FileSystem) =>
          fs.createNode(call, fs.root, named(type), { type, device }, { mode: 0o600 });
        await d.fails("PERM", make, alice);
        const found = await d.attributes((await d.run(make)).inode);
        assert.deepEqual([found.type, found.device, found.sizeBytes], [type, device, 0]);
      }
    });

    it("says how a directory's change attribute moved with each change in it", async () => {
      const d = current();
      const { root } = d.fs;
      const changeOf = async () => (await d.attributes(root)).change;
      const before = await changeOf();
      const made = await d.run((call, fs) =>
        fs.createNode(call, root, named("d"), { type: "directory" }, {}),
      );
      assert.equal(made.directory.before, before);
      assert.equal(made.directory.after, await changeOf());
      assert.ok(made.directory.after > before);
      const removed = await d.run((call, fs) => fs.remove(call, root, named("d")));
      assert.equal(removed.before, made.directory.after);
      assert.equal(removed.after, await changeOf());
      assert.ok(removed.after > removed.before);
    });

    it("counts sub-directories in the link count", async () => {
      const d = current();
      const folder = await d.mkdir("d");
      const links = async () => (await d.attributes(folder)).linkCount;
      assert.equal(await links(), 2);
      await d.mkdir("d/1");
      await d.mkdir("d/2");
      await d.create("d/file");
      assert.equal(await links(), 4);
      await d.mkdir("e");
      await d.rename("d/1", "e/1");
      await d.remove("d/2");
      assert.equal(await links(), 2);
      assert.equal((await d.attributes(await d.at("e"))).linkCount, 3);
    });

    it("removes files and empty directories, and never a directory that is in use", async () => {
      const d = current();
      const folder = await d.mkdir("d");
      const file = await d.create("d/f");
      await d.fails("NOTEMPTY", (call, fs) => fs.remove(call, fs.root, named("d")));
      await d.remove("d/f");
      await d.remove("d");
      await d.fails("NOENT", (call, fs) => fs.remove(call, fs.root, named("d")));
      await d.fails("STALE", (call, fs) => fs.getAttributes(call, file));
      await d.fails("STALE", (_call, fs) => fs.requireInode(file));
      await d.run((_call, fs) => fs.requireInode(fs.root));
      await d.fails("STALE", (call, fs) => fs.getAttributes(call, folder));
    });

    it("knows the directory above each directory", async () => {
      const d = current();
      await d.mkdir("a");
      await d.mkdir("b");
      const inner = await d.mkdir("a/c");
      const above = () => d.run((call, fs) => fs.lookupParent(call, inner));
      assert.equal(await above(), await d.at("a"));
      await d.rename("a/c", "b/c");
      assert.equal(await above(), await d.at("b"));
      await d.fails("NOENT", (call, fs) => fs.lookupParent(call, fs.root));
    });

    it("lists every entry once, in pages of any size, with cookies from 3 on", async () => {
      const d = current();
      const names = Array.from({ length: 57 }, (_, at) => `name ${at}`);
      await d.mkdir("d");
      for (const name of names) await d.create(`d/${name}`);
      for (const limit of [1, 7, 57, 1000]) {
        const entries = await d.list("d", limit);
        assert.deepEqual(entries.map(({ name }) => String(name)).sort(), [...names].sort());
        const cookies = entries.map(({ cookie }) => cookie);
        assert.deepEqual(
          cookies,
          [...cookies].sort((one, other) => one - other),
        );
        assert.ok(cookies.every((cookie) => cookie >= 3));
      }
    });

    it("goes on listing while entries before, at and after the cookie come and go", async () => {
      const d = current();
      await d.mkdir("d");
      for (let at = 0; at < 20; at++) await d.create(`d/${at}`);
      const directory = await d.at("d");
      const page = (after: number, limit: number) =>
        d.run((call, fs) => fs.readDirectory(call, directory, { after, limit, attributes: true }));
      const first = await page(0, 10);
      const seen = first.entries.map(({ name }) => String(name));
      await d.remove(`d/${seen[3]}`);
      await d.remove(`d/${seen[9]}`);
      const unseen = (await d.names("d")).filter((name) => !seen.includes(name));
      await d.remove(`d/${unseen[0]}`);
      await d.create("d/late");
      const rest = await page(first.entries.at(-1)?.cookie ?? 0, 100);
      assert.equal(rest.endOfDirectory, true);
      assert.deepEqual(
        rest.entries.map(({ name }) => String(name)).sort(),
        [...unseen.slice(1), "late"].sort(),
      );
      for (const { attributes, inode } of rest.entries) {
        assert.ok(attributes !== undefined && "inode" in attributes);
        assert.equal(attributes.inode, inode);
      }
    });

    it("keeps the data of an unlinked file while somebody holds it", async () => {
      const d = current();
      const file = await d.create("a");
      await d.write(file, 0, "still here");
      d.fs.hold(file);
      d.fs.hold(file);
      await d.remove("a");
      assert.equal((await d.attributes(file)).linkCount, 0);
      assert.equal((await d.read(file)).toString(), "still here");
      await d.write(file, 0, "STILL");
      d.case.transaction(() => d.fs.release(file));
      assert.equal((await d.read(file)).toString(), "STILL here");
      d.case.transaction(() => d.fs.release(file));
      await d.fails("STALE", (call, fs) => fs.read(call, file, 0, 10));
    });
  });
}

function fileSystemLimits(current: () => Driver): void {
  describe("limits", () => {
    it("refuses names whose key would be over 1,024 bytes, at create and at rename", async () => {
      const d = current();
      const long = "n".repeat(250);
      let path = "";
      for (let depth = 0; depth < 4; depth++) {
        path = path === "" ? long : `${path}/${long}`;
        await d.mkdir(path);
      }
      const directory = await d.at(path);
      const guarded = { kind: "guarded" } as const;
      await d.fails("NAMETOOLONG", (call, fs) =>
        fs.createFile(call, directory, named("f".repeat(40)), guarded, {}),
      );
      await d.create(`${path}/${"s".repeat(18)}`);
      await d.fails("NAMETOOLONG", (call, fs) =>
        fs.rename(
          call,
          { directory: fs.root, name: named(long) },
          { directory: fs.root, name: named("n".repeat(255)) },
        ),
      );
      await d.rename(long, "short name");
    });

    it("counts the bytes that hold data, not the holes", async () => {
      const d = current();
      const file = await d.create("a");
      await d.set(file, { sizeBytes: 5 * 2 ** 30 });
      await d.write(file, 4 * 2 ** 30, Buffer.alloc(1000, 1));
      assert.equal((await d.attributes(file)).usedBytes, 1000);
      await d.write(file, 4 * 2 ** 30 + 500, Buffer.alloc(1000, 1));
      assert.equal((await d.attributes(file)).usedBytes, 1500);
      await d.set(file, { sizeBytes: 4 * 2 ** 30 + 100 });
      assert.equal((await d.attributes(file)).usedBytes, 100);
    });

    it("refuses files that no object can hold", async () => {
      const d = current();
      const file = await d.create("a");
      const chunk = [Buffer.from("x")];
      await d.fails("FBIG", (call, fs) => fs.write(call, file, 2 ** 53 - 10, chunk, "unstable"));
      const sizeBytes = 2 ** 50;
      await d.fails("FBIG", (call, fs) =>
        fs.setAttributes(call, file, { sizeBytes }, { opened: true }),
      );
    });
  });
}
