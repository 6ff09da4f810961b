import assert from "node:assert/strict";
import fc from "fast-check";
import type { InodeNumber } from "../../../src/vfs/attributes.ts";
import { Call, Suspended } from "../../../src/vfs/call.ts";
import { FsError, type FsErrorCode } from "../../../src/vfs/error.ts";
import { type FileName, fileName } from "../../../src/vfs/name.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { MemoryFileSystem } from "../../fakes/memory-file-system.ts";
import { MemoryStateStore } from "../../fakes/memory-state-store.ts";

const as = (uid: number, gid = uid, groups: readonly number[] = []) =>
  new Call({ uid, gid, groups });
const root = as(0);
const name = (text: string): FileName => fileName(Buffer.from(text));
const code = (expected: FsErrorCode) => (error: unknown) =>
  error instanceof FsError && error.code === expected;

function newFileSystem(undoLog?: MemoryStateStore) {
  const clock = new FakeClock();
  return new MemoryFileSystem(undoLog === undefined ? { clock } : { clock, undoLog });
}

/** Everything that can be seen of a tree. */
function snapshot(fs: MemoryFileSystem, inode: InodeNumber = fs.root): unknown {
  const attributes = fs.getAttributes(root, inode);
  if (attributes.type === "file") {
    return { attributes, chunks: fs.read(root, inode, 0, attributes.sizeBytes).chunks };
  }
  if (attributes.type !== "directory") return { attributes };
  const page = fs.readDirectory(root, inode, { after: 0, limit: 1000, attributes: false });
  return {
    attributes,
    entries: page.entries.map((entry) => ({ ...entry, below: snapshot(fs, entry.inode) })),
  };
}

const names = fc.constantFrom(...["a", "b", "c"].map(name));

type Change = (fs: MemoryFileSystem, inodes: readonly InodeNumber[]) => InodeNumber | undefined;
const inode = (inodes: readonly InodeNumber[], at: number) =>
  inodes[at % inodes.length] ?? (1 as InodeNumber);

const changes: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(names, fc.nat()).map(
    ([at, dir]): Change =>
      (fs, inodes) =>
        fs.createFile(root, inode(inodes, dir), at, { kind: "unchecked" }, {}).inode,
  ),
  fc.tuple(names, fc.nat()).map(
    ([at, dir]): Change =>
      (fs, inodes) =>
        fs.createNode(root, inode(inodes, dir), at, { type: "directory" }, {}).inode,
  ),
  fc.tuple(names, fc.nat()).map(
    ([at, dir]): Change =>
      (fs, inodes) => {
        fs.remove(root, inode(inodes, dir), at);
        return undefined;
      },
  ),
  fc.tuple(names, names, fc.nat(), fc.nat()).map(
    ([from, to, one, other]): Change =>
      (fs, inodes) => {
        const source = { directory: inode(inodes, one), name: from };
        fs.rename(root, source, { directory: inode(inodes, other), name: to });
        return undefined;
      },
  ),
  fc.tuple(fc.nat(), fc.nat(20_000), fc.uint8Array({ maxLength: 5000 })).map(
    ([at, offset, bytes]): Change =>
      (fs, inodes) => {
        fs.write(root, inode(inodes, at), offset, [bytes], "unstable");
        return undefined;
      },
  ),
  fc.tuple(fc.nat(), fc.nat(20_000)).map(
    ([at, sizeBytes]): Change =>
      (fs, inodes) => {
        fs.setAttributes(root, inode(inodes, at), { sizeBytes, mode: 0o600 }, { opened: false });
        return undefined;
      },
  ),
);

function run(fs: MemoryFileSystem, list: readonly Change[]): void {
  const inodes: InodeNumber[] = [fs.root];
  for (const change of list) {
    try {
      const made = change(fs, inodes);
      if (made !== undefined) inodes.push(made);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
    }
  }
}

