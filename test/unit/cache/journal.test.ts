import assert from "node:assert/strict";
import { join } from "node:path";
import { VolumeDatabase } from "../../../src/cache/database.ts";
import { type Attempt, Journal } from "../../../src/cache/journal.ts";
import { type ETag, objectKey } from "../../../src/s3/object-store.ts";
import type { InodeNumber } from "../../../src/vfs/attributes.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

describe("the journal of requests", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let db: VolumeDatabase;
  let journal: Journal;
  const open = () => {
    db = new VolumeDatabase(join(folder.path, "volume.db"), "boot");
    journal = new Journal(db);
  };
  beforeEach(() => {
    folder = temporaryFolder();
    open();
  });
  afterEach(async () => {
    await db.close();
    folder[Symbol.dispose]();
  });

  const attempt = (id: number, more: Partial<Attempt> = {}): Attempt => ({
    id,
    inode: 7 as InodeNumber,
    kind: "put",
    key: objectKey("k"),
    expected: undefined,
    source: undefined,
    uploadId: undefined,
    sizeBytes: 10,
    dirty: 3,
    state: "frozen",
    createdMs: 100,
    detail: undefined,
    ...more,
  });

  it("gives back attempts as they were put, over a restart, and never an id twice", async () => {
    const full = attempt(2, {
      kind: "multipart",
      expected: '"e"' as ETag,
      source: { key: objectKey("s"), etag: '"s"' as ETag },
      uploadId: "upload",
      state: "sent",
      detail: "{}",
    });
    const first = db.transaction(() => {
      journal.put(attempt(1));
      journal.put(full);
      journal.put(attempt(3, { key: objectKey("other"), inode: 8 as InodeNumber }));
      return journal.allocateId();
    });
    await db.close();
    open();
    assert.deepEqual(journal.ofInode(7 as InodeNumber), [attempt(1), full]);
    assert.deepEqual(journal.ofKey(objectKey("k")), [attempt(1), full]);
    assert.ok(db.transaction(() => journal.allocateId()) > first);
    db.transaction(() => {
      journal.put({ ...full, state: "superseded" });
      journal.remove(1);
    });
    assert.deepEqual(
      journal.all().map(({ id, state }) => [id, state]),
      [
        [2, "superseded"],
        [3, "frozen"],
      ],
    );
  });

  it("buries the newest version of an object, and gives tombstones out oldest first", () => {
    const tomb = (key: string, etag: string, sinceMs: number) => ({
      key: objectKey(key),
      etag: etag as ETag,
      versionId: undefined,
      sinceMs,
    });
    db.transaction(() => {
      journal.bury(tomb("a", "1", 30));
      journal.bury(tomb("b", "1", 10));
      journal.bury(tomb("a", "2", 20));
    });
    assert.equal(journal.tombstone(objectKey("a"))?.etag, "2");
    assert.deepEqual(
      journal.tombstones(25, 10).map(({ key }) => key),
      ["b", "a"],
    );
    assert.deepEqual(
      journal.tombstones(15, 10).map(({ key }) => key),
      ["b"],
    );
    db.transaction(() => journal.unbury(objectKey("a")));
    assert.equal(journal.countTombstones(), 1);
  });
});
