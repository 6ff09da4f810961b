import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import {
  type ChecksumAlgorithm,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { Crc64Nvme } from "@aws-sdk/crc64-nvme";
import { bytes, fails, put, type S3Api, type S3ApiCase, text } from "./s3-api-case.ts";
import { frameChunks, signAndSend } from "./s3-api-raw.ts";

const MiB = 1024 * 1024;

/** CRC-64/NVME by the SDK's own code, base64. */
async function crc64(data: Uint8Array): Promise<string> {
  const crc = new Crc64Nvme();
  crc.update(data);
  return Buffer.from(await crc.digest()).toString("base64");
}

function crc32Base64(data: Uint8Array): string {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(crc32(data));
  return value.toString("base64");
}

function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("base64");
}

function head(api: S3Api, Key: string) {
  return api.client.send(
    new HeadObjectCommand({ Bucket: api.bucket, Key, ChecksumMode: "ENABLED" }),
  );
}

/** Uploads two parts of one algorithm and completes them with their checksums. */
async function uploadTwo(
  api: S3Api,
  bodies: readonly Buffer[],
  ChecksumAlgorithm: ChecksumAlgorithm,
): Promise<void> {
  const target = { Bucket: api.bucket, Key: "a" };
  const { UploadId } = await api.client.send(
    new CreateMultipartUploadCommand({ ...target, ChecksumAlgorithm }),
  );
  const Parts = [];
  for (const [i, Body] of bodies.entries()) {
    const part = await api.client.send(
      new UploadPartCommand({ ...target, UploadId, PartNumber: i + 1, Body, ChecksumAlgorithm }),
    );
    const { ETag, ChecksumCRC64NVME, ChecksumSHA256 } = part;
    Parts.push({
      PartNumber: i + 1,
      ETag,
      ...(ChecksumCRC64NVME ? { ChecksumCRC64NVME } : {}),
      ...(ChecksumSHA256 ? { ChecksumSHA256 } : {}),
    });
  }
  await api.client.send(
    new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }),
  );
}

/** Two chunks, of which only the last may be below 8 KiB. */
const streamedBytes = bytes(10_000, 4);

function streamed(api: S3Api, trailer: readonly [name: string, value: string], name: string) {
  const body = frameChunks(
    [streamedBytes.subarray(0, 8192), streamedBytes.subarray(8192)],
    [trailer],
  );
  return signAndSend(api, {
    method: "PUT",
    path: `/${api.bucket}/a`,
    headers: {
      "content-encoding": "aws-chunked",
      "content-length": String(body.length),
      "x-amz-decoded-content-length": String(streamedBytes.length),
      "x-amz-trailer": name,
    },
    body,
    payloadHash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
  });
}

