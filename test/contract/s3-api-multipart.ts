import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type UploadPartCopyCommandInput,
} from "@aws-sdk/client-s3";
import { bytes, fails, md5Etag, put, type S3Api, type S3ApiCase, text } from "./s3-api-case.ts";

const MiB = 1024 * 1024;
const wrongEtag = '"00000000000000000000000000000000"';

/** A multipart upload of one key, under way. */
export class TestUpload {
  readonly parts: { PartNumber: number; ETag: string }[] = [];
  readonly api: S3Api;
  readonly target: { readonly Bucket: string; readonly Key: string; readonly UploadId: string };

  private constructor(api: S3Api, Key: string, UploadId: string) {
    this.api = api;
    this.target = { Bucket: api.bucket, Key, UploadId };
  }

  static async begin(
    api: S3Api,
    Key: string,
    more: Partial<CreateMultipartUploadCommandInput> = {},
  ): Promise<TestUpload> {
    const { UploadId } = await api.client.send(
      new CreateMultipartUploadCommand({ Bucket: api.bucket, Key, ...more }),
    );
    assert.ok(UploadId);
    return new TestUpload(api, Key, UploadId);
  }

  async part(PartNumber: number, Body: Uint8Array | string): Promise<string> {
    const { ETag } = await this.api.client.send(
      new UploadPartCommand({ ...this.target, PartNumber, Body }),
    );
    assert.ok(ETag);
    this.parts.push({ PartNumber, ETag });
    return ETag;
  }

  async copyPart(
    PartNumber: number,
    CopySource: string,
    more: Partial<UploadPartCopyCommandInput> = {},
  ): Promise<string> {
    const { CopyPartResult } = await this.api.client.send(
      new UploadPartCopyCommand({ ...this.target, PartNumber, CopySource, ...more }),
    );
    assert.ok(CopyPartResult?.ETag);
    this.parts.push({ PartNumber, ETag: CopyPartResult.ETag });
    return CopyPartResult.ETag;
  }

  complete(more: Partial<CompleteMultipartUploadCommandInput> = {}) {
    return this.api.client.send(
      new CompleteMultipartUploadCommand({
        ...this.target,
        MultipartUpload: { Parts: this.parts },
        ...more,
      }),
    );
  }

  abort() {
    return this.api.client.send(new AbortMultipartUploadCommand(this.target));
  }
}

async function upload(api: S3Api, key: string, body: string): Promise<TestUpload> {
  const upload = await TestUpload.begin(api, key);
  await upload.part(1, body);
  return upload;
}

