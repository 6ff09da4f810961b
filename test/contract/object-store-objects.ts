import assert from "node:assert/strict";
import type { ObjectHeaders } from "../../src/s3/object-store.ts";
import {
  bodyOf,
  fails,
  keyOf,
  listAll,
  type ObjectStoreCase,
  otherEtag,
  plain,
  put,
  text,
} from "./object-store-case.ts";

const failed = { kind: "preconditionFailed" };

const headers: ObjectHeaders = {
  contentType: "text/plain; charset=utf-8",
  contentEncoding: "identity",
  contentDisposition: 'attachment; filename="a b"',
  contentLanguage: "de",
  cacheControl: "no-cache",
  metadata: { "file-mtime": "1700000000000000000", "s3files-write": "v.1.2.3" },
};

/** Names that need every kind of care on their way through URL, signature and XML. */
const oddNames = [
  ...[
    "a b",
    "a+b",
    "a%20b",
    "a%2Fb",
    "a&b=c",
    "a?b#c",
    "a;b:c@d,e",
    "(a)!*'~",
    "a\\b",
    '"a"',
    "<a>",
  ],
  ...["ü", "\u65e5\u672c", "\u{1f600}", "x/a b/+.txt", "=?UTF-8?B?YQ==?=", "$&^[]{}|`"],
];

