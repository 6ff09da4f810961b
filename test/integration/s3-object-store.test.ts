import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { type DevS3, startDevS3 } from "../../src/dev-s3/server.ts";
import { checkBucket } from "../../src/s3/check-bucket.ts";
import type { ConnectionOptions } from "../../src/s3/connection.ts";
import { CredentialsError } from "../../src/s3/credentials.ts";
import { ObjectStoreError, objectKey } from "../../src/s3/object-store.ts";
import { S3ObjectStore } from "../../src/s3/s3-object-store.ts";
import { answer, startScripted } from "../support/scripted-http.ts";

const key = objectKey("a");
const plain = { metadata: {} };
const body = { sizeBytes: 5, chunks: [Buffer.from("hello")] };

function open(server: DevS3, more: Partial<ConnectionOptions> = {}, secretAccessKey?: string) {
  const { accessKeyId, endpoint, region } = server;
  const credentials = {
    accessKeyId,
    secretAccessKey: secretAccessKey ?? server.secretAccessKey,
  };
  const store = new S3ObjectStore(
    { bucket: "bucket", endpoint, region, forcePathStyle: true, maxAttempts: 2, ...more },
    { credentials: () => Promise.resolve(credentials), clock: systemClock, log: silentLog },
  );
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

/** What an object of ours under a KMS key has. */
const underKms = {
  encryption: "aws:kms",
  kmsKeyId: "arn:aws:kms:eu-central-1:1:key/k",
  bucketKey: "true",
  storageClass: "STANDARD_IA",
  websiteRedirect: "/elsewhere",
} as const;

async function codeOf(request: Promise<unknown>): Promise<string> {
  const error = await request.then(
    () => assert.fail("The request succeeded"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ObjectStoreError, String(error));
  return error.code;
}

describe("S3ObjectStore on the embedded server", () => {
  it("leaves a lost answer to the caller, who finds the object there", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    server.faults.add({ operation: "PutObject", action: { kind: "lostResponse" } });
    assert.equal(await codeOf(store.put(key, body, plain, "absent")), "unavailable");
    assert.equal((await store.head(key)).kind, "found");
  });

  it("takes an error in a 200 for a failure, though the copy and the object are there", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    const stored = await store.put(key, body, plain, "absent");
    assert.ok(stored.kind === "stored");
    server.faults.add({ action: { kind: "errorIn200" } });
    const source = { key, ifMatch: stored.etag };
    const target = objectKey("b");
    assert.equal(await codeOf(store.copy(source, target, plain, "absent")), "unavailable");
    server.faults.clear();
    assert.equal((await store.head(target)).kind, "found");
  });

  it("keeps KMS key, storage class and redirect, and says nothing of S3's own encryption", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    await store.put(key, body, { ...plain, ...underKms }, "absent");
    const found = await store.head(key);
    assert.ok(found.kind === "found");
    for (const [name, value] of Object.entries(underKms)) {
      assert.equal(found[name as keyof typeof underKms], value, name);
    }
    await store.put(objectKey("b"), body, plain, "absent");
    const other = await store.head(objectKey("b"));
    assert.ok(other.kind === "found");
    assert.equal(other.encryption, undefined);
  });

  it("reads again after an answer cut off in the middle of the body", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    const large = Buffer.alloc(1_000_000, 7);
    const stored = await store.put(key, { sizeBytes: large.length, chunks: [large] }, plain, "any");
    assert.ok(stored.kind === "stored");
    const action = { kind: "cut", afterBytes: 500_000 } as const;
    const fault = server.faults.add({ operation: "GetObject", times: 1, action });
    const range = { offsetBytes: 0, lengthBytes: large.length, ifMatch: stored.etag };
    const read = await store.get(key, { ...range, objectSizeBytes: large.length });
    assert.ok(read.kind === "read" && large.equals(read.data));
    assert.equal(fault.hits, 1);
  });

  it("shows an archived object, and refuses to read or copy it", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    const headers = { ...plain, storageClass: "GLACIER" };
    const stored = await store.put(key, body, headers, "any");
    assert.ok(stored.kind === "stored");
    const found = await store.head(key);
    assert.ok(found.kind === "found");
    assert.deepEqual([found.archived, found.storageClass], [true, "GLACIER"]);
    const range = { offsetBytes: 0, lengthBytes: 5, ifMatch: stored.etag };
    assert.equal(await codeOf(store.get(key, range)), "archived");
    const source = { key, ifMatch: stored.etag };
    assert.equal(await codeOf(store.copy(source, objectKey("b"), plain, "any")), "archived");
  });

  it("completes an upload whose parts carry checksums without listing those again", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    const uploadId = await store.createMultipart(key, plain);
    const part = await store.uploadPart(key, uploadId, 1, body);
    const done = await store.completeMultipart(key, uploadId, [part], "absent");
    assert.ok(done.kind === "stored");
    const range = { offsetBytes: 0, lengthBytes: 5, ifMatch: done.etag, objectSizeBytes: 5 };
    assert.equal((await store.get(key, range)).kind, "read");
  });

  it("says of every operation that the bucket is missing, and never that a key is", async () => {
    await using server = await startDevS3();
    await using store = open(server);
    const stale = { offsetBytes: 0, lengthBytes: 1, ifMatch: (await fakeEtag()).etag };
    const requests = [
      store.head(key),
      store.get(key, stale),
      store.list({ prefix: "" }),
      store.put(key, body, plain, stale.ifMatch),
      store.delete(key, stale.ifMatch),
      store.copy({ key, ifMatch: stale.ifMatch }, key, plain, "any"),
      store.createMultipart(key, plain),
      store.completeMultipart(key, "u", [{ partNumber: 1, etag: stale.ifMatch }], "any"),
    ];
    for (const request of await Promise.all(requests.map(codeOf))) {
      assert.equal(request, "noSuchBucket");
    }
  });
});

