import assert from "node:assert/strict";
import fc from "fast-check";
import {
  fitsObject,
  type UserMetadata,
  withXattr,
  xattrsOf,
} from "../../../src/filesystem/xattr-metadata.ts";
import { type XattrName, xattrName } from "../../../src/vfs/name.ts";

const named = (text: string): XattrName => xattrName(Buffer.from(text));

describe("extended attributes as user metadata", () => {
  const own = { "file-owner": "1000", "s3files-write": "mark", "file-permissions": "0100644" };

  it("are metadata of the same name where that says it all", () => {
    const set = withXattr(own, named("content-origin"), Buffer.from("https://example.org/a b"));
    assert.deepEqual(set, { ...own, "content-origin": "https://example.org/a b" });
    assert.deepEqual(withXattr(set, named("content-origin"), undefined), own);
  });

  it("are encoded where names or values would not survive", () => {
    assert.deepEqual(withXattr({}, named("mime_type"), Buffer.from("text/plain")), {
      "s3files-xattr-nvuw2zk7or4xazi": Buffer.from("text/plain").toString("base64"),
    });
  });

  it("show what other clients have set, and nothing of our own", () => {
    const attributes = xattrsOf({ ...own, author: "Jürgen", "s3files-xattr-!": "AA==" });
    assert.deepEqual([...attributes.keys()], ["author"]);
    assert.equal(Buffer.from(attributes.get(named("author")) ?? []).toString(), "Jürgen");
  });

  it("read back as they were set, whatever else is set and removed", () => {
    const name = fc
      .oneof(
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
        fc.constantFrom("a", "a-b", "file-owner", "s3files-write", "__proto__", "constructor"),
      )
      .filter((text) => !text.includes("\0") && text.isWellFormed());
    const value = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      fc.constantFrom("", "x", " x", "x ", "=?x").map((text) => new Uint8Array(Buffer.from(text))),
    );
    const step = fc.tuple(name, fc.option(value, { nil: undefined }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        let metadata: UserMetadata = own;
        const model = new Map<string, Buffer>();
        for (const [key, bytes] of steps) {
          metadata = withXattr(metadata, named(key), bytes);
          if (bytes === undefined) model.delete(key);
          else model.set(key, Buffer.from(bytes));
          for (const [header, text] of Object.entries(metadata)) {
            assert.match(header, /^[a-z0-9-]+$/);
            assert.match(text, /^[ -~]*$/);
            assert.equal(text, text.trim());
          }
        }
        const found = [...xattrsOf(metadata)].map(([key, bytes]) => [key, Buffer.from(bytes)]);
        assert.deepEqual(new Map(found as [string, Buffer][]), model);
      }),
    );
  });

  it("have what S3 leaves beside our own metadata", () => {
    const fits = (bytes: number) =>
      fitsObject({ ...own, ...withXattr({}, named("a"), Buffer.alloc(bytes, "x")) });
    assert.ok(fits(1600));
    assert.ok(!fits(1700));
  });
});
