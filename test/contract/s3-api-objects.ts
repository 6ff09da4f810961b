import assert from "node:assert/strict";
import { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  RestoreObjectCommand,
} from "@aws-sdk/client-s3";
import { bytes, fails, md5Etag, put, type S3ApiCase, text } from "./s3-api-case.ts";

/** Single objects: content, headers, ranges, tags, classes, deletion. */
export const objectCases: readonly S3ApiCase[] = [
  {
    title: "an object comes back with its bytes, headers and user metadata",
    async run(api) {
      const body = bytes(100_000, 1);
      const headers = {
        ContentType: "text/x-test; charset=utf-8",
        CacheControl: "max-age=7",
        ContentDisposition: 'attachment; filename="f"',
        ContentEncoding: "identity",
        ContentLanguage: "de",
        Metadata: { "file-permissions": "0100644", note: "a  b" },
      };
      const etag = await put(api, "dir/file", body, headers);
      assert.equal(etag, md5Etag(body));
      const target = { Bucket: api.bucket, Key: "dir/file" };
      const head = await api.client.send(new HeadObjectCommand(target));
      const got = await api.client.send(new GetObjectCommand(target));
      for (const answer of [head, got]) {
        assert.equal(answer.ETag, etag);
        assert.equal(answer.ContentLength, body.length);
        assert.ok(answer.LastModified instanceof Date);
        const { ContentType, CacheControl, ContentDisposition, ContentEncoding } = answer;
        const { ContentLanguage, Metadata } = answer;
        assert.deepEqual(
          {
            ContentType,
            CacheControl,
            ContentDisposition,
            ContentEncoding,
            ContentLanguage,
            Metadata,
          },
          headers,
        );
      }
      assert.ok(got.Body);
      assert.ok(body.equals(await got.Body.transformToByteArray()));
    },
  },
  {
    title: "an empty object has size 0 and the MD5 of nothing",
    async run(api) {
      assert.equal(await put(api, "empty", ""), '"d41d8cd98f00b204e9800998ecf8427e"');
      assert.equal(await text(api, "empty"), "");
    },
  },
  {
    title: "a streamed body is stored without its transfer framing",
    async run(api) {
      const pieces = [bytes(70_000, 1), bytes(8192, 2), bytes(300_000, 3), bytes(5, 4)];
      const whole = Buffer.concat(pieces);
      const target = { Bucket: api.bucket, Key: "streamed" };
      const answer = await api.client.send(
        new PutObjectCommand({
          ...target,
          Body: Readable.from(pieces),
          ContentLength: whole.length,
        }),
      );
      assert.equal(answer.ETag, md5Etag(whole));
      const got = await api.client.send(new GetObjectCommand(target));
      assert.ok(got.Body);
      assert.ok(whole.equals(await got.Body.transformToByteArray()));
      assert.equal(got.ContentEncoding, undefined);
    },
  },
  {
    title: "an overwritten object keeps nothing of the older one",
    async run(api) {
      await put(api, "a", "older and longer", { Metadata: { x: "1" }, ContentType: "a/b" });
      await put(api, "a", "new");
      const head = await api.client.send(new HeadObjectCommand({ Bucket: api.bucket, Key: "a" }));
      assert.deepEqual(head.Metadata, {});
      assert.equal(head.ContentLength, 3);
      assert.equal(await text(api, "a"), "new");
    },
  },
  {
    title: "a missing key is NoSuchKey on GET, 404 on HEAD, and deleted by DELETE",
    async run({ client, bucket: Bucket }) {
      const target = { Bucket, Key: "missing" };
      await fails(client.send(new GetObjectCommand(target)), 404, "NoSuchKey");
      await fails(client.send(new HeadObjectCommand(target)), 404);
      const answer = await client.send(new DeleteObjectCommand(target));
      assert.equal(answer.$metadata.httpStatusCode, 204);
    },
  },
  {
    title: "a range is answered with 206 and its bytes, cut at the end of the object",
    async run(api) {
      await put(api, "a", "0123456789");
      for (const [range, expected, contentRange] of [
        ["bytes=2-4", "234", "bytes 2-4/10"],
        ["bytes=7-", "789", "bytes 7-9/10"],
        ["bytes=-3", "789", "bytes 7-9/10"],
        ["bytes=8-1000", "89", "bytes 8-9/10"],
        ["bytes=-1000", "0123456789", "bytes 0-9/10"],
      ] as const) {
        const answer = await api.client.send(
          new GetObjectCommand({ Bucket: api.bucket, Key: "a", Range: range }),
        );
        assert.equal(answer.$metadata.httpStatusCode, 206, range);
        assert.equal(answer.ContentRange, contentRange, range);
        assert.equal(await answer.Body?.transformToString(), expected, range);
      }
    },
  },
  {
    title: "a range beyond the end is 416 InvalidRange",
    async run(api) {
      await put(api, "a", "0123456789");
      await put(api, "empty", "");
      for (const [Key, Range] of [
        ["a", "bytes=10-"],
        ["a", "bytes=20-30"],
        ["empty", "bytes=0-0"],
      ] as const) {
        const request = api.client.send(new GetObjectCommand({ Bucket: api.bucket, Key, Range }));
        await fails(request, 416, "InvalidRange");
      }
    },
  },
  {
    title: "a wrong Content-MD5 is BadDigest, a malformed one InvalidDigest, and nothing is stored",
    async run(api) {
      const wrong = Buffer.alloc(16, 7).toString("base64");
      await fails(put(api, "a", "x", { ContentMD5: wrong }), 400, "BadDigest");
      await fails(put(api, "a", "x", { ContentMD5: "nonsense" }), 400, "InvalidDigest");
      await fails(text(api, "a"), 404, "NoSuchKey");
    },
  },
  {
    title: "user metadata over 2 KB is MetadataTooLarge",
    async run(api) {
      const request = put(api, "a", "x", { Metadata: { big: "v".repeat(2048) } });
      await fails(request, 400, "MetadataTooLarge");
      await put(api, "a", "x", { Metadata: { big: "v".repeat(2045) } });
    },
  },
  {
    title: "a key may have 1,024 bytes and no more",
    async run(api) {
      await fails(put(api, `${"ü".repeat(512)}x`, "x"), 400, "KeyTooLongError");
      const key = `${Array.from({ length: 8 }, (_, i) => String(i).repeat(127)).join("/")}/`;
      assert.equal(Buffer.byteLength(key), 1024);
      await put(api, key, "");
    },
  },
  {
    title: "both a key and a key below it exist side by side",
    async run(api) {
      await put(api, "a", "file");
      await put(api, "a/b", "below");
      assert.equal(await text(api, "a"), "file");
      assert.equal(await text(api, "a/b"), "below");
    },
  },
  {
    title: "a GET can choose headers of its answer",
    async run(api) {
      await put(api, "a", "x");
      const answer = await api.client.send(
        new GetObjectCommand({
          Bucket: api.bucket,
          Key: "a",
          ResponseContentType: "text/html",
          ResponseCacheControl: "no-store",
        }),
      );
      assert.equal(answer.ContentType, "text/html");
      assert.equal(answer.CacheControl, "no-store");
    },
  },
  {
    title: "object tags are set with the object, counted, replaced and removed",
    async run(api) {
      const target = { Bucket: api.bucket, Key: "a" };
      await put(api, "a", "x", { Tagging: "one=1&two=a%20b" });
      const get = () => api.client.send(new GetObjectTaggingCommand(target));
      const sorted = async () =>
        (await get()).TagSet?.map(({ Key, Value }) => `${Key}=${Value}`).sort();
      assert.deepEqual(await sorted(), ["one=1", "two=a b"]);
      const got = await api.client.send(new GetObjectCommand(target));
      assert.equal(got.TagCount, 2);
      await got.Body?.transformToString();
      const Tagging = { TagSet: [{ Key: "three", Value: "" }] };
      await api.client.send(new PutObjectTaggingCommand({ ...target, Tagging }));
      assert.deepEqual(await sorted(), ["three="]);
      await api.client.send(new DeleteObjectTaggingCommand(target));
      assert.deepEqual(await sorted(), []);
    },
  },
  {
    title: "more than ten tags are refused",
    async run(api) {
      await put(api, "a", "x");
      const TagSet = Array.from({ length: 11 }, (_, i) => ({ Key: `k${i}`, Value: "v" }));
      const request = api.client.send(
        new PutObjectTaggingCommand({ Bucket: api.bucket, Key: "a", Tagging: { TagSet } }),
      );
      await fails(request, 400);
    },
  },
  {
    title: "many objects are deleted at once, missing ones included",
    async run(api) {
      const keys = ["a", "b & <c>", "d/ü", "missing"];
      for (const key of keys.slice(0, 3)) await put(api, key, "x");
      const Objects = keys.map((Key) => ({ Key }));
      const answer = await api.client.send(
        new DeleteObjectsCommand({ Bucket: api.bucket, Delete: { Objects } }),
      );
      assert.deepEqual(answer.Deleted?.map(({ Key }) => Key).sort(), [...keys].sort());
      for (const key of keys) await fails(text(api, key), 404, "NoSuchKey");
    },
  },
  {
    title: "a quiet deletion of many names only errors",
    async run(api) {
      await put(api, "a", "x");
      const answer = await api.client.send(
        new DeleteObjectsCommand({
          Bucket: api.bucket,
          Delete: { Objects: [{ Key: "a" }], Quiet: true },
        }),
      );
      assert.equal(answer.Deleted?.length ?? 0, 0);
      assert.equal(answer.Errors?.length ?? 0, 0);
    },
  },
  {
    title: "an archived object is listed but unreadable until it was restored",
    async run(api) {
      const target = { Bucket: api.bucket, Key: "a" };
      await put(api, "a", "cold", { StorageClass: "GLACIER" });
      const head = await api.client.send(new HeadObjectCommand(target));
      assert.equal(head.StorageClass, "GLACIER");
      assert.equal(head.ContentLength, 4);
      await fails(text(api, "a"), 403, "InvalidObjectState");
      await api.client.send(new RestoreObjectCommand({ ...target, RestoreRequest: { Days: 1 } }));
      const restored = await api.client.send(new HeadObjectCommand(target));
      assert.match(restored.Restore ?? "", /ongoing-request="false", expiry-date="/);
      assert.equal(await text(api, "a"), "cold");
    },
  },
  {
    title: "an unknown storage class is refused",
    async run(api) {
      const request = put(api, "a", "x", { StorageClass: "SOMEWHERE" as "GLACIER" });
      await fails(request, 400, "InvalidStorageClass");
    },
  },
];
