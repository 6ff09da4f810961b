import assert from "node:assert/strict";
import {
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { fails, put, type S3Api, type S3ApiCase, text } from "./s3-api-case.ts";

async function setVersioning(api: S3Api, Status: "Enabled" | "Suspended"): Promise<void> {
  const command = { Bucket: api.bucket, VersioningConfiguration: { Status } };
  await api.client.send(new PutBucketVersioningCommand(command));
}

/** Puts a version and returns its id. */
async function putVersion(api: S3Api, Key: string, Body: string): Promise<string> {
  const answer = await api.client.send(new PutObjectCommand({ Bucket: api.bucket, Key, Body }));
  assert.ok(answer.VersionId);
  return answer.VersionId;
}

function remove(api: S3Api, Key: string, VersionId?: string) {
  const target = { Bucket: api.bucket, Key };
  return api.client.send(new DeleteObjectCommand(VersionId ? { ...target, VersionId } : target));
}

/** Versions of buckets and objects. */
export const versioningCases: readonly S3ApiCase[] = [
  {
    title: "versioning is unset at first, then as it was set",
    async run(api) {
      const get = async () =>
        (await api.client.send(new GetBucketVersioningCommand({ Bucket: api.bucket }))).Status;
      assert.equal(await get(), undefined);
      await setVersioning(api, "Enabled");
      assert.equal(await get(), "Enabled");
      await setVersioning(api, "Suspended");
      assert.equal(await get(), "Suspended");
    },
  },
  {
    title: "with versioning each put makes a version that can be read and listed",
    async run(api) {
      await setVersioning(api, "Enabled");
      const first = await putVersion(api, "a", "first");
      const second = await putVersion(api, "a", "second");
      assert.notEqual(first, second);
      assert.equal(await text(api, "a"), "second");
      assert.equal(await text(api, "a", first), "first");
      const { Versions } = await api.client.send(
        new ListObjectVersionsCommand({ Bucket: api.bucket }),
      );
      assert.deepEqual(
        Versions?.map(({ Key, VersionId, IsLatest, Size }) => [Key, VersionId, IsLatest, Size]),
        [
          ["a", second, true, 6],
          ["a", first, false, 5],
        ],
      );
    },
  },
  {
    title: "a delete writes a marker, and removing the marker brings the object back",
    async run(api) {
      await setVersioning(api, "Enabled");
      await putVersion(api, "a", "kept");
      const deleted = await remove(api, "a");
      assert.equal(deleted.DeleteMarker, true);
      assert.ok(deleted.VersionId);
      await fails(text(api, "a"), 404, "NoSuchKey");
      const page = await api.client.send(new ListObjectsV2Command({ Bucket: api.bucket }));
      assert.equal(page.KeyCount, 0);
      const undone = await remove(api, "a", deleted.VersionId);
      assert.equal(undone.DeleteMarker, true);
      assert.equal(await text(api, "a"), "kept");
    },
  },
  {
    title: "a version is deleted for good by its id, and only it",
    async run(api) {
      await setVersioning(api, "Enabled");
      const first = await putVersion(api, "a", "first");
      const second = await putVersion(api, "a", "second");
      await remove(api, "a", second);
      assert.equal(await text(api, "a"), "first");
      await fails(text(api, "a", second), 404, "NoSuchVersion");
      await remove(api, "a", first);
      await fails(text(api, "a"), 404, "NoSuchKey");
      await api.client.send(new DeleteBucketCommand({ Bucket: api.bucket }));
    },
  },
  {
    title: "a delete marker named by its id is 405 on GET and HEAD",
    async run(api) {
      await setVersioning(api, "Enabled");
      await putVersion(api, "a", "x");
      const { VersionId } = await remove(api, "a");
      assert.ok(VersionId);
      const target = { Bucket: api.bucket, Key: "a", VersionId };
      await fails(api.client.send(new GetObjectCommand(target)), 405, "MethodNotAllowed");
      await fails(api.client.send(new HeadObjectCommand(target)), 405);
    },
  },
  {
    title: "an object from before versioning has the id null",
    async run(api) {
      await put(api, "a", "before");
      await setVersioning(api, "Enabled");
      await putVersion(api, "a", "after");
      assert.equal(await text(api, "a", "null"), "before");
    },
  },
  {
    title: "while suspended a put replaces the null version and keeps the others",
    async run(api) {
      await setVersioning(api, "Enabled");
      const kept = await putVersion(api, "a", "kept");
      await setVersioning(api, "Suspended");
      await put(api, "a", "null 1");
      await put(api, "a", "null 2");
      assert.equal(await text(api, "a"), "null 2");
      assert.equal(await text(api, "a", kept), "kept");
      const { Versions } = await api.client.send(
        new ListObjectVersionsCommand({ Bucket: api.bucket }),
      );
      assert.deepEqual(
        Versions?.map(({ VersionId }) => VersionId),
        ["null", kept],
      );
    },
  },
  {
    title: "a condition holds against the newest version, and a delete marker counts as nothing",
    async run(api) {
      await setVersioning(api, "Enabled");
      const etag = await put(api, "a", "first");
      await put(api, "a", "second", { IfMatch: etag });
      await fails(put(api, "a", "third", { IfMatch: etag }), 412, "PreconditionFailed");
      await remove(api, "a");
      await fails(put(api, "a", "third", { IfMatch: etag }), 404, "NoSuchKey");
      await put(api, "a", "third", { IfNoneMatch: "*" });
    },
  },
  {
    title: "versions are listed in pages that lose and repeat none",
    async run(api) {
      await setVersioning(api, "Enabled");
      const expected: string[] = [];
      for (const key of ["a", "b"]) {
        for (let i = 0; i < 3; i++)
          expected.push(`${key} ${await putVersion(api, key, String(i))}`);
      }
      const seen: string[] = [];
      let marker: { KeyMarker?: string; VersionIdMarker?: string } = {};
      for (let pages = 0; pages < 10; pages++) {
        const page = await api.client.send(
          new ListObjectVersionsCommand({ Bucket: api.bucket, MaxKeys: 2, ...marker }),
        );
        for (const { Key, VersionId } of page.Versions ?? []) seen.push(`${Key} ${VersionId}`);
        if (page.IsTruncated !== true) break;
        marker = {
          KeyMarker: page.NextKeyMarker ?? "",
          ...(page.NextVersionIdMarker ? { VersionIdMarker: page.NextVersionIdMarker } : {}),
        };
      }
      assert.deepEqual([...seen].sort(), [...expected].sort());
      assert.equal(seen.length, expected.length);
    },
  },
];
