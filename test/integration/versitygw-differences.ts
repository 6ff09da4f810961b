import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  RestoreObjectCommand,
} from "@aws-sdk/client-s3";
import {
  bytes,
  type Difference,
  fails,
  newClient,
  put,
  type S3Api,
  text,
} from "../contract/s3-api-case.ts";
import { frameChunks, open, signAndSend, signRequest } from "../contract/s3-api-raw.ts";

const wrongEtag = '"00000000000000000000000000000000"';
const past = new Date("2001-01-01T00:00:00Z");

function copy(api: S3Api, to: string, more: object) {
  const CopySource = `${api.bucket}/from`;
  return api.client.send(
    new CopyObjectCommand({ Bucket: api.bucket, Key: to, CopySource, ...more }),
  );
}

async function list(api: S3Api, more: object = {}): Promise<(string | undefined)[] | undefined> {
  const page = await api.client.send(new ListObjectsV2Command({ Bucket: api.bucket, ...more }));
  return page.Contents?.map(({ Key }) => Key);
}

function enableVersioning(api: S3Api) {
  const VersioningConfiguration = { Status: "Enabled" } as const;
  return api.client.send(
    new PutBucketVersioningCommand({ Bucket: api.bucket, VersioningConfiguration }),
  );
}

/** Where versitygw v1.8.0, over a POSIX file system, departs from AWS, by case: why, and what it does instead. */
export const versitygwDifferences: Readonly<Record<string, Difference>> = {
  "bucket names outside the rules are refused": {
    reason: "empty labels, as in a..b, are accepted",
    async run({ client }) {
      for (const Bucket of ["Upper-case", "192.168.1.1", "-dash", "under_score"]) {
        await fails(client.send(new CreateBucketCommand({ Bucket })), 400, "InvalidBucketName");
      }
      await client.send(new CreateBucketCommand({ Bucket: "a..b" }));
    },
  },
  "creating one's own bucket again succeeds in us-east-1": {
    reason: "it answers in every region as AWS does outside us-east-1",
    async run({ client, bucket }) {
      const again = client.send(new CreateBucketCommand({ Bucket: bucket }));
      await fails(again, 409, "BucketAlreadyOwnedByYou");
    },
  },
  "a streamed body is stored without its transfer framing": {
    reason: "the body is, but Content-Encoding keeps aws-chunked",
    async run(api) {
      const target = { Bucket: api.bucket, Key: "streamed" };
      const Body = Readable.from([bytes(70_000, 1), bytes(5, 2)]);
      await api.client.send(new PutObjectCommand({ ...target, Body, ContentLength: 70_005 }));
      const head = await api.client.send(new HeadObjectCommand(target));
      assert.equal(head.ContentLength, 70_005);
      assert.equal(head.ContentEncoding, "aws-chunked");
    },
  },
  "both a key and a key below it exist side by side": {
    reason: "keys are paths of a file system, where a file has nothing below it",
    async run(api) {
      await put(api, "a", "file");
      await fails(put(api, "a/b", "below"), 409, "ObjectParentIsFile");
    },
  },
  "a quiet deletion of many names only errors": {
    reason: "Quiet is ignored",
    async run(api) {
      await put(api, "a", "x");
      const Delete = { Objects: [{ Key: "a" }], Quiet: true };
      const answer = await api.client.send(
        new DeleteObjectsCommand({ Bucket: api.bucket, Delete }),
      );
      assert.deepEqual(
        answer.Deleted?.map(({ Key }) => Key),
        ["a"],
      );
    },
  },
  "an archived object is listed but unreadable until it was restored": {
    reason: "storage classes are not kept, and RestoreObject is not implemented",
    async run(api) {
      const target = { Bucket: api.bucket, Key: "a" };
      await put(api, "a", "cold", { StorageClass: "GLACIER" });
      const head = await api.client.send(new HeadObjectCommand(target));
      assert.equal(head.StorageClass ?? "STANDARD", "STANDARD");
      assert.equal(await text(api, "a"), "cold");
      const restore = new RestoreObjectCommand({ ...target, RestoreRequest: { Days: 1 } });
      await fails(api.client.send(restore), 501, "NotImplemented");
    },
  },
  "an unknown storage class is refused": {
    reason: "storage classes are not looked at",
    async run(api) {
      await put(api, "a", "x", { StorageClass: "SOMEWHERE" as "GLACIER" });
      assert.equal(await text(api, "a"), "x");
    },
  },
  "a read with dates is 304 when unmodified and 412 when modified since": {
    reason: "it compares the file's nanoseconds, of which Last-Modified shows the seconds",
    async run(api) {
      await put(api, "a", "x");
      const head = (conditions: object) =>
        api.client.send(new HeadObjectCommand({ Bucket: api.bucket, Key: "a", ...conditions }));
      await head({ IfModifiedSince: past });
      await fails(head({ IfUnmodifiedSince: past }), 412);
      const later = new Date(Date.now() + 5_000);
      await head({ IfUnmodifiedSince: later });
    },
  },
  "a delete during a put with If-None-Match: * makes it 409 ConditionalRequestConflict": {
    reason: "the condition is judged once, when the body is complete",
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
      assert.equal((await answer).status, 200);
      assert.equal(await text(api, "a"), "new");
    },
  },
  "a delete with If-Match of a missing key is 404 NoSuchKey": {
    reason: "a missing key counts as deleted before the condition is looked at",
    async run({ client, bucket: Bucket }) {
      const target = { Bucket, Key: "missing", IfMatch: wrongEtag };
      const answer = await client.send(new DeleteObjectCommand(target));
      assert.equal(answer.$metadata.httpStatusCode, 204);
    },
  },
  "a deletion of many holds each object to its own ETag": {
    reason: "ETags in the list are ignored: what they guard is deleted",
    async run(api) {
      await put(api, "wrong", "y");
      const Delete = { Objects: [{ Key: "wrong", ETag: wrongEtag }] };
      await api.client.send(new DeleteObjectsCommand({ Bucket: api.bucket, Delete }));
      await fails(text(api, "wrong"), 404, "NoSuchKey");
    },
  },
  "a copy holds to the conditions on its source": {
    reason: "x-amz-copy-source-if-none-match is answered 304, as for a read",
    async run(api) {
      const etag = await put(api, "from", "bytes");
      await copy(api, "to", { CopySourceIfMatch: etag });
      await fails(copy(api, "to", { CopySourceIfMatch: wrongEtag }), 412, "PreconditionFailed");
      await fails(copy(api, "to", { CopySourceIfNoneMatch: etag }), 304);
      const before = { CopySourceIfUnmodifiedSince: past };
      await fails(copy(api, "to", before), 412, "PreconditionFailed");
    },
  },
  "a copy holds to If-None-Match: * on its destination": {
    reason: "conditions on a copy's destination are ignored: it is overwritten",
    async run(api) {
      await put(api, "from", "new");
      await put(api, "to", "old");
      await copy(api, "to", { IfNoneMatch: "*" });
      assert.equal(await text(api, "to"), "new");
    },
  },
  "a copy holds to If-Match on its destination": {
    reason: "conditions on a copy's destination are ignored: it is overwritten",
    async run(api) {
      await put(api, "from", "new");
      await put(api, "to", "old");
      await copy(api, "to", { IfMatch: wrongEtag });
      assert.equal(await text(api, "to"), "new");
    },
  },
  "uploads under way are listed by key, below a prefix, in pages": {
    reason: "the markers that a page names are not accepted for the next one",
    async run(api) {
      for (const Key of ["p/b", "p/a"]) {
        await api.client.send(new CreateMultipartUploadCommand({ Bucket: api.bucket, Key }));
      }
      const page = (more: object) =>
        api.client.send(new ListMultipartUploadsCommand({ Bucket: api.bucket, ...more }));
      const keys = (await page({ Prefix: "p/" })).Uploads?.map(({ Key }) => Key);
      assert.deepEqual(keys, ["p/a", "p/b"]);
      const first = await page({ MaxUploads: 1 });
      const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = first;
      await fails(page({ KeyMarker, UploadIdMarker }), 400, "InvalidArgument");
    },
  },
  "keys that are no paths come back as they are": {
    reason: "keys are paths of a file system, which cleans them",
    async run(api) {
      for (const key of ["./x", "/lead", "a/../b", "a//b"]) await put(api, key, "");
      assert.deepEqual(await list(api), ["a/b", "b", "lead", "x"]);
    },
  },
  "keys with control characters are listed with encoding-type url": {
    reason: "encoding-type is ignored, and XML cannot carry the character",
    async run(api) {
      await put(api, "start\u0001", "");
      assert.deepEqual(await list(api, { EncodingType: "url" }), ["start\ufffd"]);
    },
  },
  "encoding-type url encodes keys, prefixes and delimiters but not slashes": {
    reason: "encoding-type is ignored",
    async run(api) {
      await put(api, "d ü/x y", "");
      assert.deepEqual(await list(api, { EncodingType: "url", Prefix: "d ü/" }), ["d ü/x y"]);
    },
  },
  "version 1 pages by marker, and names the next one only with a delimiter": {
    reason: "it always names the next marker",
    async run(api) {
      for (const key of ["a", "b/1", "b/2", "c"]) await put(api, key, "");
      const page = (more: object) =>
        api.client.send(new ListObjectsCommand({ Bucket: api.bucket, ...more }));
      assert.equal((await page({ MaxKeys: 2 })).NextMarker, "b/1");
      assert.deepEqual(
        (await page({ Marker: "b/1" })).Contents?.map(({ Key }) => Key),
        ["b/2", "c"],
      );
      assert.equal((await page({ MaxKeys: 2, Delimiter: "/" })).NextMarker, "b/");
    },
  },
  "a continuation token of nobody is refused": {
    reason: "a token is the key to go on after",
    async run(api) {
      for (const key of ["a", "z"]) await put(api, key, "");
      assert.deepEqual(await list(api, { ContinuationToken: "made-up" }), ["z"]);
    },
  },
  "a condition holds against the newest version, and a delete marker counts as nothing": {
    reason: "conditions look through a delete marker at the version below",
    async run(api) {
      await enableVersioning(api);
      const etag = await put(api, "a", "first");
      await api.client.send(new DeleteObjectCommand({ Bucket: api.bucket, Key: "a" }));
      await put(api, "a", "back", { IfMatch: etag });
      assert.equal(await text(api, "a"), "back");
      await api.client.send(new DeleteObjectCommand({ Bucket: api.bucket, Key: "a" }));
      await fails(put(api, "a", "x", { IfNoneMatch: "*" }), 412, "PreconditionFailed");
    },
  },
  "versions are listed in pages that lose and repeat none": {
    reason: "a page repeats the last version of the page before",
    async run(api) {
      await enableVersioning(api);
      for (const key of ["a", "b"]) for (const body of ["1", "2", "3"]) await put(api, key, body);
      const seen: string[] = [];
      let marker: { KeyMarker?: string; VersionIdMarker?: string } = {};
      for (let pages = 0; pages < 10; pages++) {
        const page = await api.client.send(
          new ListObjectVersionsCommand({ Bucket: api.bucket, MaxKeys: 2, ...marker }),
        );
        for (const { Key, VersionId } of page.Versions ?? []) seen.push(`${Key} ${VersionId}`);
        if (page.IsTruncated !== true) break;
        const { NextKeyMarker: KeyMarker = "", NextVersionIdMarker } = page;
        marker = {
          KeyMarker,
          ...(NextVersionIdMarker ? { VersionIdMarker: NextVersionIdMarker } : {}),
        };
      }
      assert.equal(new Set(seen).size, 6, "none is lost");
      assert.ok(seen.length > 6);
    },
  },
  "a transfer in chunks leaves no aws-chunked in Content-Encoding": {
    reason: "Content-Encoding keeps aws-chunked",
    async run(api) {
      const body = frameChunks([Buffer.from("hello")], []);
      const { status } = await signAndSend(api, {
        method: "PUT",
        path: `/${api.bucket}/a`,
        headers: {
          "content-encoding": "aws-chunked",
          "content-length": String(body.length),
          "x-amz-decoded-content-length": "5",
        },
        body,
        payloadHash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
      });
      assert.equal(status, 200);
      const target = { Bucket: api.bucket, Key: "a" };
      const head = await api.client.send(new HeadObjectCommand(target));
      assert.equal(head.ContentEncoding, "aws-chunked");
    },
  },
  "an unknown access key is InvalidAccessKeyId": {
    reason: "it answers with an error code of its own and 404",
    async run(api) {
      const client = newClient(api, { accessKeyId: "nobody" });
      await fails(client.send(new ListBucketsCommand({})), 404, "XAdminUserNotFound");
      client.destroy();
    },
  },
};
