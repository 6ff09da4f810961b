import assert from "node:assert/strict";
import type { InodeNumber } from "../../../src/vfs/attributes.ts";
import { xattrName } from "../../../src/vfs/name.ts";
import { TestVolume } from "./test-volume.ts";

const named = (text: string) => xattrName(Buffer.from(text));

function set(
  volume: TestVolume,
  inode: InodeNumber,
  name: string,
  value: string,
): Promise<unknown> {
  const attribute = { name: named(name), value: Buffer.from(value), mode: "either" } as const;
  return volume.call((call) => volume.files.setXattr(call, inode, attribute));
}

async function get(volume: TestVolume, path: string, name: string): Promise<string> {
  const inode = await volume.inode(path);
  const value = await volume.call((call) => volume.files.getXattr(call, inode, named(name)));
  return Buffer.from(value).toString();
}

describe("extended attributes", () => {
  it("are the user metadata that an object has, and become those that it gets", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "alpha", { metadata: { author: "me" } });
    assert.equal(await get(volume, "a", "author"), "me");
    const inode = await volume.inode("a");
    await set(volume, inode, "author", "you");
    await set(volume, inode, "mime_type", "text/plain");
    await volume.flush();
    const { metadata = {} } = volume.bucket.info("a") ?? {};
    assert.equal(metadata["author"], "you");
    assert.equal(metadata["s3files-xattr-nvuw2zk7or4xazi"], "dGV4dC9wbGFpbg==");
    await volume.call((call) => volume.files.removeXattr(call, inode, named("mime_type")));
    await volume.flush();
    assert.ok(
      !Object.keys(volume.bucket.info("a")?.metadata ?? {})
        .join()
        .includes("xattr"),
    );
  });

  it("of new files and directories are there for the next node", async () => {
    await using volume = await new TestVolume().start();
    await set(volume, await volume.write("f", "x"), "k", "file");
    await volume.makeDirectory("d");
    await set(volume, await volume.inode("d"), "k", "directory");
    await volume.flush();
    assert.equal(volume.bucket.info("f")?.metadata["k"], "file");
    assert.equal(volume.bucket.info("d/")?.metadata["k"], "directory");
    await using other = await new TestVolume({ store: volume.bucket }).start();
    assert.equal(await get(other, "f", "k"), "file");
    assert.equal(await get(other, "d", "k"), "directory");
  });

  it("that are set while the file is on its way to S3 are not lost", async () => {
    await using volume = await new TestVolume().start();
    const inode = await volume.write("a", "one");
    await set(volume, inode, "first", "1");
    using _ = volume.faults.add({
      operation: "put",
      times: 1,
      action: { kind: "before", run: () => set(volume, inode, "second", "2") },
    });
    await volume.pass(60_000);
    assert.equal(volume.bucket.info("a")?.metadata["second"], undefined);
    assert.equal(await get(volume, "a", "second"), "2");
    await volume.flush();
    const { metadata = {} } = volume.bucket.info("a") ?? {};
    assert.deepEqual([metadata["first"], metadata["second"]], ["1", "2"]);
  });
});
