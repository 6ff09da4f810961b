import assert from "node:assert/strict";
import { keyOf, listAll, many, type ObjectStoreCase, put } from "./object-store-case.ts";

/** Listings. */
export const listingCases: readonly ObjectStoreCase[] = [
  {
    title: "lists nothing below a prefix that no key has",
    async run({ store, prefix }) {
      const page = await store.list({ prefix: `${prefix}nothing/` });
      assert.deepEqual(page, { objects: [], prefixes: [], skipped: 0 });
    },
  },
  {
    title: "lists the ETag, size and time that a HEAD gives",
    async run(context) {
      await put(context, "a", "hello");
      const [listed] = (await listAll(context)).objects;
      const found = await context.store.head(keyOf(context, "a"));
      assert.ok(found.kind === "found");
      const { key, etag, sizeBytes, lastModifiedMs } =
        found.kind === "found" ? { key: keyOf(context, "a"), ...found } : found;
      assert.deepEqual(listed, { key, etag, sizeBytes, lastModifiedMs });
    },
  },
  {
    title: "lists in the order of UTF-8 bytes",
    async run(context) {
      // U+FF5E comes before U+1F600 in UTF-8, and behind it in UTF-16.
      const sorted = ["!", "A", "a", "a-b", "a.b", "a0", "b", "~", "\u00e9", "\uff5e", "\u{1f600}"];
      await many(sorted.length, (i) => put(context, sorted[i] ?? "", "x"));
      assert.deepEqual((await listAll(context)).names, sorted);
      assert.deepEqual((await listAll(context, { maxKeys: 2 })).names, sorted);
    },
  },
  {
    title: "lists 1,000 keys a page, and every key once",
    async run(context) {
      const names = Array.from({ length: 1005 }, (_, i) => `k${String(i).padStart(4, "0")}`);
      await many(names.length, (i) => put(context, names[i] ?? "", ""));
      const listed = await listAll(context);
      assert.deepEqual(listed.names, names);
      assert.deepEqual(listed.pages, [1000, 5]);
      assert.deepEqual((await listAll(context, { maxKeys: 5000 })).pages, [1000, 5]);
      const after = await listAll(context, { startAfter: "k0900", maxKeys: 50 });
      assert.deepEqual(after.names, names.slice(901));
    },
  },
  {
    title: "rolls keys up at the delimiter, and counts each common prefix as one entry",
    async run(context) {
      const names = ["a", "b/1", "b/2", "b/c/3", "c", "d/", "d/4", "e/5"];
      for (const name of names) await put(context, name, "");
      for (const maxKeys of [1, 2, 3, 1000]) {
        const listed = await listAll(context, { delimiter: "/", maxKeys });
        assert.deepEqual(listed.names, ["a", "c"]);
        assert.deepEqual(listed.prefixes, ["b/", "d/", "e/"]);
        assert.ok(listed.pages.every((size) => size <= maxKeys));
      }
      const below = await listAll(context, { delimiter: "/", below: "b/" });
      assert.deepEqual([below.names, below.prefixes], [["b/1", "b/2"], ["b/c/"]]);
      const marker = await listAll(context, { delimiter: "/", below: "d/" });
      assert.deepEqual([marker.names, marker.prefixes], [["d/", "d/4"], []]);
    },
  },
  {
    title: "begins behind the key given, whether or not that exists",
    async run(context) {
      for (const name of ["a", "b", "d"]) await put(context, name, "x");
      assert.deepEqual((await listAll(context, { startAfter: "b" })).names, ["d"]);
      assert.deepEqual((await listAll(context, { startAfter: "c" })).names, ["d"]);
      assert.deepEqual((await listAll(context, { startAfter: "d" })).names, []);
    },
  },
  {
    title: "lists no deleted key, and a replaced one with its new version",
    async run(context) {
      for (const name of ["a", "b", "c"]) await put(context, name, "x");
      await context.store.delete(keyOf(context, "b"), "any");
      const etag = await put(context, "c", "longer");
      const { objects, names } = await listAll(context);
      assert.deepEqual(names, ["a", "c"]);
      assert.equal(objects[1]?.etag, etag);
      assert.equal(objects[1]?.sizeBytes, 6);
    },
  },
];