describe("MemoryFileSystem", () => {
  it("is as before when the transaction of its changes is rolled back", () => {
    fc.assert(
      fc.property(fc.array(changes), fc.array(changes), (kept, lost) => {
        const store = new MemoryStateStore();
        const fs = newFileSystem(store);
        store.transaction(() => run(fs, kept));
        const before = snapshot(fs);
        const stop = new Error("Rolled back");
        assert.throws(
          () =>
            store.transaction(() => {
              run(fs, lost);
              throw stop;
            }),
          stop,
        );
        assert.deepEqual(snapshot(fs), before);
      }),
    );
  });

  it("refuses changes outside a transaction", () => {
    const fs = newFileSystem(new MemoryStateStore());
    assert.throws(
      () => fs.createNode(root, fs.root, name("d"), { type: "directory" }, {}),
      /outside a transaction/,
    );
  });

  it("reads holes as zeros and keeps what truncation cuts off away", () => {
    const fs = newFileSystem();
    const { inode: file } = fs.createFile(root, fs.root, name("f"), { kind: "guarded" }, {});
    fs.write(root, file, 5 * 2 ** 30, [Buffer.from("end")], "unstable");
    assert.equal(fs.getAttributes(root, file).sizeBytes, 5 * 2 ** 30 + 3);
    assert.equal(fs.getAttributes(root, file).usedBytes, 4096);
    fs.setAttributes(root, file, { sizeBytes: 5 * 2 ** 30 + 1 }, { opened: true });
    fs.setAttributes(root, file, { sizeBytes: 5 * 2 ** 30 + 3 }, { opened: true });
    const { chunks, endOfFile } = fs.read(root, file, 5 * 2 ** 30 - 1, 10);
    assert.deepEqual(Buffer.concat(chunks), Buffer.from("\0e\0\0"));
    assert.equal(endOfFile, true);
  });

  it("checks permission by the class that applies, and lets only root pass", () => {
    const fs = newFileSystem();
    const attributes = { mode: 0o047, uid: 10, gid: 20 };
    const { inode: file } = fs.createFile(
      root,
      fs.root,
      name("f"),
      { kind: "guarded" },
      attributes,
    );
    const access = (call: Call) => fs.permittedAccess(call, file);
    assert.deepEqual(access(as(10, 20)), { read: false, write: false, execute: false });
    assert.deepEqual(access(as(11, 1, [20])), { read: true, write: false, execute: false });
    assert.deepEqual(access(as(12)), { read: true, write: true, execute: true });
    assert.deepEqual(access(root), { read: true, write: true, execute: true });
    assert.throws(
      () => fs.setAttributes(as(12), file, { mode: 0 }, { opened: true }),
      code("PERM"),
    );
    assert.throws(() => fs.remove(as(12), fs.root, name("f")), code("ACCESS"));
  });

  it("obeys the sticky bit", () => {
    const fs = newFileSystem();
    fs.setAttributes(root, fs.root, { mode: 0o1777 }, { opened: false });
    fs.createFile(as(10), fs.root, name("f"), { kind: "guarded" }, {});
    assert.throws(() => fs.remove(as(11), fs.root, name("f")), code("PERM"));
    fs.remove(as(10), fs.root, name("f"));
  });

  it("keeps a removed file while it is held", () => {
    const fs = newFileSystem();
    const { inode: file } = fs.createFile(root, fs.root, name("f"), { kind: "guarded" }, {});
    fs.hold(file);
    fs.remove(root, fs.root, name("f"));
    assert.equal(fs.getAttributes(root, file).linkCount, 0);
    fs.release(file);
    assert.throws(() => fs.getAttributes(root, file), code("STALE"));
  });

  it("moves directories and refuses to move one into itself or over a full one", () => {
    const fs = newFileSystem();
    const mkdir = (directory: InodeNumber, text: string) =>
      fs.createNode(root, directory, name(text), { type: "directory" }, {}).inode;
    const a = mkdir(fs.root, "a");
    const b = mkdir(a, "b");
    mkdir(fs.root, "c");
    const move = (from: readonly [InodeNumber, string], to: readonly [InodeNumber, string]) =>
      fs.rename(
        root,
        { directory: from[0], name: name(from[1]) },
        { directory: to[0], name: name(to[1]) },
      );
    assert.throws(() => move([fs.root, "a"], [b, "a"]), code("INVAL"));
    assert.throws(() => move([fs.root, "c"], [fs.root, "a"]), code("NOTEMPTY"));
    move([a, "b"], [fs.root, "c"]);
    assert.equal(fs.lookup(root, fs.root, name("c")), b);
    assert.equal(fs.lookupParent(root, b), fs.root);
    assert.equal(fs.getAttributes(root, fs.root).linkCount, 4);
    assert.equal(fs.getAttributes(root, a).linkCount, 2);
  });

  it("finds an exclusive create again by its verifier, and nobody else's", () => {
    const fs = newFileSystem();
    const create = (verifier: string) =>
      fs.createFile(
        root,
        fs.root,
        name("f"),
        { kind: "exclusive", verifier: Buffer.from(verifier) },
        {},
      );
    const { inode: file } = create("12345678");
    assert.deepEqual([create("12345678").inode, create("12345678").created], [file, true]);
    assert.throws(() => create("87654321"), code("EXIST"));
  });

  it("suspends once for each call when told to, and fails with what the work failed with", async () => {
    let failure: Error | undefined;
    const fs = new MemoryFileSystem({
      clock: new FakeClock(),
      wait: (method) => {
        if (method !== "read") return undefined;
        return failure === undefined ? Promise.resolve() : Promise.reject(failure);
      },
    });
    const { inode: file } = fs.createFile(root, fs.root, name("f"), { kind: "guarded" }, {});
    const attempt = async (call: Call) => {
      try {
        return fs.read(call, file, 0, 1);
      } catch (error) {
        if (!(error instanceof Suspended)) throw error;
        await error.ready;
        return fs.read(call, file, 0, 1);
      }
    };
    assert.equal((await attempt(as(0))).endOfFile, true);
    failure = new FsError("IO", "Disk");
    await assert.rejects(attempt(as(0)), failure);
  });
});

describe("MemoryStateStore", () => {
  const key = Buffer.from("k");
  const values = (store: MemoryStateStore) => [...store.scan("kind")].map(({ value }) => value);

  it("keeps what was committed over a crash, and what was synced over a reboot", async () => {
    const first = new MemoryStateStore();
    first.transaction(() => first.put("kind", key, Buffer.from([1])));
    await first.sync();
    first.transaction(() => first.put("kind", key, Buffer.from([2])));
    const second = first.crash();
    assert.equal(second.sameBoot, true);
    assert.deepEqual(values(second), [Uint8Array.of(2)]);
    const third = second.reboot();
    assert.equal(third.sameBoot, false);
    assert.deepEqual(values(third), [Uint8Array.of(1)]);
    assert.deepEqual(third.secret, first.secret);
    assert.throws(() => values(first), /has ended/);
  });

  it("rolls an inner transaction back alone", () => {
    const store = new MemoryStateStore();
    store.transaction(() => {
      store.put("kind", key, Buffer.from([1]));
      assert.throws(() =>
        store.transaction(() => {
          store.delete("kind", key);
          throw new Error("Inner");
        }),
      );
    });
    assert.deepEqual(values(store), [Uint8Array.of(1)]);
    assert.equal(store.commits, 1);
  });
});
