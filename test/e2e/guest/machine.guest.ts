import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";

describe("the machine", () => {
  it("has a kernel with an NFS client", () => {
    assert.match(readFileSync("/proc/filesystems", "utf8"), /\bnfs4$/m);
  });

  it("lets tests write to /tmp, /run, /mnt and /var/lib only for themselves", () => {
    for (const folder of ["/tmp", "/run", "/mnt", "/var/lib"]) {
      writeFileSync(`${folder}/probe`, "x");
      assert.equal(readFileSync(`${folder}/probe`, "utf8"), "x");
    }
  });

  it("cannot write to the root file system of the host", function () {
    if (process.env["S3FILES_KIND"] === "host") this.skip();
    assert.throws(() => writeFileSync("/etc/s3files-probe", "x"), { code: "EROFS" });
  });
});
