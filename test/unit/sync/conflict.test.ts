import assert from "node:assert/strict";
import type { ETag } from "../../../src/s3/object-store.ts";
import { judge, resolveConflict } from "../../../src/sync/conflict.ts";

const [e1, e2] = ['"1"' as ETag, '"2"' as ETag];

describe("judge", () => {
  const marks = new Set(["given-up"]);
  const rows = [
    [undefined, undefined, "notDone"],
    [undefined, e1, "deleted"],
    [{ etag: e2, mark: "mine" }, undefined, "stored"],
    [{ etag: e2, mark: "mine" }, e1, "stored"],
    [{ etag: e1, mark: "mine" }, e1, "stored"],
    [{ etag: e1, mark: undefined }, e1, "notDone"],
    [{ etag: e1, mark: "given-up" }, e1, "notDone"],
    [{ etag: e2, mark: "given-up" }, e1, "ours"],
    [{ etag: e2, mark: "given-up" }, undefined, "ours"],
    [{ etag: e2, mark: "another volume's" }, e1, "foreign"],
    [{ etag: e2, mark: undefined }, undefined, "foreign"],
  ] as const;
  for (const [head, expected, verdict] of rows) {
    it(`says ${verdict} of ${JSON.stringify(head)} where ${expected ?? "nothing"} was expected`, () => {
      assert.equal(judge({ head, attempt: { mark: "mine", expected }, marks }), verdict);
    });
  }
});

describe("resolveConflict", () => {
  const plain = { type: "file", isEdited: false, isMoved: false, needsBase: false } as const;
  const rows = [
    ["foreign", { ...plain }, "adopt"],
    ["foreign", { ...plain, isEdited: true }, "lostAndFound"],
    ["foreign", { ...plain, isEdited: true, needsBase: true }, "lostAndFound"],
    ["foreign", { ...plain, isMoved: true }, "giveWay"],
    ["foreign", { ...plain, isMoved: true, isEdited: true }, "lostAndFound"],
    ["foreign", { ...plain, type: "symlink", isEdited: true }, "lostAndFound"],
    ["foreign", { ...plain, type: "directory" }, "adopt"],
    ["foreign", { ...plain, type: "directory", isEdited: true }, "adopt"],
    ["deleted", { ...plain }, "remove"],
    ["deleted", { ...plain, isEdited: true }, "recreate"],
    ["deleted", { ...plain, isEdited: true, needsBase: true }, "lostAndFound"],
    ["deleted", { ...plain, isMoved: true }, "recreate"],
    ["deleted", { ...plain, type: "directory" }, "recreate"],
  ] as const;
  for (const [verdict, facts, resolution] of rows) {
    it(`decides ${resolution} when ${verdict} for ${JSON.stringify(facts)}`, () => {
      assert.equal(resolveConflict({ verdict, ...facts }), resolution);
    });
  }
});
