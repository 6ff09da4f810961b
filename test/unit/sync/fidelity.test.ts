import assert from "node:assert/strict";
import { pattern, sizes, TestVolume } from "./test-volume.ts";

/** What another client has put with an object. */
const given = {
  contentType: "video/mp4",
  contentEncoding: "gzip",
  contentDisposition: "attachment",
  contentLanguage: "de",
  cacheControl: "no-store",
  expires: "Thu, 01 Dec 2033 16:00:00 GMT",
  storageClass: "STANDARD_IA",
  websiteRedirect: "/elsewhere",
  encryption: "aws:kms",
  kmsKeyId: "arn:aws:kms:eu-central-1:1:key/k",
  bucketKey: "true",
  metadata: { mine: "kept" },
  tags: "team=a%20b&cost=7",
} as const;

function carried(volume: TestVolume, key: string): unknown {
  const info = volume.bucket.info(key);
  const { tags: _, metadata, ...headers } = given;
  const own = Object.keys(headers) as (keyof typeof headers)[];
  return {
    ...Object.fromEntries(own.map((name) => [name, info?.[name]])),
    metadata: { mine: info?.metadata["mine"] },
    tags: volume.bucket.tagsOf(key),
  };
}

describe("what others put with an object", () => {
  for (const [kind, size] of [
    ["small", 100],
    ["large", 5 * sizes.part],
  ] as const) {
    it(`survives an edit, a chmod and a rename of a ${kind} one, whatever the volume's defaults`, async () => {
      await using volume = await new TestVolume({
        storageClass: "ONEZONE_IA",
        sse: "aws:kms",
        kmsKeyId: "ours",
      }).start();
      volume.bucket.putObject("a", pattern(size), given);
      await volume.patch("a", 3, "edit");
      await volume.flush();
      assert.deepEqual(carried(volume, "a"), given);
      await volume.setAttributes(await volume.inode("a"), { mode: 0o600 });
      await volume.flush();
      assert.deepEqual(carried(volume, "a"), given);
      await volume.rename("a", "b");
      await volume.flush();
      assert.deepEqual(carried(volume, "b"), given);
    });
  }

  it("is asked for only where there are tags, and then as they are at the upload", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("plain", "x");
    volume.bucket.putObject("tagged", "x", { tags: "a=1" });
    await volume.patch("plain", 0, "y");
    await volume.patch("tagged", 0, "y");
    volume.bucket.tagObject("tagged", "a=2&b=3");
    volume.bucket.requests.length = 0;
    await volume.flush();
    assert.equal(volume.bucket.tagsOf("tagged"), "a=2&b=3");
    const asked = volume.bucket.requests.filter(({ operation }) => operation === "tags");
    assert.deepEqual(asked, [{ operation: "tags", key: "tagged" }]);
    volume.bucket.tagObject("tagged", undefined);
    await volume.patch("tagged", 0, "z");
    await volume.flush();
    assert.equal(volume.bucket.tagsOf("tagged"), undefined);
  });

  it("is what the volume says for new objects, and their encryption for old ones without a key", async () => {
    await using volume = await new TestVolume({
      storageClass: "STANDARD_IA",
      sse: "aws:kms",
      kmsKeyId: "ours",
    }).start();
    volume.bucket.putObject("old", "x");
    await volume.patch("old", 0, "y");
    await volume.write("new", "x");
    await volume.flush();
    const [old, fresh] = [volume.bucket.info("old"), volume.bucket.info("new")];
    assert.equal(fresh?.storageClass, "STANDARD_IA");
    assert.equal(fresh?.kmsKeyId, "ours");
    assert.equal(old?.storageClass, undefined);
    assert.equal(old?.encryption, "aws:kms");
  });
});
