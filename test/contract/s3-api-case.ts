import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from "@aws-sdk/client-s3";

/** A running S3 server under test. */
export interface S3Server {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/** What a case works with: the unmodified SDK with its defaults, and a bucket of its own. */
export interface S3Api extends S3Server {
  readonly client: S3Client;
  readonly bucket: string;
}

/** One statement about S3, and its proof. */
export interface S3ApiCase {
  readonly title: string;
  readonly run: (api: S3Api) => Promise<void>;
}

/** How a server departs from AWS in one case: why, and what it does instead, asserted. */
export interface Difference {
  readonly reason: string;
  readonly run: (api: S3Api) => Promise<void>;
}

/** A client with the SDK's defaults, one attempt, path style. */
export function newClient(server: S3Server, overrides: Partial<S3Server> = {}): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey } = { ...server, ...overrides };
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
  });
}

let buckets = 0;

/** Makes a bucket of its own for a case. */
export async function newBucket(client: S3Client): Promise<string> {
  const bucket = `case-${process.pid}-${++buckets}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return bucket;
}

/** Asserts that a request fails with this S3 error code and status; HEAD answers carry only the status. */
export async function fails(
  request: Promise<unknown>,
  status: number,
  code?: string,
): Promise<void> {
  const error = await request.then(
    () => assert.fail("The request succeeded"),
    (reason: unknown) => reason,
  );
  if (error instanceof assert.AssertionError) throw error;
  const { name, $metadata } = error as {
    name: string;
    $metadata?: { httpStatusCode?: number };
  };
  const expected = { code: code ?? name, status };
  assert.deepEqual({ code: name, status: $metadata?.httpStatusCode }, expected, String(error));
}

/** Puts a text or bytes; returns its ETag. */
export async function put(
  api: S3Api,
  key: string,
  body: string | Uint8Array,
  more: Partial<PutObjectCommandInput> = {},
): Promise<string> {
  const answer = await api.client.send(
    new PutObjectCommand({
      Bucket: api.bucket,
      Key: key,
      Body: body,
      // Said, since the SDK does not find the length of an empty text.
      ContentLength: Buffer.byteLength(body),
      ...more,
    }),
  );
  assert.ok(answer.ETag);
  return answer.ETag;
}

/** The object's bytes as text. */
export async function text(api: S3Api, key: string, versionId?: string): Promise<string> {
  const answer = await api.client.send(
    new GetObjectCommand({
      Bucket: api.bucket,
      Key: key,
      ...(versionId === undefined ? {} : { VersionId: versionId }),
    }),
  );
  assert.ok(answer.Body);
  return answer.Body.transformToString();
}

/** The hexadecimal MD5 of what is given, in quotes: a single-part ETag. */
export function md5Etag(data: string | Uint8Array): string {
  return `"${createHash("md5").update(data).digest("hex")}"`;
}

/** Bytes that differ everywhere, the same for the same seed. */
export function bytes(length: number, seed: number): Buffer {
  const data = Buffer.allocUnsafe(length);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    data[i] = state >>> 24;
  }
  return data;
}
