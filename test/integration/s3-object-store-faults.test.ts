import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { ConnectionOptions } from "../../src/s3/connection.ts";
import { type Credentials, CredentialsError } from "../../src/s3/credentials.ts";
import { type ETag, ObjectStoreError, objectKey } from "../../src/s3/object-store.ts";
import { S3ObjectStore } from "../../src/s3/s3-object-store.ts";
import {
  answer,
  reset,
  type ScriptStep,
  s3Error,
  startScripted,
} from "../support/scripted-http.ts";

const key = objectKey("a/b c");
const etag = '"e"' as ETag;
const plain = { metadata: {} };
const body = { sizeBytes: 5, chunks: [Buffer.from("he"), Buffer.from("llo")] };
const date = "Thu, 01 Jan 2026 00:00:00 GMT";
const found = answer(200, { etag, "last-modified": date });
const keys: Credentials = { accessKeyId: "id", secretAccessKey: "secret" };

/** Waits for nothing, and notes how long it should have been. */
function hurriedClock(delays: number[]): Clock {
  return {
    ...systemClock,
    schedule(delayMs, run) {
      delays.push(delayMs);
      const immediate = setImmediate(run);
      return () => clearImmediate(immediate);
    },
  };
}

async function open(
  steps: readonly ScriptStep[],
  options: Partial<ConnectionOptions> = {},
  credentials: () => Promise<Credentials> = () => Promise.resolve(keys),
) {
  const server = await startScripted(steps);
  const delays: number[] = [];
  const store = new S3ObjectStore(
    {
      ...{ bucket: "bucket", endpoint: `http://127.0.0.1:${server.port}`, region: "r-1" },
      ...{ forcePathStyle: true, ...options },
    },
    { credentials, clock: hurriedClock(delays), log: silentLog, random: () => 0.5 },
  );
  const dispose = async (): Promise<void> => {
    await store.close();
    await server[Symbol.asyncDispose]();
  };
  return { store, server, delays, [Symbol.asyncDispose]: dispose };
}

