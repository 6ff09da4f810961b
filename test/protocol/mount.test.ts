import assert from "node:assert/strict";
import {
  attributesOf,
  closeFile,
  lookup,
  makeDirectory,
  namesIn,
  openFile,
  putFile,
  readFile,
  rootOf,
} from "../support/nfs-files.ts";
import { NfsWorld } from "../support/nfs-world.ts";

for (const minorVersion of [1, 2] as const) {
  describe(`A mount with minor version ${minorVersion}`, () => {
    let world: NfsWorld;
    beforeEach(() => {
      world = new NfsWorld();
    });
    afterEach(() => world.end());

    it("makes, writes, lists and reads files", async () => {
      const client = await world.mount({ minorVersion });
      const root = await rootOf(client);
      const directory = await makeDirectory(client, root, "dir");
      await putFile(client, directory, "täst", "hello");
      assert.deepEqual(await namesIn(client, directory), ["täst"]);
      const fh = await lookup(client, directory, "täst");
      const file = await openFile(client, directory, "täst", { access: "READ" });
      assert.deepEqual(file.fh, fh);
      const { data, eof } = await readFile(client, file, 0, 100);
      assert.equal(data.toString(), "hello");
      assert.equal(eof, true);
      await closeFile(client, file);
    });

    it("answers what the Linux client asks about the server and the root", async () => {
      const client = await world.mount({ minorVersion });
      const root = await rootOf(client);
      const caps = await attributesOf(
        client,
        root,
        "supported_attrs",
        "fh_expire_type",
        "link_support",
        "symlink_support",
        "aclsupport",
        "case_insensitive",
        "case_preserving",
        "suppattr_exclcreat",
      );
      assert.equal(caps.link_support, true);
      assert.equal(caps.symlink_support, true);
      assert.equal(caps.fh_expire_type, 0);
      const fsinfo = await attributesOf(
        client,
        root,
        "maxfilesize",
        "maxread",
        "maxwrite",
        "lease_time",
        "time_delta",
        "fs_layout_types",
        "layout_blksize",
        "clone_blksize",
        "change_attr_type",
        "xattr_support",
      );
      assert.equal(fsinfo.maxread, 1048576n);
      assert.equal(fsinfo.lease_time, 20);
      assert.equal(
        fsinfo.change_attr_type,
        minorVersion === 2 ? "NFS4_CHANGE_TYPE_IS_MONOTONIC_INCR" : undefined,
      );
      const object = await attributesOf(
        client,
        root,
        "type",
        "fileid",
        "mounted_on_fileid",
        "mode",
      );
      assert.equal(object.type, "NF4DIR");
      assert.equal(object.fileid, object.mounted_on_fileid);
    });
  });
}
