import assert from "node:assert/strict";
import { parseObjectInfo } from "../../../src/s3/object-headers.ts";
import type { ObjectStoreErrorCode } from "../../../src/s3/object-store.ts";
import { errorCode, failureOf, isPreconditionFailure, toError } from "../../../src/s3/outcome.ts";

function answer(status: number, body: string, headers: Record<string, string> = {}) {
  return { status, headers, body: Buffer.from(body) };
}

const document = (code: string, more = "") =>
  `<Error><Code>${code}</Code><Message>Why</Message>${more}</Error>`;

describe("failureOf", () => {
  it("gives each error the code that its status and document mean", () => {
    const rows: readonly (readonly [number, string, ObjectStoreErrorCode])[] = [
      [403, "AccessDenied", "denied"],
      [403, "SignatureDoesNotMatch", "denied"],
      [400, "ExpiredToken", "denied"],
      [401, "", "denied"],
      [404, "NoSuchBucket", "noSuchBucket"],
      [404, "NoSuchUpload", "noSuchUpload"],
      [403, "InvalidObjectState", "archived"],
      [403, "ObjectNotInActiveTierError", "archived"],
      [501, "NotImplemented", "unsupported"],
      [405, "MethodNotAllowed", "unsupported"],
      [503, "SlowDown", "unavailable"],
      [500, "InternalError", "unavailable"],
      [400, "RequestTimeout", "unavailable"],
      [400, "BadDigest", "unavailable"],
      [429, "", "unavailable"],
      [502, "", "unavailable"],
      [400, "EntityTooSmall", "invalid"],
      [404, "", "invalid"],
    ];
    for (const [status, s3Code, expected] of rows) {
      const failure = failureOf(answer(status, s3Code === "" ? "" : document(s3Code)), false);
      assert.ok(failure);
      assert.equal(errorCode(failure), expected, `${status} ${s3Code}`);
    }
  });

  it("finds the error document in a 200, and takes a body cut off for a failure", () => {
    const failure = failureOf(answer(200, `\n  ${document("InternalError")}`), true);
    assert.equal(failure?.s3Code, "InternalError");
    assert.equal(failure && errorCode(failure), "unavailable");
    const cut = failureOf(answer(200, "<CopyObjectResult><ETag>"), true);
    assert.equal(cut && errorCode(cut), "unavailable");
    assert.equal(failureOf(answer(200, "<CopyObjectResult/>"), true), undefined);
  });

  it("takes no object's content for an error", () => {
    assert.equal(failureOf(answer(200, document("InternalError")), false), undefined);
  });
});

describe("isPreconditionFailure", () => {
  it("counts 412 and 409 ConditionalRequestConflict, and NoSuchKey only where an object was expected", () => {
    const of = (status: number, s3Code: string, expectsObject: boolean) =>
      isPreconditionFailure({ status, s3Code, message: "" }, expectsObject);
    assert.equal(of(412, "PreconditionFailed", false), true);
    assert.equal(of(412, "HTTP 412", false), true);
    assert.equal(of(409, "ConditionalRequestConflict", false), true);
    assert.equal(of(409, "OperationAborted", true), false);
    assert.equal(of(404, "NoSuchKey", true), true);
    assert.equal(of(404, "NoSuchKey", false), false);
    assert.equal(of(404, "NoSuchBucket", true), false);
  });
});

describe("toError", () => {
  it("names the region of a bucket that is elsewhere, from header or document", () => {
    const redirect = failureOf(
      answer(301, document("PermanentRedirect"), { "x-amz-bucket-region": "eu-west-1" }),
      false,
    );
    assert.ok(redirect);
    const error = toError(redirect, "GET key in bucket b at e", "us-east-1");
    assert.equal(
      error.message,
      "GET key in bucket b at e: PermanentRedirect (301): the bucket is in region eu-west-1, not in us-east-1",
    );
    const malformed = failureOf(
      answer(400, document("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")),
      false,
    );
    assert.ok(malformed);
    assert.match(toError(malformed, "x", "us-east-1").message, /region eu-west-1/);
  });
});

describe("parseObjectInfo", () => {
  const base = {
    etag: '"e"',
    "content-length": "3",
    "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT",
  };

  it("says that an archived object cannot be read, until it is restored", () => {
    const archived = (more: Record<string, string>) =>
      parseObjectInfo({ ...base, ...more })?.archived;
    assert.equal(archived({}), undefined);
    assert.equal(archived({ "x-amz-storage-class": "STANDARD_IA" }), undefined);
    const glacier = { "x-amz-storage-class": "GLACIER" };
    assert.equal(archived(glacier), true);
    assert.equal(archived({ ...glacier, "x-amz-restore": 'ongoing-request="true"' }), true);
    const restored = 'ongoing-request="false", expiry-date="Fri, 02 Jan 2026 00:00:00 GMT"';
    assert.equal(archived({ ...glacier, "x-amz-restore": restored }), undefined);
    const tiering = { "x-amz-storage-class": "INTELLIGENT_TIERING" };
    assert.equal(archived(tiering), undefined);
    assert.equal(archived({ ...tiering, "x-amz-archive-status": "ARCHIVE_ACCESS" }), true);
  });

  it("gives ETags their quotes, and drops the framing of an upload from the encoding", () => {
    const found = parseObjectInfo({ ...base, etag: "e", "content-encoding": "gzip,aws-chunked" });
    assert.equal(found?.etag, '"e"');
    assert.equal(found?.contentEncoding, "gzip");
    const bare = parseObjectInfo({ ...base, "content-encoding": "aws-chunked" });
    assert.equal(bare?.contentEncoding, undefined);
  });

  it("says nothing of an answer without ETag, length or date", () => {
    for (const name of Object.keys(base)) {
      const headers: Record<string, string> = { ...base };
      delete headers[name];
      assert.equal(parseObjectInfo(headers), undefined, name);
    }
  });
});
