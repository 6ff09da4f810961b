import assert from "node:assert/strict";
import { type Gap, parseGaps } from "../../../src/dev-s3/gaps.ts";
import { allHonoured, noneProved, type StoreAbilities } from "../../../src/probe/abilities.ts";
import { fileName } from "../../../src/vfs/name.ts";
import { pattern, sizes, TestVolume } from "./test-volume.ts";

async function volumeWith(gaps: readonly Gap[], lacking: Partial<StoreAbilities>) {
  return new TestVolume({
    gaps: parseGaps(gaps),
    abilities: { ...allHonoured, ...lacking },
  }).start();
}

describe("on a store that lacks an ability, the engine", () => {
  it("asks before each PUT whose condition the store ignores, and overwrites nobody's object", async () => {
    await using volume = await volumeWith(["put-if-none-match", "put-if-match"], {
      ...{ putIfAbsent: "ignored", putIfMatch: "ignored" },
    });
    await volume.list();
    await volume.write("new", "ours");
    volume.bucket.putObject("new", "theirs");
    await volume.write("known", "first");
    await volume.engine.flush();
    await volume.patch("known", 0, "F");
    volume.bucket.putObject("known", "theirs too");
    await volume.engine.flush();
    assert.equal(volume.bucket.text("new"), "theirs");
    assert.equal(volume.bucket.text("known"), "theirs too");
    assert.equal((await volume.lost()).length, 2);
  });

  it("asks before each completion whose condition the store ignores, and overwrites nobody's object", async () => {
    await using volume = await volumeWith(["complete-if-none-match"], {
      completeIfAbsent: "ignored",
    });
    await volume.list();
    await volume.write("big", pattern(3 * sizes.part));
    volume.bucket.putObject("big", "theirs");
    await volume.engine.flush();
    assert.equal(volume.bucket.text("big"), "theirs");
    assert.equal((await volume.lost()).length, 1);
    assert.deepEqual(volume.bucket.unfinishedUploads(), []);
  });

  it("asks before each DELETE whose condition the store ignores, and deletes nobody's object", async () => {
    await using volume = await volumeWith(["delete-if-match"], { deleteIfMatch: "ignored" });
    await volume.list();
    await volume.write("a", "ours");
    await volume.flush();
    await volume.remove("a");
    volume.bucket.putObject("a", "theirs");
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "theirs");
    await volume.refresh();
    assert.equal(await volume.text("a"), "theirs");
  });

  it("sends no condition that the store refuses to hear of, and has asked before", async () => {
    await using volume = await volumeWith(
      ["put-if-none-match:refused", "put-if-match:refused", "delete-if-match:refused"],
      { putIfAbsent: "refused", putIfMatch: "refused", deleteIfMatch: "refused" },
    );
    await volume.write("a", "one");
    await volume.flush();
    await volume.write("a", "two");
    await volume.rename("a", "b");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["b"]);
    assert.equal(volume.bucket.text("b"), "two");
  });

  it("notices that the source of a copied part was replaced, where the store does not", async () => {
    await using volume = await volumeWith(["upload-part-copy-if-match"], {
      uploadPartCopyIfMatch: "ignored",
    });
    const data = pattern(4 * sizes.part);
    volume.bucket.putObject("big", data);
    await volume.list();
    await volume.patch("big", 10, "edit");
    // Under the edit, right before the unchanged parts are copied.
    volume.faults.add({
      ...{ operation: "uploadPartCopy", times: 1 },
      action: {
        kind: "before",
        run: () => volume.bucket.putObject("big", pattern(4 * sizes.part, 9)),
      },
    });
    await volume.engine.flush();
    assert.ok(volume.bucket.bytes("big")?.equals(pattern(4 * sizes.part, 9)));
  });

  it("reads and sends again what the store does not copy", async () => {
    await using volume = await volumeWith(["upload-part-copy"], { uploadPartCopy: "refused" });
    const data = pattern(4 * sizes.part);
    volume.bucket.putObject("big", data);
    await volume.list();
    await volume.patch("big", 10, "edit");
    await volume.flush();
    data.write("edit", 10);
    assert.ok(volume.bucket.bytes("big")?.equals(data));
  });

  it("asks for an object before a name goes that a late listing lacks", async () => {
    await using volume = await volumeWith([], { listAfterWrite: "ignored" });
    await volume.write("a", "one");
    await volume.makeDirectory("d");
    await volume.write("d/b", "two");
    await volume.flush();
    const lists = volume.bucket.list.bind(volume.bucket);
    volume.bucket.list = async (query, options) => {
      const page = await lists(query, options);
      return { ...page, objects: [], prefixes: [] };
    };
    await volume.refresh();
    assert.deepEqual(await volume.refresh(), ["a", "d"]);
    volume.bucket.deleteObject("a");
    assert.deepEqual(await volume.refresh(), ["d"]);
  });

  it("asks for a directory's object before it believes a late listing that there is none", async () => {
    await using volume = await volumeWith([], { listAfterWrite: "ignored" });
    const { root } = volume.files;
    const late = fileName(Buffer.from("late"));
    await volume.makeDirectory("late");
    await volume.flush();
    const lists = volume.bucket.list.bind(volume.bucket);
    volume.bucket.list = async (query, options) => {
      const page = await lists(query, options);
      return query.prefix === "" ? page : { ...page, objects: [] };
    };
    await volume.refresh("late");
    await volume.call((call) => volume.files.remove(call, root, late));
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), []);
    assert.deepEqual(await volume.refresh(), []);
  });

  it("relies on nothing before the store was probed", async () => {
    const gaps = parseGaps(["put-if-none-match", "put-if-match", "delete-if-match"]);
    await using volume = await new TestVolume({ gaps, abilities: noneProved }).start();
    await volume.list();
    await volume.write("a", "ours");
    volume.bucket.putObject("a", "theirs");
    await volume.engine.flush();
    assert.equal(volume.bucket.text("a"), "theirs");
  });

  it("has sent nothing when the question before a PUT gets no answer", async () => {
    await using volume = await volumeWith([], { putIfAbsent: "ignored" });
    await volume.write("a", "one");
    const fault = volume.faults.add({ operation: "head", action: { kind: "fail" } });
    await volume.engine.flush();
    assert.deepEqual(volume.bucket.keys(), []);
    assert.deepEqual(volume.state.journal.all(), []);
    fault.remove();
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "one");
  });
});
