import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepCredentials } from "../../../src/supervisor/credentials.ts";

describe("a volume's credentials file", () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "s3files-keys-"));
    path = join(folder, "v.json");
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const keys = { accessKeyId: "a", secretAccessKey: "s" };

  it("is readable by its owner alone and replaced in one step", () => {
    assert.equal(keepCredentials(path, keys), true);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const before = statSync(path).ino;
    assert.equal(keepCredentials(path, { ...keys, sessionToken: "t" }), true);
    assert.notEqual(statSync(path).ino, before);
    assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), { ...keys, sessionToken: "t" });
    assert.deepEqual(readdirSync(folder), ["v.json"]);
  });

  it("is left alone when nothing changed", () => {
    keepCredentials(path, keys);
    const before = statSync(path).ino;
    assert.equal(keepCredentials(path, { ...keys }), false);
    assert.equal(statSync(path).ino, before);
  });

  it("goes away when the volume uses the driver's own credentials", () => {
    assert.equal(keepCredentials(path, null), false);
    keepCredentials(path, keys);
    assert.equal(keepCredentials(path, null), true);
    assert.equal(existsSync(path), false);
  });
});
