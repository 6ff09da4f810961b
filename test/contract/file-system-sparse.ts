import assert from "node:assert/strict";
import type { InodeNumber } from "../../src/vfs/attributes.ts";
import type { Content } from "../../src/vfs/file-system.ts";
import { alice, type Driver } from "../support/file-system-driver.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** Holes and copies. */
export function fileSystemSparse(current: () => Driver): void {
  const seek = (file: InodeNumber, offset: number, what: Content) =>
    current().run((call, fs) => fs.seek(call, file, offset, what));
  const allocate = (file: InodeNumber, offset: number, length: number, caller = alice) =>
    current().run((call, fs) => fs.allocate(call, file, offset, length), caller);
  const deallocate = (file: InodeNumber, offset: number, length: number) =>
    current().run((call, fs) => fs.deallocate(call, file, offset, length));
  /** As a client does it: again until all is copied. */
  const copy = async (
    from: readonly [InodeNumber, number],
    to: readonly [InodeNumber, number],
    length: number,
  ) => {
    for (let done = 0; done < length; ) {
      const at = done;
      const count = await current().run((call, fs) =>
        fs.copyRange(
          call,
          { inode: from[0], offsetBytes: from[1] + at },
          { inode: to[0], offsetBytes: to[1] + at },
          length - at,
        ),
      );
      assert.ok(count > 0);
      done += count;
    }
  };

  describe("holes and copies", () => {
    it("finds data and holes, and the hole at the end of every file", async () => {
      const d = current();
      const file = await d.create("a");
      await d.set(file, { sizeBytes: 100 * MiB });
      await d.write(file, 40 * MiB, Buffer.alloc(64 * KiB, 1));
      assert.equal(await seek(file, 0, "hole"), 0);
      assert.equal(await seek(file, 0, "data"), 40 * MiB);
      assert.equal(await seek(file, 40 * MiB + 5, "data"), 40 * MiB + 5);
      assert.equal(await seek(file, 40 * MiB + 5, "hole"), 40 * MiB + 64 * KiB);
      assert.equal(await seek(file, 50 * MiB, "data"), undefined);
      const full = await d.create("full");
      await d.write(full, 0, Buffer.alloc(4 * KiB, 1));
      assert.equal(await seek(full, 1, "hole"), 4 * KiB);
      await d.fails("NXIO", (call, fs) => fs.seek(call, full, 4 * KiB, "hole"));
      await d.fails("NXIO", (call, fs) => fs.seek(call, full, 1 * MiB, "data"));
      await d.fails("NXIO", (call, fs) => fs.seek(call, file, 100 * MiB, "hole"));
    });

    it("punches holes that read as zeros, keep the size and give space back", async () => {
      const d = current();
      const file = await d.create("a");
      await d.write(file, 0, Buffer.alloc(MiB, 7));
      const before = await d.attributes(file);
      await deallocate(file, 256 * KiB, 256 * KiB);
      const after = await d.attributes(file);
      assert.equal(after.sizeBytes, MiB);
      assert.equal(before.usedBytes - after.usedBytes, 256 * KiB);
      assert.ok(after.change > before.change);
      const bytes = await d.read(file);
      assert.ok(bytes.subarray(256 * KiB, 512 * KiB).equals(Buffer.alloc(256 * KiB)));
      assert.equal(bytes[256 * KiB - 1], 7);
      assert.equal(bytes[512 * KiB], 7);
      assert.equal(await seek(file, 0, "hole"), 256 * KiB);
      assert.equal(await seek(file, 256 * KiB, "data"), 512 * KiB);
      await deallocate(file, 512 * KiB, 10 * MiB);
      assert.equal((await d.attributes(file)).sizeBytes, MiB);
      await d.write(file, 300 * KiB, "new");
      assert.equal((await d.read(file, 300 * KiB, 4)).toString(), "new\0");
      await d.commit(file);
    });

    it("allocates holes as zeros that count, and what is beyond the end", async () => {
      const d = current();
      await d.set(d.fs.root, { mode: 0o777 });
      const file = await d.create("a", {}, alice);
      await d.write(file, 0, Buffer.alloc(64 * KiB, 5));
      await allocate(file, 0, 256 * KiB);
      const { sizeBytes, usedBytes } = await d.attributes(file);
      assert.deepEqual([sizeBytes, usedBytes], [256 * KiB, 256 * KiB]);
      const bytes = await d.read(file);
      assert.equal(bytes[64 * KiB - 1], 5);
      assert.ok(bytes.subarray(64 * KiB).equals(Buffer.alloc(192 * KiB)));
      assert.equal(await seek(file, 0, "hole"), 256 * KiB);
      await d.write(file, 100 * KiB, "in it");
      await d.set(file, { sizeBytes: 300 * KiB });
      await allocate(file, 512 * KiB, 4 * KiB);
      assert.equal((await d.attributes(file)).usedBytes, 260 * KiB);
      assert.equal((await d.read(file, 100 * KiB, 6)).toString(), "in it\0");
      assert.equal(await seek(file, 0, "hole"), 256 * KiB);
      assert.equal(await seek(file, 256 * KiB, "data"), 512 * KiB);
      await d.commit(file);
    });

    it("refuses to look for, make or fill holes of what is no file", async () => {
      const d = current();
      const folder = await d.mkdir("d");
      const link = await d.symlink("l", "x");
      const file = await d.create("a");
      for (const inode of [folder, link]) {
        await d.fails("WRONG_TYPE", (call, fs) => fs.allocate(call, inode, 0, 1));
        await d.fails("WRONG_TYPE", (call, fs) => fs.deallocate(call, inode, 0, 1));
      }
      await d.fails("ISDIR", (call, fs) => fs.seek(call, folder, 0, "data"));
      await d.fails("SYMLINK", (call, fs) => fs.seek(call, link, 0, "data"));
      await d.fails("INVAL", (call, fs) => fs.allocate(call, file, 5, 0));
      await d.fails("INVAL", (call, fs) => fs.deallocate(call, file, 5, 0));
    });

    it("copies ranges between files, over what is there and beyond the end", async () => {
      const d = current();
      const from = await d.create("a");
      const to = await d.create("b");
      const pattern = Buffer.from(Array.from({ length: 9 * MiB }, (_, at) => (at * 7) % 251));
      await d.write(from, 0, pattern);
      await d.write(to, 0, "0123456789");
      await copy([from, 3], [to, 5], 5 * MiB);
      const { sizeBytes } = await d.attributes(to);
      assert.equal(sizeBytes, 5 * MiB + 5);
      const bytes = await d.read(to, 0, 6 * MiB);
      assert.equal(bytes.subarray(0, 5).toString(), "01234");
      assert.ok(bytes.subarray(5).equals(pattern.subarray(3, 3 + 5 * MiB)));
      await copy([from, 0], [to, 20 * MiB], 10);
      assert.ok((await d.read(to, 20 * MiB, 10)).equals(pattern.subarray(0, 10)));
      assert.ok((await d.read(to, 10 * MiB, MiB)).equals(Buffer.alloc(MiB)));
      await d.fails("ISDIR", (call, fs) =>
        fs.copyRange(call, { inode: fs.root, offsetBytes: 0 }, { inode: to, offsetBytes: 0 }, 1),
      );
    });

    it("copies holes as holes", async () => {
      const d = current();
      const from = await d.create("a");
      const to = await d.create("b");
      await d.write(from, 0, "begin");
      await d.write(from, 500 * MiB, Buffer.alloc(64 * KiB, 3));
      await d.set(from, { sizeBytes: 900 * MiB });
      await d.write(to, 100 * MiB, Buffer.alloc(MiB, 9));
      await copy([from, 0], [to, 0], 900 * MiB);
      const { sizeBytes, usedBytes } = await d.attributes(to);
      assert.equal(sizeBytes, 900 * MiB);
      assert.ok(usedBytes <= 3 * MiB, `${usedBytes} bytes`);
      assert.equal((await d.read(to, 0, 6)).toString(), "begin\0");
      assert.ok((await d.read(to, 100 * MiB, MiB)).equals(Buffer.alloc(MiB)));
      assert.ok((await d.read(to, 500 * MiB, 64 * KiB)).equals(Buffer.alloc(64 * KiB, 3)));
    });

    it("takes set-user-id away from a file that somebody punches, fills or copies into", async () => {
      const d = current();
      await d.set(d.fs.root, { mode: 0o777 });
      const from = await d.create("from", {}, alice);
      await d.write(from, 0, "text", { caller: alice });
      const changes = [
        (file: InodeNumber) => d.run((call, fs) => fs.deallocate(call, file, 0, 1), alice),
        (file: InodeNumber) => allocate(file, 0, MiB),
        (file: InodeNumber) =>
          d.run(
            (call, fs) =>
              fs.copyRange(
                call,
                { inode: from, offsetBytes: 0 },
                { inode: file, offsetBytes: 0 },
                4,
              ),
            alice,
          ),
      ];
      for (const [at, change] of changes.entries()) {
        const file = await d.create(`s${at}`, { mode: 0o4755 }, alice);
        await d.write(file, 0, "x");
        await d.set(file, { mode: 0o4755 }, alice);
        await change(file);
        assert.equal((await d.attributes(file)).mode, 0o755);
      }
    });
  });
}