/** Objects, conditions and copies. */
export const objectCases: readonly ObjectStoreCase[] = [
  {
    title: "finds what was put, with its size, ETag, headers and metadata",
    async run(context) {
      const etag = await put(context, "a", "hello", headers);
      const found = await context.store.head(keyOf(context, "a"));
      assert.equal(found.kind, "found");
      const { kind: _kind, lastModifiedMs, versionId: _version, ...rest } = found;
      assert.deepEqual(rest, { ...headers, etag, sizeBytes: 5 });
      assert.equal(lastModifiedMs % 1000, 0);
      assert.equal(await text(context, "a"), "hello");
    },
  },
  {
    title: "joins the chunks of a body, and stores an empty one",
    async run(context) {
      const chunks = ["", "ab", "", "c".repeat(300_000), "d"].map((part) => Buffer.from(part));
      const body = { sizeBytes: 300_003, chunks };
      await context.store.put(keyOf(context, "a"), body, plain, "any");
      assert.equal(await text(context, "a"), `ab${"c".repeat(300_000)}d`);
      await context.store.put(keyOf(context, "b"), { sizeBytes: 0, chunks: [] }, plain, "any");
      assert.equal(await text(context, "b"), "");
    },
  },
  {
    title: "says that a missing key is not found",
    async run(context) {
      const key = keyOf(context, "missing");
      assert.deepEqual(await context.store.head(key), { kind: "notFound" });
      const range = { offsetBytes: 0, lengthBytes: 1, ifMatch: otherEtag };
      assert.deepEqual(await context.store.get(key, range), { kind: "notFound" });
    },
  },
  {
    title: "keeps any Unicode in metadata values, and names in lower case",
    async run(context) {
      const metadata = {
        accents: "Grüße, señor",
        wide: "日本語 \u{1f600}",
        long: "ж".repeat(200),
        padded: "  two  spaces  ",
        lines: "a\nb\tc",
        encoded: "=?UTF-8?B?YQ==?=",
        empty: "",
        "x.y_z-1": "plain",
      };
      await put(context, "a", "x", { metadata: { ...metadata, UPPER: "u" } });
      const found = await context.store.head(keyOf(context, "a"));
      assert.ok(found.kind === "found");
      assert.deepEqual(found.metadata, { ...metadata, upper: "u" });
    },
  },
  {
    title: "refuses metadata over 2 KB as invalid",
    async run(context) {
      const body = bodyOf("x");
      const tooMuch = { metadata: { a: "x".repeat(2050) } };
      await fails(context.store.put(keyOf(context, "a"), body, tooMuch, "any"), "invalid");
      assert.equal(await text(context, "a"), undefined);
    },
  },
  {
    title: "puts under the condition absent only where nothing is",
    async run(context) {
      const key = keyOf(context, "a");
      const first = await context.store.put(key, bodyOf("first"), plain, "absent");
      assert.equal(first.kind, "stored");
      assert.deepEqual(await context.store.put(key, bodyOf("second"), plain, "absent"), failed);
      assert.equal(await text(context, "a"), "first");
    },
  },
  {
    title: "puts under an ETag only over exactly that object",
    async run(context) {
      const key = keyOf(context, "a");
      assert.deepEqual(await context.store.put(key, bodyOf("x"), plain, otherEtag), failed);
      assert.equal(await text(context, "a"), undefined);
      const first = await put(context, "a", "first");
      const second = await context.store.put(key, bodyOf("second"), plain, first);
      assert.equal(second.kind, "stored");
      assert.deepEqual(await context.store.put(key, bodyOf("third"), plain, first), failed);
      assert.equal(await text(context, "a"), "second");
    },
  },
  {
    title: "lets one of several conditional puts win",
    async run(context) {
      for (const condition of ["absent", await put(context, "b", "base")] as const) {
        const key = keyOf(context, condition === "absent" ? "a" : "b");
        const outcomes = await Promise.all(
          Array.from({ length: 8 }, (_, i) =>
            context.store.put(key, bodyOf(`writer ${i}`), plain, condition),
          ),
        );
        assert.equal(outcomes.filter(({ kind }) => kind === "stored").length, 1);
        const winner = outcomes.findIndex(({ kind }) => kind === "stored");
        const name = condition === "absent" ? "a" : "b";
        assert.equal(await text(context, name), `writer ${winner}`);
      }
    },
  },
  {
    title: "reads ranges, cut at the end of the object",
    async run(context) {
      const ifMatch = await put(context, "a", "0123456789");
      const read = async (offsetBytes: number, lengthBytes: number) => {
        const range = { offsetBytes, lengthBytes, ifMatch };
        const outcome = await context.store.get(keyOf(context, "a"), range);
        assert.ok(outcome.kind === "read");
        return Buffer.from(outcome.data).toString();
      };
      assert.equal(await read(0, 10), "0123456789");
      assert.equal(await read(3, 4), "3456");
      assert.equal(await read(8, 100), "89");
      assert.equal(await read(0, 1000), "0123456789");
      assert.equal(await read(10, 1), "");
      assert.equal(await read(1000, 10), "");
    },
  },
  {
    title: "reads nothing from an empty object",
    async run(context) {
      const ifMatch = await put(context, "a", "");
      const range = { offsetBytes: 0, lengthBytes: 10, ifMatch };
      const outcome = await context.store.get(keyOf(context, "a"), range);
      assert.ok(outcome.kind === "read");
      assert.equal(outcome.data.length, 0);
    },
  },
  {
    title: "does not read a version that has been replaced",
    async run(context) {
      const ifMatch = await put(context, "a", "old");
      await put(context, "a", "new");
      const range = { offsetBytes: 0, lengthBytes: 3, ifMatch };
      assert.deepEqual(await context.store.get(keyOf(context, "a"), range), failed);
      const whole = { ...range, objectSizeBytes: 3 };
      assert.deepEqual(await context.store.get(keyOf(context, "a"), whole), failed);
    },
  },
  {
    title: "gives bytes that belong to the reader alone",
    async run(context) {
      const ifMatch = await put(context, "a", "abc");
      const range = { offsetBytes: 0, lengthBytes: 3, ifMatch };
      const outcome = await context.store.get(keyOf(context, "a"), range);
      assert.ok(outcome.kind === "read");
      outcome.data.fill(0);
      assert.equal(await text(context, "a"), "abc");
    },
  },
  {
    title: "stores, lists, copies and deletes odd keys under their exact names",
    async run(context) {
      for (const name of oddNames) await put(context, name, `of ${name}`);
      const { names } = await listAll(context);
      assert.deepEqual(names.sort(), [...oddNames].sort());
      for (const name of oddNames) {
        assert.equal(await text(context, name), `of ${name}`);
        const found = await context.store.head(keyOf(context, name));
        assert.ok(found.kind === "found");
        const source = { key: keyOf(context, name), ifMatch: found.etag };
        const target = keyOf(context, `copies/${name}`);
        const copied = await context.store.copy(source, target, plain, "any");
        assert.equal(copied.kind, "stored", name);
        assert.equal(await text(context, `copies/${name}`), `of ${name}`);
        const deleted = await context.store.delete(source.key, found.etag);
        assert.deepEqual(deleted, { kind: "deleted" }, name);
      }
      const left = await listAll(context);
      assert.deepEqual(left.names.sort(), oddNames.map((name) => `copies/${name}`).sort());
    },
  },
  {
    title: "stores keys that are no paths, and keys of 1,024 bytes",
    async run(context) {
      const long = "k".repeat(1024 - Buffer.byteLength(context.prefix));
      const names = ["a//b", "/a", "a/../b", "./a", "a/.", "a/", "a", long];
      for (const name of names) await put(context, name, `of ${name}`);
      for (const name of names) assert.equal(await text(context, name), `of ${name}`);
      assert.deepEqual((await listAll(context)).names.sort(), names.sort());
    },
  },
  {
    title: "deletes under an ETag only exactly that object; a missing key counts as deleted",
    async run(context) {
      const key = keyOf(context, "a");
      const deleted = { kind: "deleted" };
      assert.deepEqual(await context.store.delete(key, "any"), deleted);
      assert.deepEqual(await context.store.delete(key, otherEtag), deleted);
      const etag = await put(context, "a", "x");
      assert.deepEqual(await context.store.delete(key, otherEtag), failed);
      assert.equal(await text(context, "a"), "x");
      assert.deepEqual(await context.store.delete(key, etag), deleted);
      assert.equal(await text(context, "a"), undefined);
      await put(context, "a", "y");
      assert.deepEqual(await context.store.delete(key, "any"), deleted);
      assert.deepEqual((await listAll(context)).names, []);
    },
  },
  {
    title: "keeps the tags of a PUT and of a multipart upload, counts them in HEAD, and tells them",
    async run(context) {
      const { store } = context;
      const tags = "cost=7&team=a%20b%2Bc";
      const tagged: ObjectHeaders = { metadata: {}, tags };
      await put(context, "none", "x");
      await put(context, "put", "x", tagged);
      const key = keyOf(context, "parts");
      const id = await store.createMultipart(key, tagged);
      const part = await store.uploadPart(key, id, 1, bodyOf("x"));
      await store.completeMultipart(key, id, [part], "any");
      for (const [name, count] of [
        ["none", undefined],
        ["put", 2],
        ["parts", 2],
      ] as const) {
        const found = await store.head(keyOf(context, name));
        assert.ok(found.kind === "found");
        assert.equal(found.tagCount, count, name);
        const told = await store.tags(keyOf(context, name));
        const sorted = told?.split("&").sort().join("&");
        assert.equal(sorted, count === undefined ? undefined : tags, name);
      }
      assert.equal(await store.tags(keyOf(context, "missing")), undefined);
    },
  },
  {
    title: "copies the bytes under the headers given, also onto the source itself",
    async run(context) {
      const etag = await put(context, "a", "hello", { metadata: { old: "1" } });
      const source = { key: keyOf(context, "a"), ifMatch: etag };
      for (const name of ["b", "a"]) {
        const copied = await context.store.copy(source, keyOf(context, name), headers, "any");
        assert.ok(copied.kind === "stored");
        const found = await context.store.head(keyOf(context, name));
        assert.ok(found.kind === "found");
        assert.equal(found.etag, copied.etag);
        assert.equal(found.contentType, headers.contentType);
        assert.deepEqual(found.metadata, headers.metadata);
        assert.equal(await text(context, name), "hello");
      }
    },
  },
  {
    title: "copies only the version of the source that is meant",
    async run(context) {
      const source = keyOf(context, "a");
      const target = keyOf(context, "b");
      const stale = { key: source, ifMatch: otherEtag };
      const missing = await context.store.copy(stale, target, plain, "any");
      assert.deepEqual(missing, { kind: "notFound" });
      await put(context, "a", "x");
      assert.deepEqual(await context.store.copy(stale, target, plain, "any"), failed);
      assert.equal(await text(context, "b"), undefined);
    },
  },
  {
    title: "copies onto a key only under the condition given",
    async run(context) {
      const source = { key: keyOf(context, "a"), ifMatch: await put(context, "a", "source") };
      const target = keyOf(context, "b");
      assert.deepEqual(await context.store.copy(source, target, plain, otherEtag), failed);
      const first = await context.store.copy(source, target, plain, "absent");
      assert.ok(first.kind === "stored");
      assert.deepEqual(await context.store.copy(source, target, plain, "absent"), failed);
      const changed = await put(context, "b", "changed");
      assert.deepEqual(await context.store.copy(source, target, plain, otherEtag), failed);
      assert.equal(await text(context, "b"), "changed");
      const again = await context.store.copy(source, target, plain, changed);
      assert.equal(again.kind, "stored");
      assert.equal(await text(context, "b"), "source");
    },
  },
  {
    title: "rejects with the signal's reason when it has been aborted",
    async run(context) {
      const reason = new Error("stopped");
      const signal = AbortSignal.abort(reason);
      const key = keyOf(context, "a");
      await assert.rejects(context.store.head(key, { signal }), reason);
      await assert.rejects(context.store.put(key, bodyOf("x"), plain, "any", { signal }), reason);
      assert.equal(await text(context, "a"), undefined);
    },
  },
];
