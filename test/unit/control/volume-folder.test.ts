import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCredentials, parseVolumeSpec } from "../../../src/control/parse-volume-spec.ts";
import {
  readLeftover,
  readVolumeRecord,
  specDigest,
  volumeIdentity,
  writeLeftover,
  writeVolumeRecord,
} from "../../../src/control/volume-folder.ts";
import { volumeSpec } from "../../fakes/volume-spec.ts";

describe("a volume's folder", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "s3files-folder-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("gives back the specification that was kept", () => {
    const spec = volumeSpec({ endpoint: "https://s3.example", caBundle: "/etc/ca.pem" });
    writeVolumeRecord(folder, spec);
    assert.deepEqual(readVolumeRecord(folder), {
      format: 1,
      identity: volumeIdentity(spec),
      spec,
    });
  });

  it("knows nothing of a volume without a record, and no leftover of a server that was killed", () => {
    assert.equal(readVolumeRecord(folder), undefined);
    assert.equal(readLeftover(folder), undefined);
    const leftover = { pendingBytes: 1, oldestPendingMs: 2, lostAndFound: 3, unresolved: 4 };
    writeLeftover(folder, leftover);
    assert.deepEqual(readLeftover(folder), leftover);
  });

  it("refuses a record of another format, and one that is damaged, naming the file", () => {
    const path = join(folder, "volume.json");
    writeVolumeRecord(folder, volumeSpec());
    writeFileSync(path, readFileSync(path, "utf8").replace('"format":1', '"format":2'));
    assert.throws(() => readVolumeRecord(folder), /volume\.json has format 2, not 1/);
    writeFileSync(path, '{"format":1');
    assert.throws(() => readVolumeRecord(folder), /volume\.json is damaged/);
  });

  it("calls a volume another one when bucket, prefix or endpoint differ, and nothing else", () => {
    const same = volumeIdentity(volumeSpec());
    for (const own of [{ bucket: "b" }, { prefix: "p/" }, { endpoint: "http://e" }]) {
      assert.notEqual(volumeIdentity(volumeSpec(own)), same);
    }
    const served = volumeSpec({ cacheMode: "metadata-only", readOnly: true, writeBackDelayMs: 0 });
    assert.equal(volumeIdentity(served), same);
  });

  it("tells specifications apart by their values, not by the order of their fields", () => {
    const spec = volumeSpec();
    const turned = Object.fromEntries(Object.entries(spec).reverse()) as unknown as typeof spec;
    assert.equal(specDigest(turned), specDigest(spec));
    assert.notEqual(specDigest(volumeSpec({ uid: 1 })), specDigest(spec));
  });
});

describe("what arrives over a control socket", () => {
  it("is a specification only when every field is one, and the error names those that are not", () => {
    const wrong = { ...volumeSpec(), prefix: "no-slash", uid: -1, bucket: undefined };
    assert.throws(() => parseVolumeSpec(wrong), {
      code: "invalid",
      message: /missing or not valid: bucket, prefix, uid$/,
    });
    assert.throws(() => parseVolumeSpec(null), { code: "invalid" });
  });

  it("loses the fields that this release does not know", () => {
    assert.deepEqual(parseVolumeSpec({ ...volumeSpec(), flavour: "mint" }), volumeSpec());
  });

  it("never shows a credential in an error", () => {
    assert.throws(
      () => parseCredentials({ accessKeyId: "AKIA", secretAccessKey: 7, sessionToken: "hush" }),
      (error: Error) => /secretAccessKey$/.test(error.message) && !/hush|AKIA/.test(error.message),
    );
  });
});
