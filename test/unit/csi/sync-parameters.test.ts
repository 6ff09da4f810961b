import assert from "node:assert/strict";
import { CsiError } from "../../../src/csi/error.ts";
import { parseParameters } from "../../../src/csi/parameters.ts";
import { volumeSpecOf } from "../../../src/csi/volume-spec-of.ts";

function specOf(given: Readonly<Record<string, string>>) {
  const parameters = parseParameters({ bucket: "data", ...given }, "volume");
  return volumeSpecOf(
    { id: "v" as never, parameters, readOnly: false },
    { default: { region: "us-east-1" } },
  );
}

describe("the parameters of durability, consistency and encryption", () => {
  it("reach the server, and leave no trace where they are the default", () => {
    const spec = specOf({
      ...{ fsyncTo: "s3", durability: "strict", consistency: "close-to-open" },
      ...{ storageClass: "STANDARD_IA", sse: "aws:kms", kmsKeyId: "alias/ours" },
      importTrigger: "ON_FILE_ACCESS",
    });
    const { fsyncTo, durability, consistency, storageClass, sse, kmsKeyId } = spec;
    assert.deepEqual(
      [fsyncTo, durability, consistency, storageClass, sse, kmsKeyId],
      ["s3", "strict", "close-to-open", "STANDARD_IA", "aws:kms", "alias/ours"],
    );
    assert.equal(spec.importSizeLessThanBytes, 0);
    const plain = specOf({ fsyncTo: "node", durability: "ordered", consistency: "relaxed" });
    for (const name of ["fsyncTo", "durability", "consistency", "sse"] as const) {
      assert.ok(!Object.hasOwn(plain, name), name);
    }
  });

  it("of what shows, what is kept and what is archived reach the server too", () => {
    const spec = specOf({
      ...{ statMetadata: "listing", archivedObjects: "restore", lostAndFound: "bucket" },
      expireAfterLastAccess: "7d",
    });
    assert.deepEqual(
      [spec.statMetadata, spec.archivedObjects, spec.lostAndFound, spec.expireAfterLastAccessMs],
      ["listing", "restore", "bucket", 7 * 24 * 3_600_000],
    );
    const plain = specOf({ statMetadata: "exact", archivedObjects: "show", lostAndFound: "local" });
    for (const name of ["statMetadata", "archivedObjects", "lostAndFound"] as const) {
      assert.ok(!Object.hasOwn(plain, name), name);
    }
    assert.equal(plain.expireAfterLastAccessMs, 30 * 24 * 3_600_000);
    assert.throws(
      () => parseParameters({ statMetadata: "listing" }, "class"),
      (error) => error instanceof CsiError && /for buckets of others/.test(error.message),
    );
  });

  it("are refused where they make no sense", () => {
    for (const [given, message] of [
      [{ storageClass: "GLACIER" }, /storageClass: 'GLACIER' is an archive/],
      [{ storageClass: "standard" }, /is no storage class/],
      [{ sse: "aws:kms", kmsKeyId: "a b" }, /is no KMS key/],
      [{ kmsKeyId: "k" }, /kmsKeyId needs sse/],
      [{ sse: "AES256", kmsKeyId: "k" }, /kmsKeyId needs sse/],
    ] as const) {
      assert.throws(
        () => specOf(given),
        (error) => error instanceof CsiError && message.test(error.message),
      );
    }
  });
});