/** Multipart uploads. */
export const multipartCases: readonly S3ApiCase[] = [
  {
    title: "parts become one object with the upload's headers and an ETag of the form md5-N",
    async run(api) {
      const bodies = [bytes(5 * MiB, 1), bytes(6 * MiB, 2), bytes(1234, 3)];
      const upload = await TestUpload.begin(api, "a", {
        Metadata: { x: "1" },
        ContentType: "text/x-test",
      });
      for (const [i, body] of bodies.entries()) {
        assert.equal(await upload.part(i + 1, body), md5Etag(body));
      }
      const { ETag } = await upload.complete();
      const md5s = bodies.map((body) => createHash("md5").update(body).digest());
      const md5 = createHash("md5").update(Buffer.concat(md5s)).digest("hex");
      assert.equal(ETag, `"${md5}-3"`);
      const target = { Bucket: api.bucket, Key: "a" };
      const got = await api.client.send(new GetObjectCommand(target));
      assert.deepEqual(got.Metadata, { x: "1" });
      assert.equal(got.ContentType, "text/x-test");
      assert.ok(got.Body);
      assert.ok(Buffer.concat(bodies).equals(await got.Body.transformToByteArray()));
      const range = { Range: `bytes=${5 * MiB - 2}-${5 * MiB + 1}` };
      const across = await api.client.send(new GetObjectCommand({ ...target, ...range }));
      assert.ok(across.Body);
      const expected = Buffer.concat(bodies).subarray(5 * MiB - 2, 5 * MiB + 2);
      assert.ok(expected.equals(await across.Body.transformToByteArray()));
    },
  },
  {
    title: "a part can be read by its number",
    async run(api) {
      const upload = await TestUpload.begin(api, "a");
      await upload.part(1, bytes(5 * MiB, 1));
      await upload.part(2, "second");
      await upload.complete();
      const target = { Bucket: api.bucket, Key: "a" };
      const second = await api.client.send(new GetObjectCommand({ ...target, PartNumber: 2 }));
      assert.equal(second.$metadata.httpStatusCode, 206);
      assert.equal(await second.Body?.transformToString(), "second");
      assert.equal(second.PartsCount, 2);
      const first = await api.client.send(new HeadObjectCommand({ ...target, PartNumber: 1 }));
      assert.equal(first.ContentLength, 5 * MiB);
      const third = api.client.send(new GetObjectCommand({ ...target, PartNumber: 3 }));
      await fails(third, 416, "InvalidPartNumber");
    },
  },
  {
    title: "a part below 5 MiB that is not the last is EntityTooSmall",
    async run(api) {
      const upload = await TestUpload.begin(api, "a");
      await upload.part(1, bytes(5 * MiB - 1, 1));
      await upload.part(2, "x");
      await fails(upload.complete(), 400, "EntityTooSmall");
    },
  },
  {
    title: "a part that was not uploaded, or with another ETag, is InvalidPart",
    async run(api) {
      const { target, parts } = await upload(api, "a", "x");
      const complete = (Parts: { PartNumber: number; ETag: string }[]) =>
        api.client.send(
          new CompleteMultipartUploadCommand({ ...target, MultipartUpload: { Parts } }),
        );
      await fails(complete([{ PartNumber: 2, ETag: parts[0]?.ETag ?? "" }]), 400, "InvalidPart");
      await fails(complete([{ PartNumber: 1, ETag: wrongEtag }]), 400, "InvalidPart");
      await complete(parts);
    },
  },
  {
    title: "parts out of order are InvalidPartOrder",
    async run(api) {
      const upload = await TestUpload.begin(api, "a");
      // Both large enough, so that the order is all that is wrong.
      await upload.part(2, bytes(5 * MiB, 2));
      await upload.part(1, bytes(5 * MiB, 1));
      await fails(upload.complete(), 400, "InvalidPartOrder");
    },
  },
  {
    title: "a completion without parts is MalformedXML",
    async run(api) {
      const upload = await TestUpload.begin(api, "a");
      await fails(upload.complete(), 400, "MalformedXML");
    },
  },
  {
    title: "a part uploaded again replaces the older one, and parts not listed are dropped",
    async run(api) {
      const upload = await TestUpload.begin(api, "a");
      await upload.part(1, "old");
      await upload.part(7, "dropped");
      upload.parts.length = 0;
      await upload.part(1, "new");
      await upload.complete();
      assert.equal(await text(api, "a"), "new");
    },
  },
  {
    title: "an upload is invisible until completed, and gone afterwards",
    async run(api) {
      const begun = await upload(api, "a", "x");
      await fails(text(api, "a"), 404, "NoSuchKey");
      await begun.complete();
      await fails(begun.part(1, "x"), 404, "NoSuchUpload");
    },
  },
  {
    title: "a repeated completion is answered as the first and changes nothing",
    async run(api) {
      const begun = await upload(api, "a", "x");
      const first = await begun.complete();
      assert.equal((await begun.complete()).ETag, first.ETag);
      assert.equal(await text(api, "a"), "x");
    },
  },
  {
    title: "an aborted upload is NoSuchUpload for everything",
    async run(api) {
      const begun = await upload(api, "a", "x");
      await begun.abort();
      await fails(begun.part(2, "x"), 404, "NoSuchUpload");
      await fails(begun.complete(), 404, "NoSuchUpload");
      await fails(begun.abort(), 404, "NoSuchUpload");
      await fails(api.client.send(new ListPartsCommand(begun.target)), 404, "NoSuchUpload");
    },
  },
  {
    title: "part numbers are 1 to 10,000",
    async run(api) {
      const upload = await TestUpload.begin(api, "a");
      await fails(upload.part(10_001, "x"), 400, "InvalidArgument");
      await fails(upload.part(0, "x"), 400, "InvalidArgument");
      await upload.part(10_000, "x");
      await upload.complete();
      assert.equal(await text(api, "a"), "x");
    },
  },
  {
    title: "parts are listed in pages",
    async run(api) {
      const upload = await TestUpload.begin(api, "a");
      for (const number of [3, 1, 2]) await upload.part(number, `part ${number}`);
      const first = await api.client.send(new ListPartsCommand({ ...upload.target, MaxParts: 2 }));
      assert.deepEqual(
        first.Parts?.map(({ PartNumber, ETag, Size }) => [PartNumber, ETag, Size]),
        [
          [1, md5Etag("part 1"), 6],
          [2, md5Etag("part 2"), 6],
        ],
      );
      assert.equal(first.IsTruncated, true);
      assert.equal(String(first.NextPartNumberMarker), "2");
      const rest = await api.client.send(
        new ListPartsCommand({ ...upload.target, PartNumberMarker: "2" }),
      );
      assert.deepEqual(
        rest.Parts?.map(({ PartNumber }) => PartNumber),
        [3],
      );
      assert.equal(rest.IsTruncated, false);
    },
  },
  {
    title: "uploads under way are listed by key, below a prefix, in pages",
    async run(api) {
      for (const key of ["p/b", "p/a", "q"]) await TestUpload.begin(api, key);
      const list = (more: object) =>
        api.client.send(new ListMultipartUploadsCommand({ Bucket: api.bucket, ...more }));
      const keys = async (more: object) => (await list(more)).Uploads?.map(({ Key }) => Key);
      assert.deepEqual(await keys({}), ["p/a", "p/b", "q"]);
      assert.deepEqual(await keys({ Prefix: "p/" }), ["p/a", "p/b"]);
      const first = await list({ MaxUploads: 1 });
      assert.equal(first.IsTruncated, true);
      const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = first;
      assert.deepEqual(await keys({ KeyMarker, UploadIdMarker }), ["p/b", "q"]);
      const rolled = await list({ Delimiter: "/" });
      assert.deepEqual(
        rolled.CommonPrefixes?.map(({ Prefix }) => Prefix),
        ["p/"],
      );
    },
  },
  {
    title: "a completion with If-None-Match: * succeeds only where nothing is",
    async run(api) {
      const first = await upload(api, "a", "first");
      const second = await upload(api, "a", "second");
      await first.complete({ IfNoneMatch: "*" });
      await fails(second.complete({ IfNoneMatch: "*" }), 412, "PreconditionFailed");
      assert.equal(await text(api, "a"), "first");
    },
  },
  {
    title: "a completion with If-Match succeeds only over exactly that object",
    async run(api) {
      const etag = await put(api, "a", "old");
      const stale = await upload(api, "a", "stale");
      await fails(stale.complete({ IfMatch: wrongEtag }), 412, "PreconditionFailed");
      const missing = await upload(api, "missing", "x");
      await fails(missing.complete({ IfMatch: etag }), 404, "NoSuchKey");
      const right = await upload(api, "a", "new");
      await right.complete({ IfMatch: etag });
      assert.equal(await text(api, "a"), "new");
    },
  },
  {
    title: "a refused completion leaves the upload for another try",
    async run(api) {
      await put(api, "a", "old");
      const begun = await upload(api, "a", "new");
      await fails(begun.complete({ IfNoneMatch: "*" }), 412, "PreconditionFailed");
      await begun.complete();
      assert.equal(await text(api, "a"), "new");
    },
  },
  {
    title: "of two completions at once with If-None-Match: * one wins",
    async run(api) {
      const uploads = [await upload(api, "a", "one"), await upload(api, "a", "two")];
      const statuses = await Promise.all(
        uploads.map((one) =>
          one.complete({ IfNoneMatch: "*" }).then(
            () => 200,
            (error: { $metadata: { httpStatusCode: number } }) => error.$metadata.httpStatusCode,
          ),
        ),
      );
      statuses.sort();
      assert.equal(statuses[0], 200);
      assert.ok([409, 412].includes(statuses[1] ?? 0), statuses.join());
    },
  },
  {
    title: "a wrong object size at completion is refused",
    async run(api) {
      const begun = await upload(api, "a", "12345");
      await fails(begun.complete({ MpuObjectSize: 4 }), 400, "InvalidRequest");
      await begun.complete({ MpuObjectSize: 5 });
    },
  },
  {
    title: "parts are copied from ranges of another object",
    async run(api) {
      const source = bytes(12 * MiB, 5);
      await put(api, "from ü", source);
      const CopySource = `${api.bucket}/${encodeURIComponent("from ü")}`;
      const upload = await TestUpload.begin(api, "a");
      const range = (first: number, last: number) => ({
        CopySourceRange: `bytes=${first}-${last}`,
      });
      const etag = await upload.copyPart(1, CopySource, range(0, 6 * MiB - 1));
      assert.equal(etag, md5Etag(source.subarray(0, 6 * MiB)));
      await upload.part(2, bytes(5 * MiB, 6));
      await upload.copyPart(3, CopySource, range(11 * MiB, 12 * MiB - 1));
      await upload.complete();
      const got = await api.client.send(new GetObjectCommand({ Bucket: api.bucket, Key: "a" }));
      const expected = [source.subarray(0, 6 * MiB), bytes(5 * MiB, 6), source.subarray(11 * MiB)];
      assert.ok(got.Body);
      assert.ok(Buffer.concat(expected).equals(await got.Body.transformToByteArray()));
    },
  },
  {
    title: "a copied part holds to the conditions on its source",
    async run(api) {
      const etag = await put(api, "from", "bytes");
      const upload = await TestUpload.begin(api, "a");
      const source = `${api.bucket}/from`;
      const stale = upload.copyPart(1, source, { CopySourceIfMatch: wrongEtag });
      await fails(stale, 412, "PreconditionFailed");
      await upload.copyPart(1, source, { CopySourceIfMatch: etag });
      await upload.complete();
      assert.equal(await text(api, "a"), "bytes");
    },
  },
  {
    title: "a copied part beyond the source's end is refused",
    async run(api) {
      await put(api, "from", "bytes");
      const upload = await TestUpload.begin(api, "a");
      const request = upload.copyPart(1, `${api.bucket}/from`, { CopySourceRange: "bytes=2-5" });
      await fails(request, 400, "InvalidArgument");
    },
  },
];
