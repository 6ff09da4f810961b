import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ListBucketsCommand } from "@aws-sdk/client-s3";
import { bytes, fails, newClient, put, type S3ApiCase, text } from "./s3-api-case.ts";
import {
  presign,
  type RawAnswer,
  sendRaw,
  signAndSend,
  signChunks,
  signRequest,
} from "./s3-api-raw.ts";

function refused(answer: RawAnswer, status: number, code: string): void {
  const found = /<Code>([^<]*)<\/Code>/.exec(answer.body)?.[1];
  assert.deepEqual({ status: answer.status, code: found }, { status, code }, answer.body);
}

const signedMode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

/** Signature Version 4: in headers, in the URL, and along the body. */
export const signatureCases: readonly S3ApiCase[] = [
  {
    title: "a wrong secret is SignatureDoesNotMatch",
    async run(api) {
      const client = newClient(api, { secretAccessKey: "wrong" });
      await fails(client.send(new ListBucketsCommand({})), 403, "SignatureDoesNotMatch");
      client.destroy();
    },
  },
  {
    title: "an unknown access key is InvalidAccessKeyId",
    async run(api) {
      const client = newClient(api, { accessKeyId: "unknown" });
      await fails(client.send(new ListBucketsCommand({})), 403, "InvalidAccessKeyId");
      client.destroy();
    },
  },
  {
    title: "a request without a signature is AccessDenied",
    async run(api) {
      await put(api, "a", "x");
      const url = `${api.endpoint}/${api.bucket}/a`;
      refused(await sendRaw({ method: "GET", url, headers: {} }), 403, "AccessDenied");
    },
  },
  {
    title: "a request signed for another region is AuthorizationHeaderMalformed",
    async run(api) {
      const request = { method: "GET", path: `/${api.bucket}/a` };
      const answer = await signAndSend({ ...api, region: "xx-nowhere-1" }, request);
      refused(answer, 400, "AuthorizationHeaderMalformed");
    },
  },
  {
    title: "a request signed an hour ago is RequestTimeTooSkewed",
    async run(api) {
      const date = new Date(Date.now() - 3600_000);
      const answer = await signAndSend(api, { method: "GET", path: `/${api.bucket}/a`, date });
      refused(answer, 403, "RequestTimeTooSkewed");
    },
  },
  {
    title: "a body other than the signed one is XAmzContentSHA256Mismatch and stores nothing",
    async run(api) {
      const signed = signRequest(api, {
        method: "PUT",
        path: `/${api.bucket}/a`,
        headers: { "content-length": "5" },
        body: "hello",
      });
      refused(await sendRaw(signed, "HELLO"), 400, "XAmzContentSHA256Mismatch");
      await fails(text(api, "a"), 404, "NoSuchKey");
    },
  },
  {
    title: "a presigned URL reads and writes without credentials",
    async run(api) {
      const path = `/${api.bucket}/d ü/a+b`;
      const write = presign(api, { method: "PUT", path, expiresSeconds: 60 });
      const put = { method: "PUT", url: write, headers: { "content-length": "5" } };
      const written = await sendRaw(put, "hello");
      assert.equal(written.status, 200, written.body);
      const read = presign(api, { method: "GET", path, expiresSeconds: 60 });
      const answer = await sendRaw({ method: "GET", url: read, headers: {} });
      assert.equal(answer.body, "hello");
      refused(
        await sendRaw({ method: "DELETE", url: read, headers: {} }),
        403,
        "SignatureDoesNotMatch",
      );
    },
  },
  {
    title: "an expired presigned URL is AccessDenied",
    async run(api) {
      await put(api, "a", "x");
      const url = presign(api, {
        method: "GET",
        path: `/${api.bucket}/a`,
        expiresSeconds: 60,
        date: new Date(Date.now() - 120_000),
      });
      refused(await sendRaw({ method: "GET", url, headers: {} }), 403, "AccessDenied");
    },
  },
  {
    title: "a body in signed chunks is stored without their framing",
    async run(api) {
      const chunks = [bytes(65_536, 1), bytes(65_536, 2), bytes(100, 3)];
      const signed = signRequest(api, {
        method: "PUT",
        path: `/${api.bucket}/a`,
        headers: { "content-encoding": "aws-chunked", "x-amz-decoded-content-length": "131172" },
        payloadHash: signedMode,
      });
      const body = signChunks(signed, chunks);
      const answer = await sendRaw(
        { ...signed, headers: { ...signed.headers, "content-length": String(body.length) } },
        body,
      );
      assert.equal(answer.status, 200, answer.body);
      const md5 = createHash("md5").update(Buffer.concat(chunks)).digest("hex");
      assert.equal(answer.headers.etag, `"${md5}"`);
    },
  },
  {
    title: "a changed byte in a signed chunk is SignatureDoesNotMatch and stores nothing",
    async run(api) {
      const signed = signRequest(api, {
        method: "PUT",
        path: `/${api.bucket}/a`,
        headers: { "content-encoding": "aws-chunked", "x-amz-decoded-content-length": "65636" },
        payloadHash: signedMode,
      });
      const body = signChunks(signed, [bytes(65_536, 1), bytes(100, 2)]);
      body[1000] = (body[1000] ?? 0) ^ 1;
      const answer = await sendRaw(
        { ...signed, headers: { ...signed.headers, "content-length": String(body.length) } },
        body,
      );
      refused(answer, 403, "SignatureDoesNotMatch");
      await fails(text(api, "a"), 404, "NoSuchKey");
    },
  },
  {
    title: "a body in signed chunks with a signed checksum trailer is verified and stored",
    async run(api) {
      const chunk = Buffer.from("hello");
      const signed = signRequest(api, {
        method: "PUT",
        path: `/${api.bucket}/a`,
        headers: {
          "content-encoding": "aws-chunked",
          "x-amz-decoded-content-length": "5",
          "x-amz-trailer": "x-amz-checksum-sha256",
        },
        payloadHash: `${signedMode}-TRAILER`,
      });
      const sha256 = createHash("sha256").update(chunk).digest("base64");
      const body = signChunks(signed, [chunk], [["x-amz-checksum-sha256", sha256]]);
      const answer = await sendRaw(
        { ...signed, headers: { ...signed.headers, "content-length": String(body.length) } },
        body,
      );
      assert.equal(answer.status, 200, answer.body);
      assert.equal(await text(api, "a"), "hello");
    },
  },
  {
    title: "a bucket can be named by the host",
    async run(api) {
      await put(api, "d/a", "x");
      const { port } = new URL(api.endpoint);
      const headers = { host: `${api.bucket}.localhost:${port}` };
      const answer = await signAndSend(api, { method: "GET", path: "/d/a", headers });
      assert.equal(answer.status, 200, answer.body);
      assert.equal(answer.body, "x");
    },
  },
];
