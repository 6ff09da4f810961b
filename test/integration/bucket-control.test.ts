import assert from "node:assert/strict";
import {
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import type { BucketOperations } from "../../src/csi/bucket-operations.ts";
import { type DevS3, startDevS3 } from "../../src/dev-s3/server.ts";
import { BucketControl } from "../../src/s3/bucket-control.ts";
import {
  BucketControlError,
  type BucketControlErrorCode,
} from "../../src/s3/bucket-control-error.ts";
import { CredentialsError } from "../../src/s3/credentials.ts";
import { newClient } from "../contract/s3-api-case.ts";

const { signal } = new AbortController();

function open(server: DevS3, secretAccessKey = server.secretAccessKey): BucketControl {
  const { accessKeyId, endpoint, region } = server;
  return new BucketControl(
    { endpoint, region, forcePathStyle: true, maxAttempts: 2 },
    { credentials: () => Promise.resolve({ accessKeyId, secretAccessKey }) },
  );
}

async function fails(request: Promise<unknown>, code: BucketControlErrorCode): Promise<string> {
  const error = await request.then(
    () => assert.fail("The request succeeded"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof BucketControlError, String(error));
  assert.equal(error.code, code, error.message);
  return error.message;
}

describe("BucketControl", () => {
  let server: DevS3;
  let control: BucketControl;
  beforeEach(async () => {
    server = await startDevS3({ region: "eu-north-1" });
    control = open(server);
  });
  afterEach(async () => {
    control.close();
    await server.close();
  });

  it("has the shape of the controller's bucket operations", () => {
    const operations: BucketOperations = control;
    assert.ok(operations);
  });

  it("makes a bucket once, and never takes an existing one for new", async () => {
    assert.equal(await control.headBucket("made", signal), "missing");
    assert.equal(await control.createBucket("made", signal), "created");
    assert.equal(await control.createBucket("made", signal), "exists");
    assert.equal(await control.headBucket("made", signal), "found");
  });

  it("finds a bucket made although the answer was lost", async () => {
    const action = { kind: "lostResponse" } as const;
    server.faults.add({ operation: "CreateBucket", times: 1, action });
    assert.equal(await control.createBucket("made", signal), "created");
  });

  it("says that a name is taken when another account has it", async () => {
    const denied = { kind: "status", status: 403, code: "AccessDenied" } as const;
    const exists = { kind: "status", status: 409, code: "BucketAlreadyExists" } as const;
    server.faults.add({ operation: "HeadBucket", action: denied });
    server.faults.add({ operation: "CreateBucket", action: exists });
    assert.equal(await control.createBucket("theirs", signal), "taken");
    assert.equal(await control.headBucket("theirs", signal), "denied");
  });

  it("deletes a bucket only when nothing at all is in it", async () => {
    assert.equal(await control.deleteBucket("made", signal), "missing");
    await control.createBucket("made", signal);
    await control.writeDocument({ bucket: "made", key: "a", text: "x" }, "absent", signal);
    assert.equal(await control.deleteBucket("made", signal), "notEmpty");
    await control.empty("made", { prefix: "" }, signal);
    const client = newClient(server);
    await client.send(new CreateMultipartUploadCommand({ Bucket: "made", Key: "u" }));
    client.destroy();
    assert.equal(await control.deleteBucket("made", signal), "notEmpty");
    await control.empty("made", { prefix: "" }, signal);
    assert.equal(await control.deleteBucket("made", signal), "deleted");
    assert.equal(await control.headBucket("made", signal), "missing");
  });

  it("reads and writes documents under their conditions", async () => {
    assert.deepEqual(await control.readDocument("made", "d", signal), { kind: "noSuchBucket" });
    await control.createBucket("made", signal);
    assert.deepEqual(await control.readDocument("made", "d", signal), { kind: "notFound" });
    const write = (text: string, condition: "absent" | { etag: string }) =>
      control.writeDocument({ bucket: "made", key: "d", text }, condition, signal);
    assert.equal(await write("x", { etag: '"e"' }), "preconditionFailed");
    assert.equal(await write("first ü", "absent"), "stored");
    assert.equal(await write("second", "absent"), "preconditionFailed");
    const read = await control.readDocument("made", "d", signal);
    assert.ok(read.kind === "found");
    assert.equal(read.text, "first ü");
    assert.equal(await write("third", { etag: read.etag }), "stored");
    assert.equal(await write("fourth", { etag: read.etag }), "preconditionFailed");
    assert.equal(await write("", { etag: read.etag }), "preconditionFailed");
  });

  it("counts its own document as stored when only the answer was lost", async () => {
    await control.createBucket("made", signal);
    const action = { kind: "lostResponse" } as const;
    server.faults.add({ operation: "PutObject", nth: 1, action });
    const document = { bucket: "made", key: "d", text: "mine" };
    assert.equal(await control.writeDocument(document, "absent", signal), "stored");
  });

  it("refuses to read an object of more than 64 KiB as a document", async () => {
    await control.createBucket("made", signal);
    const document = { bucket: "made", key: "d", text: "x".repeat(64 * 1024 + 1) };
    await control.writeDocument(document, "absent", signal);
    await fails(control.readDocument("made", "d", signal), "invalid");
  });

  it("empties a prefix of objects, versions, delete markers and uploads, but for one key", async () => {
    await control.createBucket("made", signal);
    const client = newClient(server);
    const Bucket = "made";
    const put = (Key: string) => client.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
    await client.send(
      new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }),
    );
    for (const Key of ["p/a", "p/a", "p/gone", "p/\u0001 +%ü", "p/keep", "q"]) await put(Key);
    await client.send(new DeleteObjectCommand({ Bucket, Key: "p/gone" }));
    await client.send(new CreateMultipartUploadCommand({ Bucket, Key: "p/upload" }));
    client.destroy();
    const progress: number[] = [];
    const report = (removed: number): unknown => progress.push(removed);
    await control.empty(Bucket, { prefix: "p/", keep: "p/keep" }, signal, report);
    assert.deepEqual(progress, [5, 6]);
    assert.equal(await control.isEmpty(Bucket, "p/a", signal), true);
    assert.equal(await control.isEmpty(Bucket, "p/", signal), false);
    assert.equal(await control.isEmpty(Bucket, "q", signal), false);
    await control.empty(Bucket, { prefix: "p/" }, signal);
    assert.equal(await control.isEmpty(Bucket, "p/", signal), true);
  });

  it("empties more than one page", async () => {
    await control.createBucket("made", signal);
    const client = newClient(server);
    const write = (i: number) =>
      client.send(new PutObjectCommand({ Bucket: "made", Key: `k${i}`, Body: "x" }));
    for (let i = 0; i < 1002; i += 6) {
      await Promise.all([0, 1, 2, 3, 4, 5].map((more) => write(i + more)));
    }
    client.destroy();
    const progress: number[] = [];
    await control.empty("made", { prefix: "" }, signal, (removed) => progress.push(removed));
    assert.deepEqual(progress, [1000, 1002]);
  });

  it("goes on emptying where it was cut off, down to the last version and upload", async () => {
    await control.createBucket("made", signal);
    const client = newClient(server);
    const Bucket = "made";
    await client.send(
      new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }),
    );
    const write = (i: number) =>
      client.send(new PutObjectCommand({ Bucket, Key: `k${i % 600}`, Body: "x" }));
    for (let i = 0; i < 1200; i += 6) {
      await Promise.all([0, 1, 2, 3, 4, 5].map((more) => write(i + more)));
    }
    await client.send(new CreateMultipartUploadCommand({ Bucket, Key: "upload" }));
    client.destroy();
    const cut = new AbortController();
    const first = control.empty(Bucket, { prefix: "" }, cut.signal, () => cut.abort());
    await assert.rejects(first, { name: "AbortError" });
    assert.equal(await control.deleteBucket(Bucket, signal), "notEmpty");
    const rest: number[] = [];
    await control.empty(Bucket, { prefix: "" }, signal, (removed) => rest.push(removed));
    assert.deepEqual(rest, [200, 201]);
    assert.equal(await control.deleteBucket(Bucket, signal), "deleted");
  });

  it("empties a prefix of a store that knows neither versions nor deleting many at once", async () => {
    await control.createBucket("made", signal);
    for (const key of ["p/a", "p/b", "p/keep", "q"]) {
      await control.writeDocument({ bucket: "made", key, text: "x" }, "absent", signal);
    }
    for (const operation of [
      "ListObjectVersions",
      "DeleteObjects",
      "ListMultipartUploads",
    ] as const) {
      const action = { kind: "status", status: 501, code: "NotImplemented" } as const;
      server.faults.add({ operation, action });
    }
    assert.equal(await control.isEmpty("made", "p/", signal), false);
    await control.empty("made", { prefix: "p/", keep: "p/keep" }, signal);
    const page = { bucket: "made", prefix: "", after: "", most: 1000 };
    assert.deepEqual(await control.listKeys(page, signal), ["p/keep", "q"]);
    await control.empty("made", { prefix: "p/" }, signal);
    assert.equal(await control.isEmpty("made", "p/", signal), true);
  });

  it("lists buckets and keys in order, from where it is told", async () => {
    for (const name of ["bbb", "aaa"]) await control.createBucket(name, signal);
    assert.deepEqual(await control.listBuckets(signal), ["aaa", "bbb"]);
    for (const key of ["p/c +%ü", "p/a", "p/b", "q"]) {
      await control.writeDocument({ bucket: "aaa", key, text: "x" }, "absent", signal);
    }
    const keys = (after: string, most = 1000) =>
      control.listKeys({ bucket: "aaa", prefix: "p/", after, most }, signal);
    assert.deepEqual(await keys(""), ["p/a", "p/b", "p/c +%ü"]);
    assert.deepEqual(await keys("p/a", 1), ["p/b"]);
  });

  it("says why an operation failed, naming bucket and endpoint", async () => {
    const message = await fails(control.isEmpty("missing", "", signal), "noSuchBucket");
    assert.ok(
      message.includes(`bucket missing at ${server.endpoint}: NoSuchBucket (404)`),
      message,
    );
    const wrong = open(server, "wrong");
    await fails(wrong.createBucket("made", signal), "unauthenticated");
    await fails(wrong.isEmpty("made", "", signal), "unauthenticated");
    wrong.close();
    const action = { kind: "status", status: 503, code: "SlowDown" } as const;
    server.faults.add({ operation: "ListObjectVersions", action });
    await fails(control.isEmpty("missing", "", signal), "unavailable");
    await server.close();
    const dead = await fails(control.headBucket("made", signal), "unavailable");
    assert.match(dead, /ECONNREFUSED/);
  });

  it("rejects with the signal's reason, and without credentials as unauthenticated", async () => {
    const reason = new Error("stopped");
    const aborted = AbortSignal.abort(reason);
    await assert.rejects(control.headBucket("made", aborted), reason);
    const { endpoint, region } = server;
    const none = new BucketControl(
      { endpoint, region, forcePathStyle: true },
      { credentials: () => Promise.reject(new CredentialsError("No file")) },
    );
    assert.match(await fails(none.headBucket("made", signal), "unauthenticated"), /No file/);
    none.close();
  });
});
