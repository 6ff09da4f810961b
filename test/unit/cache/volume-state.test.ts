import assert from "node:assert/strict";
import { dirtyBits, type InodeRow } from "../../../src/cache/inodes.ts";
import { lostAndFound } from "../../../src/cache/lost-and-found.ts";
import { addName } from "../../../src/cache/names.ts";
import { newInode } from "../../../src/cache/new-inode.ts";
import { fitsBelow, markMoved } from "../../../src/cache/subtree.ts";
import { rootInode, VolumeState } from "../../../src/cache/volume-state.ts";
import { type ETag, objectKey } from "../../../src/s3/object-store.ts";
import type { InodeNumber } from "../../../src/vfs/attributes.ts";
import { named } from "../../support/file-system-driver.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const now = { seconds: 1, nanoseconds: 2 };

describe("the state of a volume", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let state: VolumeState;
  beforeEach(() => {
    folder = temporaryFolder();
    state = new VolumeState({ folder: folder.path, prefix: "p/", bootId: "boot", ballastBytes: 0 });
    state.db.transaction(() => make(undefined, "", "directory"));
  });
  afterEach(async () => {
    await state.close();
    folder[Symbol.dispose]();
  });

  function make(
    directory: InodeNumber | undefined,
    name: string,
    type: "file" | "directory",
    key?: string,
  ): InodeNumber {
    const row = newInode(state.inodes.allocate(), { type, mode: 0o644, uid: 0, gid: 0, now });
    if (key !== undefined) {
      row.remote = {
        key: objectKey(key),
        etag: `"${key}"` as ETag,
        versionId: undefined,
        sizeBytes: 0,
        lastModifiedMs: 0,
      };
    }
    state.inodes.put(row);
    if (directory !== undefined) {
      addName(state, state.inodes.get(directory) as InodeRow, named(name), row, now);
    }
    return row.id;
  }

  const dirtyOf = (inode: InodeNumber) => state.inodes.get(inode)?.dirty;

  it("gives back inodes as they were put", () => {
    const row: InodeRow = {
      ...newInode(state.inodes.allocate(), {
        type: "symlink",
        mode: 0o7777,
        uid: 4_000_000_000,
        gid: 65_534,
        now: { seconds: -5, nanoseconds: 999_999_999 },
      }),
      target: Buffer.from("target"),
      sizeBytes: 2 ** 42,
      headers: { contentType: "text/plain", metadata: { a: "ü" } },
      exact: false,
    };
    state.db.transaction(() => {
      state.inodes.put(row);
      state.inodes.forgetRows();
    });
    assert.deepEqual(state.inodes.get(row.id), {
      ...row,
      target: new Uint8Array(row.target ?? []),
    });
  });

  it("reads rows of the transaction under way, and the old ones after it was rolled back", () => {
    const id = state.db.transaction(() => make(rootInode, "a", "file"));
    const modes = () => [state.inodes.get(id)?.mode, state.inodes.get(rootInode)?.dirty];
    const before = modes();
    assert.throws(() =>
      state.db.transaction(() => {
        const row = state.inodes.get(id) as InodeRow;
        row.mode = 0o600;
        assert.equal(state.inodes.get(id)?.mode, 0o644, "the caller's copy counts after put");
        state.inodes.put(row);
        row.mode = 0o700;
        assert.equal(state.inodes.get(id)?.mode, 0o600);
        markMoved(state, rootInode, { fromLocal: true, toLocal: false, nowMs: 1 });
        assert.notEqual(state.inodes.get(rootInode)?.dirty, before[1]);
        state.inodes.delete(id);
        assert.equal(state.inodes.get(id), undefined);
        throw new Error("no");
      }),
    );
    assert.deepEqual(modes(), before);
  });

  it("counts inodes and bytes, and takes a rolled back transaction out again", () => {
    const before = state.inodes.usage();
    assert.throws(() =>
      state.db.transaction(() => {
        const id = make(rootInode, "a", "file");
        state.inodes.put({ ...(state.inodes.get(id) as InodeRow), sizeBytes: 100, holeBytes: 40 });
        assert.deepEqual(state.inodes.usage(), { files: before.files + 1, bytes: 60 });
        state.inodes.delete(id);
        assert.deepEqual(state.inodes.usage(), before);
        make(rootInode, "b", "file");
        throw new Error("no");
      }),
    );
    assert.deepEqual(state.inodes.usage(), before);
  });

  it("says what a name stands for", () => {
    state.db.transaction(() => {
      const folderId = make(rootInode, "dir", "directory");
      assert.deepEqual(state.place(folderId, named("x"), true), {
        kind: "object",
        key: "p/dir/x/",
      });
      const silly = named(`.nfs${"0123456789abcdef01234567"}`);
      assert.equal(state.place(folderId, silly, false).kind, "local");
      assert.equal(state.place(rootInode, named(".s3files"), true).kind, "reserved");
      assert.equal(state.place(folderId, named(".s3files"), false).kind, "object");
      const kept = lostAndFound(state, "vol:1", now);
      assert.equal(lostAndFound(state, "vol:1", now), kept);
      assert.equal(state.place(kept, named("x"), false).kind, "local");
      assert.equal(state.keyOf(kept, true), undefined);
      state.entries.remove(rootInode, named("dir"));
      assert.equal(state.place(folderId, named("x"), false).kind, "nameless");
    });
  });

  it("marks all objects below a directory that has moved, and nothing else", () => {
    state.db.transaction(() => {
      const top = make(rootInode, "top", "directory");
      const inner = make(top, "inner", "directory", "p/top/inner/");
      const stored = make(inner, "stored", "file", "p/top/inner/stored");
      const fresh = make(inner, "fresh", "file");
      const other = make(rootInode, "other", "file", "p/other");
      const longest = "inner/stored".length;
      assert.deepEqual(
        [longest - 1, longest, longest + 1].map((limit) => fitsBelow(state, top, limit)),
        [false, true, true],
      );
      make(inner, "folder", "directory");
      assert.deepEqual(
        [longest, longest + 1].map((limit) => fitsBelow(state, top, limit)),
        [false, true],
      );
      markMoved(state, top, { fromLocal: false, toLocal: false, nowMs: 5 });
      assert.deepEqual([top, inner, stored, fresh, other].map(dirtyOf), [0, 4, 4, 0, 0]);
      assert.equal(state.inodes.get(stored)?.dirtySinceMs, 5);
    });
  });

  it("deletes the objects of what becomes local, and keeps them when it comes back in time", () => {
    state.db.transaction(() => {
      const top = make(rootInode, "top", "directory");
      const stored = make(top, "stored", "file", "p/top/stored");
      const fresh = make(top, "fresh", "file");
      markMoved(state, top, { fromLocal: false, toLocal: true, nowMs: 5 });
      const { name, local, data, metadata } = dirtyBits;
      assert.deepEqual([top, stored, fresh].map(dirtyOf), [local, name | local, local]);
      assert.equal(state.inodes.dirty(10).length, 0);
      assert.equal(state.journal.tombstone(objectKey("p/top/stored"))?.etag, '"p/top/stored"');
      markMoved(state, top, { fromLocal: true, toLocal: false, nowMs: 6 });
      assert.deepEqual([top, stored, fresh].map(dirtyOf), [metadata, name, data | metadata]);
      assert.equal(state.journal.countTombstones(), 0);
    });
  });

  it("removes cache files that nothing refers to, when that is on the disk", async () => {
    const id = state.db.transaction(() => make(rootInode, "a", "file"));
    for (const generation of [1, 2, 5, 6]) {
      await state.files.write(id, generation, 0, [Buffer.from("x")]);
    }
    state.db.transaction(() => {
      state.extents.write(id, 0, 1, 5, true);
      state.removeUnusedFiles(id, [1, 2, 5, 6]);
    });
    await state.removalsDone();
    const left = () => [...state.files.list()].map(({ generation }) => generation).sort();
    // 1 and 2 take new data.
    assert.deepEqual(left(), [1, 2, 5]);
    assert.equal(state.db.unsynced, false);
    assert.throws(() =>
      state.db.transaction(() => {
        state.extents.dropAll(id);
        state.removeUnusedFiles(id, [5]);
        throw new Error("no");
      }),
    );
    await state.removalsDone();
    assert.deepEqual(left(), [1, 2, 5]);
    state.db.transaction(() => {
      state.extents.dropAll(id);
      state.inodes.delete(id);
    });
    await state.sweepFiles();
    assert.deepEqual(left(), []);
  });
});
