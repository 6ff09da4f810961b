import assert from "node:assert/strict";
import { once } from "node:events";
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
} from "@aws-sdk/client-s3";
import { fails, put, type S3Api, type S3ApiCase, text } from "./s3-api-case.ts";
import { open, signRequest } from "./s3-api-raw.ts";

const past = new Date("2001-01-01T00:00:00Z");
const wrongEtag = '"00000000000000000000000000000000"';

/** How `count` puts at once with one condition ended: the statuses, sorted. */
async function race(api: S3Api, condition: { IfMatch: string } | { IfNoneMatch: string }) {
  const puts = Array.from({ length: 8 }, (_, i) =>
    put(api, "raced", `writer ${i}`, condition).then(
      () => 200,
      (error: { $metadata: { httpStatusCode: number } }) => error.$metadata.httpStatusCode,
    ),
  );
  return (await Promise.all(puts)).sort();
}

function isOneWinner(statuses: readonly number[]): boolean {
  // S3 user guide, "Conditional requests": losers of a race get 412, or 409 when they overlapped.
  return statuses[0] === 200 && statuses.slice(1).every((status) => [409, 412].includes(status));
}

/** Conditions of reads, writes and deletions. */
export const conditionCases: readonly S3ApiCase[] = [
  {
    title: "a read with If-Match of another ETag is 412",
    async run(api) {
      const etag = await put(api, "a", "x");
      const target = { Bucket: api.bucket, Key: "a" };
      await api.client.send(new HeadObjectCommand({ ...target, IfMatch: etag }));
      await fails(
        api.client.send(new GetObjectCommand({ ...target, IfMatch: wrongEtag })),
        412,
        "PreconditionFailed",
      );
      await fails(api.client.send(new HeadObjectCommand({ ...target, IfMatch: wrongEtag })), 412);
    },
  },
  {
    title: "a read with If-None-Match of the ETag is 304",
    async run(api) {
      const etag = await put(api, "a", "x");
      const target = { Bucket: api.bucket, Key: "a" };
      await fails(api.client.send(new GetObjectCommand({ ...target, IfNoneMatch: etag })), 304);
      await fails(api.client.send(new HeadObjectCommand({ ...target, IfNoneMatch: etag })), 304);
      await api.client.send(new HeadObjectCommand({ ...target, IfNoneMatch: wrongEtag }));
    },
  },
  {
    title: "a read with dates is 304 when unmodified and 412 when modified since",
    async run(api) {
      await put(api, "a", "x");
      const target = { Bucket: api.bucket, Key: "a" };
      const { LastModified } = await api.client.send(new HeadObjectCommand(target));
      assert.ok(LastModified);
      const head = (conditions: object) =>
        api.client.send(new HeadObjectCommand({ ...target, ...conditions }));
      await fails(head({ IfModifiedSince: LastModified }), 304);
      await head({ IfModifiedSince: past });
      await fails(head({ IfUnmodifiedSince: past }), 412);
      await head({ IfUnmodifiedSince: LastModified });
    },
  },
  {
    title: "a condition on the ETag overrides the one on the date",
    async run(api) {
      const etag = await put(api, "a", "x");
      const target = { Bucket: api.bucket, Key: "a" };
      const head = (conditions: object) =>
        api.client.send(new HeadObjectCommand({ ...target, ...conditions }));
      await head({ IfMatch: etag, IfUnmodifiedSince: past });
      await fails(head({ IfNoneMatch: etag, IfModifiedSince: past }), 304);
    },
  },
  {
    title: "a ranged read holds to its If-Match",
    async run(api) {
      const etag = await put(api, "a", "0123456789");
      const target = { Bucket: api.bucket, Key: "a", Range: "bytes=1-2" };
      const got = await api.client.send(new GetObjectCommand({ ...target, IfMatch: etag }));
      assert.equal(await got.Body?.transformToString(), "12");
      await put(api, "a", "abcdefghij");
      await fails(api.client.send(new GetObjectCommand({ ...target, IfMatch: etag })), 412);
    },
  },
  {
    title: "a put with If-None-Match: * succeeds only where nothing is",
    async run(api) {
      await put(api, "a", "first", { IfNoneMatch: "*" });
      await fails(put(api, "a", "second", { IfNoneMatch: "*" }), 412, "PreconditionFailed");
      assert.equal(await text(api, "a"), "first");
    },
  },
  {
    title: "a put with If-Match succeeds only over exactly that object",
    async run(api) {
      const first = await put(api, "a", "first");
      const second = await put(api, "a", "second", { IfMatch: first });
      await fails(put(api, "a", "third", { IfMatch: first }), 412, "PreconditionFailed");
      assert.equal(await text(api, "a"), "second");
      await put(api, "a", "fourth", { IfMatch: second.replaceAll('"', "") });
    },
  },
  {
    title: "a put with If-Match of a missing key is 404 NoSuchKey",
    async run(api) {
      await fails(put(api, "missing", "x", { IfMatch: wrongEtag }), 404, "NoSuchKey");
    },
  },
  {
    title: "of many puts at once with If-None-Match: * one wins",
    async run(api) {
      const statuses = await race(api, { IfNoneMatch: "*" });
      assert.ok(isOneWinner(statuses), statuses.join());
    },
  },
  {
    title: "of many puts at once with the same If-Match one wins",
    async run(api) {
      const etag = await put(api, "raced", "base");
      const statuses = await race(api, { IfMatch: etag });
      assert.ok(isOneWinner(statuses), statuses.join());
    },
  },
  {
    title: "a delete during a put with If-None-Match: * makes it 409 ConditionalRequestConflict",
    async run(api) {
      await put(api, "a", "old");
      const signed = signRequest(api, {
        method: "PUT",
        path: `/${api.bucket}/a`,
        headers: { "if-none-match": "*", "content-length": "3", expect: "100-continue" },
        payloadHash: "UNSIGNED-PAYLOAD",
      });
      const { outgoing, answer } = open(signed);
      outgoing.flushHeaders();
      await once(outgoing, "continue");
      await api.client.send(new DeleteObjectCommand({ Bucket: api.bucket, Key: "a" }));
      outgoing.end("new");
      const { status, body } = await answer;
      assert.equal(status, 409, body);
      assert.match(body, /<Code>ConditionalRequestConflict<\/Code>/);
    },
  },
  {
    title: "a put cut off in the middle stores nothing",
    async run(api) {
      const signed = signRequest(api, {
        method: "PUT",
        path: `/${api.bucket}/a`,
        headers: { "content-length": "1000", expect: "100-continue" },
        payloadHash: "UNSIGNED-PAYLOAD",
      });
      const { outgoing, answer } = open(signed);
      outgoing.flushHeaders();
      await once(outgoing, "continue");
      outgoing.write("only a part of it");
      outgoing.destroy();
      await answer.then(
        () => assert.fail("An answer came"),
        () => undefined,
      );
      await fails(text(api, "a"), 404, "NoSuchKey");
    },
  },
  {
    title: "a delete with If-Match succeeds only on exactly that object",
    async run(api) {
      const etag = await put(api, "a", "x");
      const target = { Bucket: api.bucket, Key: "a" };
      const del = (IfMatch: string) =>
        api.client.send(new DeleteObjectCommand({ ...target, IfMatch }));
      await fails(del(wrongEtag), 412, "PreconditionFailed");
      assert.equal(await text(api, "a"), "x");
      await del(etag);
      await fails(text(api, "a"), 404, "NoSuchKey");
    },
  },
  {
    title: "a delete with If-Match of a missing key is 404 NoSuchKey",
    async run({ client, bucket: Bucket }) {
      const request = client.send(
        new DeleteObjectCommand({ Bucket, Key: "missing", IfMatch: wrongEtag }),
      );
      await fails(request, 404, "NoSuchKey");
    },
  },
  {
    title: "a deletion of many holds each object to its own ETag",
    async run(api) {
      const right = await put(api, "right", "x");
      await put(api, "wrong", "y");
      const answer = await api.client.send(
        new DeleteObjectsCommand({
          Bucket: api.bucket,
          Delete: {
            Objects: [
              { Key: "right", ETag: right },
              { Key: "wrong", ETag: wrongEtag },
            ],
          },
        }),
      );
      assert.deepEqual(
        answer.Errors?.map(({ Key, Code }) => [Key, Code]),
        [["wrong", "PreconditionFailed"]],
      );
      await fails(text(api, "right"), 404);
      assert.equal(await text(api, "wrong"), "y");
    },
  },
];
