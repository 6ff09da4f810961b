import assert from "node:assert/strict";
import {
  CopyObjectCommand,
  type CopyObjectCommandInput,
  HeadObjectCommand,
} from "@aws-sdk/client-s3";
import { fails, put, type S3Api, type S3ApiCase, text } from "./s3-api-case.ts";

const wrongEtag = '"00000000000000000000000000000000"';
const past = new Date("2001-01-01T00:00:00Z");

function copy(api: S3Api, from: string, to: string, more: Partial<CopyObjectCommandInput> = {}) {
  const CopySource = `${api.bucket}/${encodeURIComponent(from)}`;
  return api.client.send(
    new CopyObjectCommand({ Bucket: api.bucket, Key: to, CopySource, ...more }),
  );
}

function head(api: S3Api, Key: string) {
  return api.client.send(new HeadObjectCommand({ Bucket: api.bucket, Key }));
}

/** CopyObject. */
export const copyCases: readonly S3ApiCase[] = [
  {
    title: "a copy has the source's bytes, headers and metadata",
    async run(api) {
      const etag = await put(api, "from ü+&", "bytes", {
        Metadata: { x: "1" },
        ContentType: "text/x-test",
        Tagging: "t=1",
      });
      const { CopyObjectResult } = await copy(api, "from ü+&", "to");
      assert.equal(CopyObjectResult?.ETag, etag);
      const copied = await head(api, "to");
      assert.deepEqual(copied.Metadata, { x: "1" });
      assert.equal(copied.ContentType, "text/x-test");
      assert.equal(await text(api, "to"), "bytes");
    },
  },
  {
    title: "a copy with the directive REPLACE has the request's metadata",
    async run(api) {
      await put(api, "from", "bytes", { Metadata: { x: "1" }, ContentType: "text/x-test" });
      const replace = { MetadataDirective: "REPLACE", Metadata: { y: "2" } } as const;
      await copy(api, "from", "to", replace);
      assert.deepEqual((await head(api, "to")).Metadata, { y: "2" });
      assert.notEqual((await head(api, "to")).ContentType, "text/x-test");
    },
  },
  {
    title: "a copy onto itself must change something",
    async run(api) {
      await put(api, "a", "bytes", { Metadata: { x: "1" } });
      await fails(copy(api, "a", "a"), 400, "InvalidRequest");
      await copy(api, "a", "a", { MetadataDirective: "REPLACE", Metadata: { y: "2" } });
      assert.deepEqual((await head(api, "a")).Metadata, { y: "2" });
      assert.equal(await text(api, "a"), "bytes");
    },
  },
  {
    title: "a copy of a missing key is NoSuchKey",
    async run(api) {
      await fails(copy(api, "missing", "to"), 404, "NoSuchKey");
    },
  },
  {
    title: "a copy outlives its source",
    async run(api) {
      await put(api, "from", "bytes");
      await copy(api, "from", "to");
      await put(api, "from", "changed");
      assert.equal(await text(api, "to"), "bytes");
    },
  },
  {
    title: "a copy holds to the conditions on its source",
    async run(api) {
      const etag = await put(api, "from", "bytes");
      await copy(api, "from", "to", { CopySourceIfMatch: etag });
      for (const condition of [
        { CopySourceIfMatch: wrongEtag },
        { CopySourceIfNoneMatch: etag },
        { CopySourceIfUnmodifiedSince: past },
      ]) {
        await fails(copy(api, "from", "to", condition), 412, "PreconditionFailed");
      }
    },
  },
  {
    title: "a copy holds to If-None-Match: * on its destination",
    async run(api) {
      await put(api, "from", "new");
      await put(api, "to", "old");
      await fails(copy(api, "from", "to", { IfNoneMatch: "*" }), 412, "PreconditionFailed");
      assert.equal(await text(api, "to"), "old");
      await copy(api, "from", "fresh", { IfNoneMatch: "*" });
    },
  },
  {
    title: "a copy holds to If-Match on its destination",
    async run(api) {
      await put(api, "from", "new");
      const etag = await put(api, "to", "old");
      await fails(copy(api, "from", "to", { IfMatch: wrongEtag }), 412, "PreconditionFailed");
      await fails(copy(api, "from", "missing", { IfMatch: etag }), 404, "NoSuchKey");
      await copy(api, "from", "to", { IfMatch: etag });
      assert.equal(await text(api, "to"), "new");
    },
  },
];