async function errorOf(request: Promise<unknown>): Promise<ObjectStoreError> {
  const error = await request.then(
    () => assert.fail("The request succeeded"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ObjectStoreError, String(error));
  return error;
}

describe("S3ObjectStore on a bad day", () => {
  it("repeats a read after 503, a reset and an answer cut off, waiting longer each time", async () => {
    const cut: ScriptStep = (response) => {
      response.writeHead(200, { etag, "content-length": 5 });
      response.write("he", () => response.socket?.resetAndDestroy());
    };
    await using run = await open([
      s3Error(503, "SlowDown"),
      reset,
      cut,
      answer(206, { etag, "content-range": "bytes 0-4/5" }, "hello"),
    ]);
    const read = await run.store.get(key, { offsetBytes: 0, lengthBytes: 9, ifMatch: etag });
    assert.ok(read.kind === "read");
    assert.equal(Buffer.from(read.data).toString(), "hello");
    assert.deepEqual(run.delays, [50, 200, 800]);
  });

  it("gives a read up after its attempts, and says what, where and why", async () => {
    await using run = await open([s3Error(503, "SlowDown")], { maxAttempts: 3 });
    const error = await errorOf(run.store.list({ prefix: "" }));
    assert.deepEqual([error.code, error.s3Code, error.status], ["unavailable", "SlowDown", 503]);
    assert.equal(
      error.message,
      `GET bucket bucket at http://127.0.0.1:${run.server.port}: SlowDown (503): Scripted`,
    );
    assert.equal(run.server.requests.length, 3);
  });

  it("sends a mutation once, whatever happens to it", async () => {
    const mutations: readonly ((store: S3ObjectStore) => Promise<unknown>)[] = [
      (store) => store.put(key, body, plain, "absent"),
      (store) => store.delete(key, etag),
      (store) => store.copy({ key, ifMatch: etag }, key, plain, etag),
      (store) => store.createMultipart(key, plain),
      (store) => store.uploadPart(key, "u", 1, body),
      (store) =>
        store.uploadPartCopy(key, "u", 1, { key, ifMatch: etag, offsetBytes: 0, lengthBytes: 1 }),
      (store) => store.completeMultipart(key, "u", [{ partNumber: 1, etag }], "any"),
      (store) => store.abortMultipart(key, "u"),
    ];
    for (const step of [reset, s3Error(500, "InternalError"), s3Error(503, "SlowDown")]) {
      for (const mutate of mutations) {
        await using run = await open([step]);
        assert.equal((await errorOf(mutate(run.store))).code, "unavailable");
        assert.equal(run.server.requests.length, 1);
      }
    }
  });

  it("takes an error in a 200 for what it says", async () => {
    const failing = s3Error(200, "InternalError");
    const conflict = s3Error(200, "PreconditionFailed");
    const source = { key, ifMatch: etag };
    const parts = [{ partNumber: 1, etag }];
    await using run = await open([failing, failing, conflict, conflict]);
    const { store } = run;
    assert.equal((await errorOf(store.copy(source, key, plain, "any"))).code, "unavailable");
    const complete = () => store.completeMultipart(key, "u", parts, "absent");
    assert.equal((await errorOf(complete())).code, "unavailable");
    assert.deepEqual(await complete(), { kind: "preconditionFailed" });
    assert.deepEqual(await store.copy(source, key, plain, "any"), { kind: "preconditionFailed" });
  });

  it("gives up on an answer that does not begin, or stops in the middle", async () => {
    const silent: ScriptStep = () => undefined;
    const stalling: ScriptStep = (response) => {
      response.writeHead(200, { etag, "content-length": 5 });
      response.write("he");
    };
    const limits = { headersTimeoutMs: 100, bodyTimeoutMs: 100, maxAttempts: 1 };
    for (const step of [silent, stalling]) {
      await using run = await open([step], limits);
      const range = { offsetBytes: 0, lengthBytes: 5, ifMatch: etag };
      const error = await errorOf(run.store.get(key, range));
      assert.equal(error.code, "unavailable");
      assert.match(error.s3Code, /^UND_ERR_(?:HEADERS|BODY)_TIMEOUT$/);
    }
  });

  it("says that nobody listens", async () => {
    const { port, ...gone } = await startScripted([found]);
    await gone[Symbol.asyncDispose]();
    const endpoint = `http://127.0.0.1:${port}`;
    await using run = await open([found], { endpoint, maxAttempts: 2 });
    const error = await errorOf(run.store.head(key));
    assert.deepEqual([error.code, error.s3Code], ["unavailable", "ECONNREFUSED"]);
    assert.ok(error.isUnsent);
    assert.ok((await errorOf(run.store.delete(key, "any"))).isUnsent);
  });

  it("does not say of a request cut off on its way that it was not sent", async () => {
    await using run = await open([reset]);
    const error = await errorOf(run.store.delete(key, "any"));
    assert.equal(error.code, "unavailable");
    assert.ok(!error.isUnsent);
  });

  it("tells a mutation that never left from one that may have arrived", async () => {
    const { port, ...gone } = await startScripted([found]);
    await gone[Symbol.asyncDispose]();
    const nowhere: readonly Partial<ConnectionOptions>[] = [
      { endpoint: `http://127.0.0.1:${port}` },
      { endpoint: "http://no-such-host.invalid" },
    ];
    for (const options of nowhere) {
      await using run = await open([found], options);
      assert.equal((await errorOf(run.store.put(key, body, plain, "absent"))).isUnsent, true);
      assert.equal((await errorOf(run.store.delete(key, etag))).isUnsent, true);
    }
    await using plainHttp = await open([found]);
    const endpoint = `https://127.0.0.1:${plainHttp.server.port}`;
    await using noTls = await open([found], { endpoint });
    assert.equal((await errorOf(noTls.store.put(key, body, plain, "absent"))).isUnsent, true);
    const noKeys = () => Promise.reject(new CredentialsError("none"));
    await using anonymous = await open([found], {}, noKeys);
    assert.equal((await errorOf(anonymous.store.put(key, body, plain, "absent"))).isUnsent, true);
    for (const step of [reset, s3Error(503, "SlowDown")]) {
      await using run = await open([step]);
      assert.equal((await errorOf(run.store.put(key, body, plain, "absent"))).isUnsent, false);
    }
  });

  it("ends a request under way with the signal's reason", async () => {
    const controller = new AbortController();
    const reason = new Error("stopped");
    const aborting: ScriptStep = () => controller.abort(reason);
    await using run = await open([aborting]);
    const { signal } = controller;
    await assert.rejects(run.store.put(key, body, plain, "any", { signal }), reason);
    await assert.rejects(run.store.head(key, { signal }), reason);
    assert.equal(run.server.requests.length, 1);
  });

  it("keeps its connections for all requests, HEADs included", async () => {
    await using run = await open([found]);
    for (let i = 0; i < 10; i++) await run.store.head(key);
    // The pool may open a second one while it takes note that the first is free again.
    assert.ok(run.server.connections() <= 2);
  });

  it("has no more connections than it may", async () => {
    const slowly: ScriptStep = (response, request, data) =>
      setImmediate(() => found(response, request, data));
    await using run = await open([slowly], { maxConnections: 3 });
    await Promise.all(Array.from({ length: 20 }, () => run.store.head(key)));
    assert.equal(run.server.connections(), 3);
  });
});

describe("S3ObjectStore and what stores get wrong", () => {
  const range = { offsetBytes: 0, lengthBytes: 5, ifMatch: etag };

  it("reads a whole object again when its bytes contradict its checksum", async () => {
    const checksums = {
      "x-amz-checksum-crc32": "NhCmhg==",
      "x-amz-checksum-crc64nvme": "M3eFcAZSQlc=",
      "x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
    };
    for (const [name, value] of Object.entries(checksums)) {
      const checksum = { [name]: value };
      await using run = await open([
        answer(200, { etag, ...checksum }, "hellO"),
        answer(200, { etag, ...checksum }, "hello"),
      ]);
      const read = await run.store.get(key, { ...range, objectSizeBytes: 5 });
      assert.ok(read.kind === "read");
      assert.equal(Buffer.from(read.data).toString(), "hello");
      assert.equal(run.server.requests.length, 2, name);
      const [first] = run.server.requests;
      assert.equal(first?.message.headers["x-amz-checksum-mode"], "ENABLED");
      assert.equal(first?.message.headers.range, undefined);
    }
  });

  it("does not mind a checksum of checksums", async () => {
    const composite = { "x-amz-checksum-crc32": "AAAAAA==-2" };
    await using run = await open([answer(200, { etag, ...composite }, "hello")]);
    const read = await run.store.get(key, { ...range, objectSizeBytes: 5 });
    assert.equal(read.kind, "read");
  });

  it("never takes other bytes for the range asked", async () => {
    const middle = { ...range, offsetBytes: 2 };
    const wrong = [
      answer(200, { etag }, "hello"),
      answer(206, { etag, "content-range": "bytes 0-4/9" }, "hello"),
      answer(206, { etag, "content-range": "bytes 2-4/9" }, "llo"),
      answer(206, { etag }, "hello"),
    ];
    for (const step of wrong) {
      await using run = await open([step]);
      assert.equal((await errorOf(run.store.get(key, middle))).s3Code, "MalformedAnswer");
    }
    await using long = await open([answer(200, { etag }, "hello and more")]);
    assert.deepEqual((await errorOf(long.store.get(key, range))).s3Code, "BodyTooLarge");
  });

  it("notices a store that ignores If-Match on a read", async () => {
    await using run = await open([answer(200, { etag: '"other"' }, "hello")]);
    assert.deepEqual(await run.store.get(key, range), { kind: "preconditionFailed" });
  });

  it("takes a 404 of something else than S3 for no answer about the key", async () => {
    await using run = await open([answer(404, { "content-type": "text/html" }, "<html>No</html>")]);
    assert.equal((await errorOf(run.store.get(key, range))).code, "invalid");
    assert.equal((await errorOf(run.store.head(key))).code, "invalid");
  });

  it("says that the bucket is missing when a HEAD finds no key because of that", async () => {
    await using run = await open([answer(404), s3Error(404, "NoSuchBucket")]);
    assert.equal((await errorOf(run.store.head(key))).code, "noSuchBucket");
  });

  it("finds an object that came between the HEAD and the question about the bucket", async () => {
    await using run = await open([answer(404), answer(206, { etag }, "h"), found]);
    assert.equal((await run.store.head(key)).kind, "found");
  });

  it("names the bucket's own region when it is asked in another", async () => {
    await using run = await open([
      answer(301, { "x-amz-bucket-region": "eu-west-1" }),
      s3Error(301, "PermanentRedirect", { "x-amz-bucket-region": "eu-west-1" }),
    ]);
    for (const request of [run.store.head(key), run.store.put(key, body, plain, "any")]) {
      const error = await errorOf(request);
      assert.equal(error.code, "invalid");
      assert.match(error.message, /the bucket is in region eu-west-1, not in r-1$/);
    }
  });
});

describe("S3ObjectStore and its signature", () => {
  it("learns the store's time once, when its own clock is wrong", async () => {
    const theirs = new Date(Date.now() + 3_600_000).toUTCString();
    const stored = answer(200, { etag });
    await using run = await open([
      s3Error(403, "RequestTimeTooSkewed", { date: theirs }),
      stored,
      stored,
    ]);
    for (let i = 0; i < 2; i++) {
      const outcome = await run.store.put(key, body, plain, "absent");
      assert.deepEqual(outcome, { kind: "stored", etag });
    }
    const hours = run.server.requests.map(({ message }) => {
      const text = String(message.headers["x-amz-date"]);
      const iso = text.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z");
      return Math.round((Date.parse(iso) - Date.now()) / 3_600_000) + 0; // No -0.
    });
    assert.deepEqual(hours, [0, 1, 1]);
  });

  it("learns it from a HEAD too, whose answer has no code; a plain 403 stays denied", async () => {
    const theirs = new Date(Date.now() - 3_600_000).toUTCString();
    await using skewed = await open([answer(403, { date: theirs }), found]);
    assert.equal((await skewed.store.head(key)).kind, "found");
    await using denied = await open([answer(403)]);
    assert.equal((await errorOf(denied.store.head(key))).code, "denied");
    assert.equal(denied.server.requests.length, 1);
  });

  it("asks for the credentials of each request, and signs the session token", async () => {
    let asked = 0;
    const provide = (): Promise<Credentials> =>
      Promise.resolve({ ...keys, accessKeyId: `id${++asked}`, sessionToken: `token${asked}` });
    await using run = await open([found], {}, provide);
    await run.store.head(key);
    await run.store.head(key);
    const sent = run.server.requests.map(({ message: { headers } }) => [
      headers["x-amz-security-token"],
      /Credential=(\w+)/.exec(headers.authorization ?? "")?.[1],
      headers.authorization?.includes("x-amz-security-token"),
    ]);
    assert.deepEqual(sent, [
      ["token1", "id1", true],
      ["token2", "id2", true],
    ]);
  });

  it("sends the digest and the checksum of a body, in one piece or many", async () => {
    const chunks = Array.from({ length: 5 }, (_, i) => Buffer.alloc(100_000, i));
    await using run = await open([answer(200, { etag })]);
    await run.store.put(key, { sizeBytes: 500_000, chunks }, plain, etag);
    const [sent] = run.server.requests;
    assert.ok(sent);
    assert.ok(sent.body.equals(Buffer.concat(chunks)));
    const { headers } = sent.message;
    assert.match(String(headers["x-amz-content-sha256"]), /^[0-9a-f]{64}$/);
    assert.match(String(headers["x-amz-checksum-crc32"]), /^[\w+/]{6}==$/);
    assert.equal(headers["content-length"], "500000");
    assert.equal(headers["if-match"], etag);
  });

  it("fails without credentials, and says so", async () => {
    const { CredentialsError } = await import("../../src/s3/credentials.ts");
    const provide = () => Promise.reject(new CredentialsError("File f is gone"));
    await using run = await open([found], { maxAttempts: 1 }, provide);
    const error = await errorOf(run.store.put(key, body, plain, "any"));
    assert.equal(error.s3Code, "NoCredentials");
    assert.match(error.message, /File f is gone$/);
    assert.equal(run.server.requests.length, 0);
  });
});
