import assert from "node:assert/strict";
import { alice, bob, type Driver, named, root } from "../support/file-system-driver.ts";

/** Who may do what, by the rules of POSIX. */
export function fileSystemPermissions(current: () => Driver): void {
  describe("permissions", () => {
    const open = { mode: 0o777 };
    const guarded = { kind: "guarded" } as const;

    it("gives new files to their maker, with the mode that was asked for", async () => {
      const d = current();
      await d.mkdir("d", open);
      const file = await d.create("d/a", { mode: 0o640 }, alice);
      const { uid, gid, mode } = await d.attributes(file);
      assert.deepEqual([uid, gid, mode], [1000, 1000, 0o640]);
    });

    it("needs search permission on a directory for everything in it", async () => {
      const d = current();
      const folder = await d.mkdir("d", { mode: 0o700 });
      await d.create("d/a");
      await d.fails("ACCESS", (call, fs) => fs.lookup(call, folder, named("a")), alice);
      await d.set(folder, { mode: 0o755 });
      await d.run((call, fs) => fs.lookup(call, folder, named("a")), alice);
      await d.set(folder, { mode: 0o711 });
      const page = { after: 0, limit: 10, attributes: false };
      await d.fails("ACCESS", (call, fs) => fs.readDirectory(call, folder, page), alice);
    });

    it("needs write permission on the directories for create, remove and rename", async () => {
      const d = current();
      const folder = await d.mkdir("d", { mode: 0o755 });
      await d.create("d/a", { mode: 0o777 });
      const name = named("b");
      await d.fails("ACCESS", (call, fs) => fs.createFile(call, folder, name, guarded, {}), alice);
      const node = { type: "directory" } as const;
      await d.fails("ACCESS", (call, fs) => fs.createNode(call, folder, name, node, {}), alice);
      await d.fails("ACCESS", (call, fs) => fs.remove(call, folder, named("a")), alice);
      const from = { directory: folder, name: named("a") };
      const to = { directory: folder, name };
      await d.fails("ACCESS", (call, fs) => fs.rename(call, from, to), alice);
    });

    it("judges by the one class that applies: owner, group, others", async () => {
      const d = current();
      const file = await d.create("a");
      const access = async (mode: number, gid: number, uid: number, caller = alice) => {
        await d.set(file, { uid, gid });
        await d.set(file, { mode });
        return await d.run((call, fs) => fs.permittedAccess(call, file), caller);
      };
      const none = { read: false, write: false, execute: false };
      assert.deepEqual(await access(0o077, 0, 1000), none);
      assert.deepEqual(await access(0o707, 3000, 0), none);
      assert.deepEqual(await access(0o640, 3000, 0), { ...none, read: true });
      assert.deepEqual(await access(0o602, 0, 0), { ...none, write: true });
      assert.deepEqual(await access(0o000, 0, 0, root), {
        read: true,
        write: true,
        execute: false,
      });
      await d.fails(
        "ACCESS",
        (call, fs) => fs.requireAccess(call, file, { ...none, read: true }),
        alice,
      );
      await d.set(file, { mode: 0o444 });
      await d.fails("ACCESS", (call, fs) => fs.open(call, file, { read: true, write: true }), bob);
    });

    it("lets only the owners remove or rename in a sticky directory", async () => {
      const d = current();
      const folder = await d.mkdir("d", { mode: 0o1777 });
      await d.create("d/a", { mode: 0o666 }, alice);
      const from = { directory: folder, name: named("a") };
      const to = { directory: folder, name: named("b") };
      await d.fails(["PERM", "ACCESS"], (call, fs) => fs.remove(call, folder, named("a")), bob);
      await d.fails(["PERM", "ACCESS"], (call, fs) => fs.rename(call, from, to), bob);
      await d.create("d/bobs", {}, bob);
      const bobs = { directory: folder, name: named("bobs") };
      await d.fails(["PERM", "ACCESS"], (call, fs) => fs.rename(call, bobs, from), bob);
      await d.rename("d/a", "d/b", alice);
      await d.remove("d/b");
    });

    it("inherits group and set-group-id in a set-group-id directory", async () => {
      const d = current();
      const folder = await d.mkdir("d");
      await d.set(folder, { gid: 3000 });
      await d.set(folder, { mode: 0o2777 });
      const file = await d.attributes(await d.create("d/a", { mode: 0o644 }, bob));
      const inner = await d.attributes(await d.mkdir("d/in", { mode: 0o755 }, bob));
      assert.deepEqual([file.uid, file.gid, file.mode], [1001, 3000, 0o644]);
      assert.deepEqual([inner.gid, inner.mode], [3000, 0o2755]);
    });

    it("lets only the owner and root change the mode", async () => {
      const d = current();
      await d.mkdir("d", open);
      const file = await d.create("d/a", { mode: 0o666 }, alice);
      const mode = { mode: 0o4755 };
      const opened = { opened: true };
      await d.fails("PERM", (call, fs) => fs.setAttributes(call, file, mode, opened), bob);
      await d.set(file, mode, alice);
      assert.equal((await d.attributes(file)).mode, 0o4755);
      await d.set(file, { mode: 0o600 }, root);
      assert.equal((await d.attributes(file)).mode, 0o600);
    });

    it("lets only root give files away, and owners hand them to their own groups", async () => {
      const d = current();
      await d.mkdir("d", open);
      const file = await d.create("d/a", {}, alice);
      const opened = { opened: false };
      for (const changes of [{ uid: 1001 }, { gid: 4000 }]) {
        await d.fails("PERM", (call, fs) => fs.setAttributes(call, file, changes, opened), alice);
      }
      const gid = { gid: 3000 };
      await d.fails("PERM", (call, fs) => fs.setAttributes(call, file, gid, opened), bob);
      await d.set(file, gid, alice);
      assert.equal((await d.attributes(file)).gid, 3000);
      await d.set(file, { uid: 1001, gid: 1001 });
      const { uid } = await d.attributes(file);
      assert.equal(uid, 1001);
    });

    it("takes set-user-id and set-group-id away on write, truncation and change of owner", async () => {
      const d = current();
      await d.mkdir("d", open);
      const file = await d.create("d/a", {}, alice);
      const mode = async () => (await d.attributes(file)).mode;
      await d.set(file, { mode: 0o6777 }, alice);
      await d.write(file, 0, "x", { caller: bob });
      assert.equal(await mode(), 0o777);
      await d.set(file, { mode: 0o6777 }, alice);
      await d.set(file, { sizeBytes: 0 }, bob);
      assert.equal(await mode(), 0o777);
      await d.set(file, { mode: 0o6777 }, alice);
      await d.set(file, { gid: 3000 }, alice);
      assert.equal(await mode(), 0o777);
      await d.set(file, { mode: 0o2644 }, alice);
      await d.write(file, 0, "x");
      assert.equal(await mode(), 0o2644);
    });

    it("takes set-group-id from a mode whose setter is not in the group", async () => {
      const d = current();
      await d.mkdir("d", open);
      const file = await d.create("d/a", {}, alice);
      await d.set(file, { gid: 4000 });
      await d.set(file, { mode: 0o2755 }, alice);
      assert.equal((await d.attributes(file)).mode, 0o755);
    });

    it("lets owners set any time, and writers only the present", async () => {
      const d = current();
      await d.mkdir("d", open);
      const file = await d.create("d/a", { mode: 0o666 }, alice);
      const time = { seconds: -86_400, nanoseconds: 999_999_999 };
      const opened = { opened: false };
      const past = { modifyTime: time } as const;
      await d.fails("PERM", (call, fs) => fs.setAttributes(call, file, past, opened), bob);
      await d.set(file, { modifyTime: "now", accessTime: "now" }, bob);
      await d.set(file, { modifyTime: time, accessTime: time }, alice);
      const { accessTime, modifyTime, changeTime } = await d.attributes(file);
      assert.deepEqual([accessTime, modifyTime], [time, time]);
      assert.ok(changeTime.seconds > 0);
      const one = { modifyTime: "now" } as const;
      await d.fails("PERM", (call, fs) => fs.setAttributes(call, file, one, opened), bob);
      await d.set(file, { mode: 0o644 }, alice);
      const now = { modifyTime: "now", accessTime: "now" } as const;
      await d.fails("ACCESS", (call, fs) => fs.setAttributes(call, file, now, opened), bob);
    });

    it("needs write permission for a size, unless the file is open for writing", async () => {
      const d = current();
      const file = await d.create("a", { mode: 0o644 });
      const size = { sizeBytes: 10 };
      await d.fails(
        "ACCESS",
        (call, fs) => fs.setAttributes(call, file, size, { opened: false }),
        alice,
      );
      await d.set(file, size, alice, true);
      assert.equal((await d.attributes(file)).sizeBytes, 10);
    });

    it("needs write permission on a directory that gets another parent", async () => {
      const d = current();
      await d.mkdir("a", open);
      await d.mkdir("b", open);
      await d.mkdir("a/d", { mode: 0o755 });
      const from = { directory: await d.at("a"), name: named("d") };
      const to = { directory: await d.at("b"), name: named("d") };
      await d.fails("ACCESS", (call, fs) => fs.rename(call, from, to), alice);
      await d.rename("a/d", "a/e", alice);
    });
  });
}