/** Checksums: verified, kept, returned. */
export const checksumCases: readonly S3ApiCase[] = [
  {
    title: "each checksum algorithm is verified, kept and returned",
    async run(api) {
      const data = bytes(100_001, 9);
      const expected = {
        CRC32: crc32Base64(data),
        CRC64NVME: await crc64(data),
        SHA1: createHash("sha1").update(data).digest("base64"),
        SHA256: sha256(data),
      };
      for (const [algorithm, value] of Object.entries(expected)) {
        await put(api, algorithm, data, { ChecksumAlgorithm: algorithm as ChecksumAlgorithm });
        const answer = await head(api, algorithm);
        assert.equal(answer[`Checksum${algorithm}` as "ChecksumCRC32"], value);
      }
    },
  },
  {
    title: "CRC32C is verified, kept and returned",
    async run(api) {
      // RFC 3720 §B.4: 32 bytes of zeros have the CRC32C aa36918a, least significant byte first.
      const zeros = Buffer.alloc(32);
      const ChecksumCRC32C = Buffer.from("8a9136aa", "hex").toString("base64");
      await put(api, "a", zeros, { ChecksumCRC32C });
      assert.equal((await head(api, "a")).ChecksumCRC32C, ChecksumCRC32C);
    },
  },
  {
    title: "the SDK adds and checks a CRC32 by default",
    async run(api) {
      await put(api, "a", "hello");
      const got = await api.client.send(new GetObjectCommand({ Bucket: api.bucket, Key: "a" }));
      assert.equal(await got.Body?.transformToString(), "hello");
      assert.equal((await head(api, "a")).ChecksumCRC32, crc32Base64(Buffer.from("hello")));
    },
  },
  {
    title: "a wrong checksum in a header is BadDigest and stores nothing",
    async run(api) {
      const wrong = crc32Base64(Buffer.from("something else"));
      const answer = await signAndSend(api, {
        method: "PUT",
        path: `/${api.bucket}/a`,
        headers: { "content-length": "5", "x-amz-checksum-crc32": wrong },
        body: "hello",
      });
      assert.equal(answer.status, 400, answer.body);
      assert.match(answer.body, /<Code>BadDigest<\/Code>/);
      await fails(text(api, "a"), 404, "NoSuchKey");
    },
  },
  {
    title: "a right checksum in a trailer is taken and kept",
    async run(api) {
      const name = "x-amz-checksum-crc64nvme";
      const value = await crc64(streamedBytes);
      const answer = await streamed(api, [name, value], name);
      assert.equal(answer.status, 200, answer.body);
      const answered = await head(api, "a");
      assert.equal(answered.ChecksumCRC64NVME, value);
      assert.equal(answered.ContentLength, streamedBytes.length);
      const got = await api.client.send(new GetObjectCommand({ Bucket: api.bucket, Key: "a" }));
      assert.ok(got.Body);
      assert.ok(streamedBytes.equals(await got.Body.transformToByteArray()));
    },
  },
  {
    title: "a chunk below 8 KiB that is not the last is InvalidChunkSizeError",
    async run(api) {
      const body = frameChunks([Buffer.from("hello, "), Buffer.from("world")], []);
      const answer = await signAndSend(api, {
        method: "PUT",
        path: `/${api.bucket}/a`,
        headers: {
          "content-encoding": "aws-chunked",
          "content-length": String(body.length),
          "x-amz-decoded-content-length": "12",
        },
        body,
        payloadHash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
      });
      assert.match(answer.body, /<Code>InvalidChunkSizeError<\/Code>/);
      await fails(text(api, "a"), 404, "NoSuchKey");
    },
  },
  {
    title: "a transfer in chunks leaves no aws-chunked in Content-Encoding",
    async run(api) {
      const name = "x-amz-checksum-crc32";
      await streamed(api, [name, crc32Base64(streamedBytes)], name);
      assert.equal((await head(api, "a")).ContentEncoding, undefined);
    },
  },
  {
    title: "a wrong checksum in a trailer is BadDigest and stores nothing",
    async run(api) {
      const name = "x-amz-checksum-crc32";
      const answer = await streamed(api, [name, crc32Base64(Buffer.from("other"))], name);
      assert.equal(answer.status, 400, answer.body);
      assert.match(answer.body, /<Code>BadDigest<\/Code>/);
      await fails(text(api, "a"), 404, "NoSuchKey");
    },
  },
  {
    title: "parts with CRC64NVME make an object with the CRC64NVME of the whole",
    async run(api) {
      const bodies = [bytes(5 * MiB, 1), bytes(54_321, 2)];
      await uploadTwo(api, bodies, "CRC64NVME");
      const answer = await head(api, "a");
      assert.equal(answer.ChecksumCRC64NVME, await crc64(Buffer.concat(bodies)));
      assert.equal(answer.ChecksumType, "FULL_OBJECT");
    },
  },
  {
    title: "parts with SHA256 make an object with a checksum of their checksums",
    async run(api) {
      const bodies = [bytes(5 * MiB, 1), bytes(54_321, 2)];
      await uploadTwo(api, bodies, "SHA256");
      const parts = bodies.map((body) => createHash("sha256").update(body).digest());
      const answer = await head(api, "a");
      assert.equal(answer.ChecksumSHA256, `${sha256(Buffer.concat(parts))}-2`);
      assert.equal(answer.ChecksumType, "COMPOSITE");
    },
  },
  {
    title: "a ranged read carries no checksum of the whole object",
    async run(api) {
      await put(api, "a", "hello, world");
      const answer = await api.client.send(
        new GetObjectCommand({
          Bucket: api.bucket,
          Key: "a",
          Range: "bytes=1-3",
          ChecksumMode: "ENABLED",
        }),
      );
      assert.equal(answer.ChecksumCRC32, undefined);
      assert.equal(await answer.Body?.transformToString(), "ell");
    },
  },
];
