import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { UploadedPart } from "../../src/s3/object-store.ts";
import {
  bodyOf,
  fails,
  keyOf,
  listAll,
  type ObjectStoreCase,
  type ObjectStoreCaseContext,
  otherEtag,
  plain,
  put,
  text,
} from "./object-store-case.ts";

const failed = { kind: "preconditionFailed" };
const minPartBytes = 5 * 1024 * 1024;

/** 5 MiB and a bit that differ from piece to piece. */
const large = Buffer.concat(
  Array.from({ length: 82_000 }, (_, i) => createHash("sha512").update(String(i)).digest()),
);

async function upload(
  { store, ...rest }: ObjectStoreCaseContext,
  name: string,
  bodies: readonly (string | Uint8Array)[],
): Promise<{ readonly uploadId: string; readonly parts: readonly UploadedPart[] }> {
  const key = keyOf({ store, ...rest }, name);
  const uploadId = await store.createMultipart(key, plain);
  const parts: UploadedPart[] = [];
  for (const [i, body] of bodies.entries()) {
    parts.push(await store.uploadPart(key, uploadId, i + 1, bodyOf(body)));
  }
  return { uploadId, parts };
}

/** Multipart uploads. */
export const multipartCases: readonly ObjectStoreCase[] = [
  {
    title: "makes an object of parts, with the headers of its beginning and one ETag everywhere",
    async run(context) {
      const { store } = context;
      const key = keyOf(context, "a");
      const headers = { contentType: "text/x", metadata: { mark: "ü" } };
      const uploadId = await store.createMultipart(key, headers);
      // Not in order.
      const tail = await store.uploadPart(key, uploadId, 2, bodyOf("tail"));
      const chunks = [large.subarray(0, 1000), large.subarray(1000)];
      const head = await store.uploadPart(key, uploadId, 1, { sizeBytes: large.length, chunks });
      assert.equal(await text(context, "a"), undefined);
      const done = await store.completeMultipart(key, uploadId, [head, tail], "absent");
      assert.ok(done.kind === "stored");
      const found = await store.head(key);
      assert.ok(found.kind === "found");
      assert.equal(found.etag, done.etag);
      assert.equal(found.sizeBytes, large.length + 4);
      assert.equal(found.contentType, "text/x");
      assert.deepEqual(found.metadata, { mark: "ü" });
      assert.equal((await listAll(context)).objects[0]?.etag, done.etag);
      for (const objectSizeBytes of [found.sizeBytes, undefined]) {
        const read = await store.get(key, {
          ...{ offsetBytes: 0, lengthBytes: found.sizeBytes, ifMatch: done.etag },
          ...(objectSizeBytes === undefined ? {} : { objectSizeBytes }),
        });
        assert.ok(read.kind === "read");
        assert.ok(Buffer.concat([large, Buffer.from("tail")]).equals(read.data));
      }
    },
  },
  {
    title: "takes the last of two uploads of one part",
    async run(context) {
      const key = keyOf(context, "a");
      const { uploadId } = await upload(context, "a", ["first"]);
      const part = await context.store.uploadPart(key, uploadId, 1, bodyOf("second"));
      await context.store.completeMultipart(key, uploadId, [part], "any");
      assert.equal(await text(context, "a"), "second");
    },
  },
  {
    title: "refuses as invalid a part under 5 MiB that is not the last, and parts never uploaded",
    async run(context) {
      const key = keyOf(context, "a");
      const { uploadId, parts } = await upload(context, "a", [
        large.subarray(0, minPartBytes - 1),
        "last",
      ]);
      const complete = (listed: readonly UploadedPart[]) =>
        context.store.completeMultipart(key, uploadId, listed, "any");
      await fails(complete(parts), "invalid");
      await fails(complete([{ partNumber: 1, etag: otherEtag }]), "invalid");
      await fails(complete([{ partNumber: 9, etag: otherEtag }]), "invalid");
      assert.equal(await text(context, "a"), undefined);
      const [first] = parts;
      assert.ok(first);
      assert.equal((await complete([first])).kind, "stored");
    },
  },
  {
    title: "completes only under its condition, and can be completed after a failed one",
    async run(context) {
      const key = keyOf(context, "a");
      const { uploadId, parts } = await upload(context, "a", ["new"]);
      const complete = (condition: Parameters<typeof context.store.completeMultipart>[3]) =>
        context.store.completeMultipart(key, uploadId, parts, condition);
      assert.deepEqual(await complete(otherEtag), failed);
      const etag = await put(context, "a", "theirs");
      assert.deepEqual(await complete("absent"), failed);
      assert.deepEqual(await complete(otherEtag), failed);
      assert.equal(await text(context, "a"), "theirs");
      assert.equal((await complete(etag)).kind, "stored");
      assert.equal(await text(context, "a"), "new");
    },
  },
  {
    title: "forgets an aborted upload, and does not mind another abort",
    async run(context) {
      const key = keyOf(context, "a");
      const { uploadId, parts } = await upload(context, "a", ["x"]);
      await context.store.abortMultipart(key, uploadId);
      await context.store.abortMultipart(key, uploadId);
      const part = context.store.uploadPart(key, uploadId, 1, bodyOf("y"));
      await fails(part, "noSuchUpload");
      const complete = context.store.completeMultipart(key, uploadId, parts, "any");
      await fails(complete, "noSuchUpload");
      assert.equal(await text(context, "a"), undefined);
    },
  },
  {
    title: "copies ranges of an object into parts",
    async run(context) {
      const { store } = context;
      const ifMatch = await put(context, "source", large);
      const key = keyOf(context, "target");
      const uploadId = await store.createMultipart(key, plain);
      const copy = (partNumber: number, offsetBytes: number, lengthBytes: number) =>
        store.uploadPartCopy(key, uploadId, partNumber, {
          ...{ key: keyOf(context, "source"), ifMatch, offsetBytes, lengthBytes },
        });
      const first = await copy(1, 100, minPartBytes);
      const second = await store.uploadPart(
        key,
        uploadId,
        2,
        bodyOf(large.subarray(0, minPartBytes)),
      );
      const third = await copy(3, 10, 1);
      assert.ok(first.kind === "copied" && third.kind === "copied");
      const parts = [first, second, third];
      const done = await store.completeMultipart(key, uploadId, parts, "absent");
      assert.ok(done.kind === "stored");
      const expected = Buffer.concat([
        large.subarray(100, 100 + minPartBytes),
        large.subarray(0, minPartBytes),
        large.subarray(10, 11),
      ]);
      const range = { offsetBytes: 0, lengthBytes: expected.length + 1, ifMatch: done.etag };
      const read = await store.get(key, range);
      assert.ok(read.kind === "read");
      assert.ok(expected.equals(read.data));
    },
  },
  {
    title: "copies into a part only from the version of the source that is meant",
    async run(context) {
      const { store } = context;
      const key = keyOf(context, "target");
      const uploadId = await store.createMultipart(key, plain);
      const range = { offsetBytes: 0, lengthBytes: 1, ifMatch: otherEtag };
      const source = { key: keyOf(context, "source"), ...range };
      assert.deepEqual(await store.uploadPartCopy(key, uploadId, 1, source), { kind: "notFound" });
      await put(context, "source", "x");
      assert.deepEqual(await store.uploadPartCopy(key, uploadId, 1, source), failed);
      await store.abortMultipart(key, uploadId);
      const gone = store.uploadPartCopy(key, uploadId, 1, {
        ...source,
        ifMatch: await put(context, "source", "y"),
      });
      await fails(gone, "noSuchUpload");
    },
  },
  {
    title: "tells the uploads that are not finished, and whether they have parts",
    async run(context) {
      const { store } = context;
      const [key, other] = [keyOf(context, "a b+ü"), keyOf(context, "other")];
      const before = Date.now() - 60_000;
      const uploadId = await store.createMultipart(key, plain);
      await store.createMultipart(other, plain);
      const listed = await store.listUploads(key);
      assert.deepEqual(
        listed.map((upload) => [upload.key, upload.uploadId]),
        [[key, uploadId]],
      );
      const { initiatedMs = 0 } = listed[0] ?? {};
      assert.ok(initiatedMs > before && initiatedMs < Date.now() + 60_000, `${initiatedMs}`);
      assert.equal((await store.listUploads(context.prefix)).length, 2);
      assert.equal(await store.hasParts(key, uploadId), false);
      await store.uploadPart(key, uploadId, 1, bodyOf("x"));
      assert.equal(await store.hasParts(key, uploadId), true);
      await store.abortMultipart(key, uploadId);
      assert.equal(await store.hasParts(key, uploadId), false);
      assert.deepEqual(await store.listUploads(key), []);
    },
  },
];
