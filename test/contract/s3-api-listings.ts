import assert from "node:assert/strict";
import {
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
} from "@aws-sdk/client-s3";
import { fails, md5Etag, put, type S3Api, type S3ApiCase, text } from "./s3-api-case.ts";

function list(api: S3Api, more: Partial<ListObjectsV2CommandInput> = {}) {
  return api.client.send(new ListObjectsV2Command({ Bucket: api.bucket, ...more }));
}

/** All entries of all pages: keys as they are, common prefixes in brackets. */
async function walk(api: S3Api, more: Partial<ListObjectsV2CommandInput> = {}) {
  const pages: string[][] = [];
  let token: string | undefined;
  do {
    const page = await list(api, { ...more, ...(token ? { ContinuationToken: token } : {}) });
    const keys = (page.Contents ?? []).map(({ Key }) => Key ?? "");
    const prefixes = (page.CommonPrefixes ?? []).map(({ Prefix }) => `[${Prefix}]`);
    assert.equal(page.KeyCount, keys.length + prefixes.length);
    pages.push([...keys, ...prefixes]);
    assert.equal(page.IsTruncated, page.NextContinuationToken !== undefined);
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return pages;
}

async function putAll(api: S3Api, keys: readonly string[]): Promise<void> {
  for (const key of keys) await put(api, key, "");
}

/** Listings. */
export const listingCases: readonly S3ApiCase[] = [
  {
    title: "a listing names key, size, ETag, time and class",
    async run(api) {
      await put(api, "a", "hello");
      const object = (await list(api)).Contents?.[0];
      assert.equal(object?.Key, "a");
      assert.equal(object?.Size, 5);
      assert.equal(object?.ETag, md5Etag("hello"));
      assert.equal(object?.StorageClass, "STANDARD");
      assert.ok(object?.LastModified instanceof Date);
    },
  },
  {
    title: "keys are listed in the order of their UTF-8 bytes",
    async run(api) {
      const ordered = ["A", "B", "a", "a-", "aa", "ab", "b", "z", "ä", "\u{ffee}", "\u{1f600}"];
      await putAll(api, [...ordered].reverse());
      assert.deepEqual((await walk(api)).flat(), ordered);
    },
  },
  {
    title: "a listing comes in pages of at most max-keys",
    async run(api) {
      await putAll(api, ["a", "b", "c", "d", "e"]);
      assert.deepEqual(await walk(api, { MaxKeys: 2 }), [["a", "b"], ["c", "d"], ["e"]]);
    },
  },
  {
    title: "a page has 1,000 keys at most, whatever was asked",
    async run(api) {
      const keys = Array.from({ length: 1003 }, (_, i) => `key-${String(i).padStart(4, "0")}`);
      await Promise.all(keys.map((key) => put(api, key, "")));
      const pages = await walk(api, { MaxKeys: 5000 });
      assert.deepEqual(
        pages.map((page) => page.length),
        [1000, 3],
      );
      assert.deepEqual(pages.flat(), keys);
    },
  },
  {
    title: "max-keys of 0 lists nothing and is not truncated",
    async run(api) {
      await put(api, "a", "");
      assert.deepEqual(await walk(api, { MaxKeys: 0 }), [[]]);
    },
  },
  {
    title: "a prefix narrows and a delimiter rolls up",
    async run(api) {
      await putAll(api, ["a", "d/1", "d/2", "d/e/3", "d.x", "f/4"]);
      assert.deepEqual(await walk(api, { Delimiter: "/" }), [["a", "d.x", "[d/]", "[f/]"]]);
      assert.deepEqual(await walk(api, { Prefix: "d/" }), [["d/1", "d/2", "d/e/3"]]);
      const below = await walk(api, { Prefix: "d/", Delimiter: "/" });
      assert.deepEqual(below, [["d/1", "d/2", "[d/e/]"]]);
      const exact = await walk(api, { Prefix: "d", Delimiter: "/" });
      assert.deepEqual(exact, [["d.x", "[d/]"]]);
    },
  },
  {
    title: "each common prefix counts once, also across pages",
    async run(api) {
      await putAll(api, ["a/1", "a/2", "a/3", "b", "c/1", "c/2", "d"]);
      const pages = await walk(api, { Delimiter: "/", MaxKeys: 1 });
      assert.deepEqual(pages, [["[a/]"], ["b"], ["[c/]"], ["d"]]);
    },
  },
  {
    title: "start-after begins behind a key that need not exist",
    async run(api) {
      await putAll(api, ["a", "b", "c"]);
      assert.deepEqual(await walk(api, { StartAfter: "a" }), [["b", "c"]]);
      assert.deepEqual(await walk(api, { StartAfter: "aa" }), [["b", "c"]]);
      assert.deepEqual(await walk(api, { StartAfter: "a", MaxKeys: 1 }), [["b"], ["c"]]);
      assert.deepEqual(await walk(api, { StartAfter: "z" }), [[]]);
    },
  },
  {
    title: "a delimiter may be any string",
    async run(api) {
      await putAll(api, ["one--two", "one--three", "two"]);
      assert.deepEqual(await walk(api, { Delimiter: "--" }), [["two", "[one--]"]]);
    },
  },
  {
    title: "keys with spaces, markup, percent signs and Unicode come back as they are",
    async run(api) {
      const keys = [
        " lead",
        "%41%2F",
        "&<>'\"",
        "a b+c",
        "q?x=1#y",
        "tilde~(1)!*",
        "ü/é/\u{1f600}",
      ];
      await putAll(api, keys);
      assert.deepEqual((await walk(api)).flat().sort(), [...keys].sort());
      for (const key of keys) assert.equal(await text(api, key), "");
    },
  },
  {
    title: "keys that are no paths come back as they are",
    async run(api) {
      const keys = ["./x", "/lead", "a/../b", "a//b", "dir/", "dir//"];
      await putAll(api, keys);
      assert.deepEqual((await walk(api)).flat(), keys);
      for (const key of keys) assert.equal(await text(api, key), "");
    },
  },
  {
    title: "keys with control characters are listed with encoding-type url",
    async run(api) {
      const keys = ["line\nfeed", "re\rturn", "start\u0001"];
      await putAll(api, keys);
      const page = await list(api, { EncodingType: "url" });
      const decode = (key = "") => decodeURIComponent(key.replaceAll("+", "%20"));
      assert.deepEqual(
        page.Contents?.map(({ Key }) => decode(Key)),
        keys,
      );
      assert.equal(page.EncodingType, "url");
    },
  },
  {
    title: "encoding-type url encodes keys, prefixes and delimiters but not slashes",
    async run(api) {
      await putAll(api, ["d ü/x y", "d ü/+"]);
      const page = await list(api, { EncodingType: "url", Prefix: "d ü/" });
      assert.deepEqual(
        page.Contents?.map(({ Key }) => Key),
        ["d+%C3%BC/%2B", "d+%C3%BC/x+y"],
      );
      assert.equal(page.Prefix, "d+%C3%BC/");
    },
  },
  {
    title: "what is put, overwritten or deleted shows in the very next listing",
    async run(api) {
      await put(api, "a", "1");
      await put(api, "a", "22");
      assert.deepEqual(
        (await list(api)).Contents?.map(({ Size }) => Size),
        [2],
      );
    },
  },
  {
    title: "version 1 pages by marker, and names the next one only with a delimiter",
    async run(api) {
      await putAll(api, ["a", "b/1", "b/2", "c"]);
      const page = (more: object) =>
        api.client.send(new ListObjectsCommand({ Bucket: api.bucket, ...more }));
      const plain = await page({ MaxKeys: 2 });
      assert.equal(plain.IsTruncated, true);
      assert.equal(plain.NextMarker, undefined);
      const rest = await page({ Marker: "b/1" });
      assert.deepEqual(
        rest.Contents?.map(({ Key }) => Key),
        ["b/2", "c"],
      );
      const rolled = await page({ MaxKeys: 2, Delimiter: "/" });
      assert.equal(rolled.NextMarker, "b/");
      const last = await page({ Delimiter: "/", Marker: "b/" });
      assert.deepEqual(
        last.Contents?.map(({ Key }) => Key),
        ["c"],
      );
      assert.equal(last.CommonPrefixes?.length ?? 0, 0);
    },
  },
  {
    title: "a continuation token of nobody is refused",
    async run(api) {
      await fails(list(api, { ContinuationToken: "made-up" }), 400, "InvalidArgument");
    },
  },
];