async function fakeEtag() {
  await using server = await startDevS3({ buckets: ["bucket"] });
  await using store = open(server);
  const stored = await store.put(key, body, plain, "any");
  assert.ok(stored.kind === "stored");
  return stored;
}

describe("S3ObjectStore over TLS", () => {
  let directory = "";
  let tls = { cert: "", key: "" };
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "s3files-tls-"));
    const [cert, secret] = [join(directory, "cert"), join(directory, "key")];
    await promisify(execFile)("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", secret, "-out", cert, "-days", "2", "-subj", "/CN=localhost"],
      ...["-addext", "subjectAltName=DNS:localhost"],
    ]);
    tls = { cert: await readFile(cert, "utf8"), key: await readFile(secret, "utf8") };
  });
  after(() => rm(directory, { recursive: true }));

  async function put(caBundle: string | undefined) {
    await using server = await startScripted([answer(200, { etag: '"e"' })], tls);
    const store = new S3ObjectStore(
      {
        ...{ bucket: "bucket", endpoint: `https://localhost:${server.port}`, region: "r" },
        ...{ forcePathStyle: true, ...(caBundle === undefined ? {} : { caBundle }) },
      },
      {
        credentials: () => Promise.resolve({ accessKeyId: "a", secretAccessKey: "s" }),
        ...{ clock: systemClock, log: silentLog },
      },
    );
    try {
      return { outcome: await store.put(key, body, plain, "any"), sent: server.requests[0] };
    } finally {
      await store.close();
    }
  }

  it("trusts the CA bundle, and leaves the body's digest to TLS", async () => {
    const { outcome, sent } = await put(tls.cert);
    assert.equal(outcome.kind, "stored");
    assert.equal(sent?.message.headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
    assert.equal(sent.body.toString(), "hello");
  });

  it("does not talk to a server that nobody vouches for", async () => {
    assert.equal(await codeOf(put(undefined)), "unavailable");
  });
});

describe("checkBucket", () => {
  it("accepts a bucket that answers to these credentials", async () => {
    await using server = await startDevS3({ buckets: ["bucket"] });
    await using store = open(server);
    assert.deepEqual(await checkBucket(store, "p/"), { kind: "ok" });
  });

  it("tells a missing bucket, wrong keys, a denial and a dead endpoint apart", async () => {
    await using server = await startDevS3();
    const names = new RegExp(`bucket bucket at ${server.endpoint.replaceAll(".", "\\.")}`);
    const check = async (store: ReturnType<typeof open>, kind: string, cause: RegExp) => {
      await using opened = store;
      const result = await checkBucket(opened, "");
      assert.equal(result.kind, kind);
      assert.ok(result.kind !== "ok");
      assert.match(result.message, names);
      assert.match(result.message, cause);
      assert.ok(!result.message.includes(server.secretAccessKey));
    };
    await check(open(server), "noSuchBucket", /NoSuchBucket/);
    await check(open(server, {}, "wrong"), "unauthenticated", /SignatureDoesNotMatch/);
    const action = { kind: "status", status: 403, code: "AccessDenied" } as const;
    const fault = server.faults.add({ action });
    await check(open(server), "denied", /AccessDenied/);
    fault.remove();
    await server.close();
    await check(open(server), "unavailable", /ECONNREFUSED/);
  });

  it("counts missing credentials as unauthenticated", async () => {
    const store = new S3ObjectStore(
      { bucket: "bucket", endpoint: "http://127.0.0.1:1", region: "r", forcePathStyle: true },
      {
        credentials: () => Promise.reject(new CredentialsError("No file")),
        ...{ clock: systemClock, log: silentLog },
      },
    );
    const result = await checkBucket(store, "");
    await store.close();
    assert.equal(result.kind, "unauthenticated");
  });
});
