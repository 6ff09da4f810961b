import assert from "node:assert/strict";
import { lostFiles } from "../../../src/cache/lost-and-found.ts";
import { FsError } from "../../../src/vfs/error.ts";
import { isOneFile } from "./link-support.ts";
import { TestVolume } from "./test-volume.ts";

const code = async (run: () => Promise<unknown>): Promise<string> => {
  try {
    await run();
    return "none";
  } catch (error) {
    if (error instanceof FsError) return error.code;
    throw error;
  }
};
const openFor = async (volume: TestVolume, path: string): Promise<void> => {
  const inode = await volume.inode(path);
  await volume.call((call) => volume.files.open(call, inode, { read: true, write: false }));
};
const count = (volume: TestVolume, operation: string): number =>
  volume.bucket.requests.filter((request) => request.operation === operation).length;

describe("statMetadata listing", () => {
  const theirs = { "file-permissions": "0100600", "file-owner": "7", "file-group": "8" };

  it("asks for nobody's attributes before a file is used, and shows its own from then on", async () => {
    await using volume = await new TestVolume({ statMetadata: "listing" }).start();
    for (const name of ["a", "b", "c"]) volume.bucket.putObject(name, "abc", { metadata: theirs });
    assert.deepEqual(await volume.list(), ["a", "b", "c"]);
    const listed = await volume.attributes("a");
    assert.deepEqual([listed.mode, listed.uid, listed.sizeBytes], [0o644, 1000, 3]);
    assert.equal(count(volume, "head"), 0);
    assert.equal(await volume.text("a"), "abc");
    const used = await volume.attributes("a");
    assert.deepEqual([used.mode, used.uid, used.gid], [0o600, 7, 8]);
    assert.ok(used.change > listed.change, "clients see that something has changed");
    assert.equal(count(volume, "head"), 1);
  });

  it("judges permissions by a file's own attributes, always", async () => {
    await using volume = await new TestVolume({ statMetadata: "listing" }).start();
    volume.bucket.putObject("a", "abc", { metadata: theirs });
    const inode = await volume.inode("a");
    const access = await volume.call((call) => volume.files.permittedAccess(call, inode));
    assert.equal(access.execute, false);
    assert.equal((await volume.attributes("a")).mode, 0o600);
  });

  it("gives a symlink a new inode when it turns out to be one", async () => {
    await using volume = await new TestVolume({ statMetadata: "listing" }).start();
    volume.bucket.putObject("link", "target", { metadata: { "file-permissions": "0120777" } });
    const before = await volume.inode("link");
    assert.equal((await volume.attributes("link")).type, "file");
    await code(() => openFor(volume, "link"));
    assert.notEqual(await volume.inode("link"), before);
    assert.equal((await volume.attributes("link")).type, "symlink");
  });
});

describe("an archived object", () => {
  const archive = (volume: TestVolume): void => {
    volume.bucket.putObject("cold", "cold data");
    volume.bucket.archiveObject("cold");
  };

  it("shows with its size, and fails at open with EACCES and one line in the log", async () => {
    const lines: string[] = [];
    const log = {
      ...{ debug: () => {}, info: () => {}, error: () => {} },
      warn: (message: string) => lines.push(message),
      with: () => log,
    };
    await using volume = await new TestVolume({ log: log as never }).start();
    archive(volume);
    assert.equal((await volume.attributes("cold")).sizeBytes, 9);
    for (let tries = 0; tries < 3; tries++) {
      assert.equal(await code(() => openFor(volume, "cold")), "ACCESS");
    }
    assert.deepEqual(lines, ["An archived object cannot be opened: it has to be restored first"]);
    assert.equal(count(volume, "restore"), 0);
    volume.bucket.restoreObject("cold");
    await volume.clock.advance(11_000);
    assert.equal(await volume.text("cold"), "cold data");
  });

  it("is restored at open with archivedObjects restore, whose readers wait until that is done", async () => {
    await using volume = await new TestVolume({ archivedObjects: "restore" }).start();
    archive(volume);
    for (let tries = 0; tries < 3; tries++) {
      assert.equal(await code(() => openFor(volume, "cold")), "DELAY");
    }
    assert.equal(count(volume, "restore"), 1);
    await volume.clock.advance(11_000);
    volume.bucket.restoreObject("cold");
    assert.equal(await volume.text("cold"), "cold data");
    assert.equal(count(volume, "restore"), 1);
  });

  it("opens while all its data is here", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("cold", "cold data");
    assert.equal(await volume.text("cold"), "cold data");
    volume.bucket.archiveObject("cold");
    assert.equal(await code(() => openFor(volume, "cold")), "none");
  });
});

describe("lost+found", () => {
  const conflict = async (volume: TestVolume): Promise<void> => {
    volume.bucket.putObject("a", "first");
    await volume.refresh();
    await volume.write("a", "ours");
    await volume.write("new", "ours too");
    volume.bucket.putObject("a", "theirs");
    volume.bucket.putObject("new", "theirs too");
    await volume.engine.flush();
  };

  it("keeps with each file the key, both versions, the time and the reason", async () => {
    await using volume = await new TestVolume().start();
    const first = volume.bucket.putObject("a", "first").etag;
    await conflict(volume);
    const { files } = lostFiles(volume.state, "test", 10);
    assert.deepEqual(
      files
        .map(({ key, reason, baseEtag, wonEtag }) => [key, reason, baseEtag, wonEtag])
        .sort(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
      [
        ["a", "edited here and at S3", first, volume.bucket.info("a")?.etag],
        ["new", "made here and at S3", undefined, volume.bucket.info("new")?.etag],
      ],
    );
    assert.ok(files.every(({ atMs }) => atMs !== undefined && atMs > 0));
    await volume.restart();
    const { files: kept } = lostFiles(volume.state, "test", 10);
    assert.deepEqual(kept, files);
  });

  it("stays on the node, or goes to the bucket with lostAndFound bucket", async () => {
    await using local = await new TestVolume().start();
    await conflict(local);
    await local.flush();
    assert.deepEqual(local.bucket.keys(), ["a", "new"]);
    await using exported = await new TestVolume({ exportsLostAndFound: true }).start();
    await conflict(exported);
    await exported.flush();
    const { lostDirectory, bucket } = exported;
    const lost = bucket.keys().filter((key) => key.startsWith(`${lostDirectory}/`));
    assert.deepEqual(lost.map((key) => bucket.text(key)).sort(), ["", "ours", "ours too"]);
    assert.deepEqual([bucket.text("a"), bucket.text("new")], ["theirs", "theirs too"]);
    await exported.refresh();
    assert.equal((await exported.lost()).length, 2);
    // Restoring is a rename.
    const name = (await exported.lost()).find((one) => one.endsWith("_a")) ?? "";
    await exported.rename(`${lostDirectory}/${name}`, "back");
    await exported.flush();
    assert.equal(bucket.text("back"), "ours");
  });

  it("goes to the bucket also with what was in it before the parameter was changed", async () => {
    await using volume = await new TestVolume().start();
    await conflict(volume);
    await volume.flush();
    await volume.restart({ exportsLostAndFound: true });
    assert.ok(volume.engine.status().pendingFiles > 0);
    await volume.flush();
    const lost = volume.bucket.keys().filter((key) => key.startsWith(`${volume.lostDirectory}/`));
    assert.deepEqual(lost.map((key) => volume.bucket.text(key)).sort(), ["", "ours", "ours too"]);
    await volume.restart();
    assert.equal(volume.engine.status().pendingFiles, 0);
  });

  it("gives each version a place of its own when S3 has won there too", async () => {
    await using volume = await new TestVolume({ exportsLostAndFound: true }).start();
    await conflict(volume);
    await volume.flush();
    const directory = await volume.inode(volume.lostDirectory);
    const name = (await volume.lost()).find((one) => one.endsWith("_a")) ?? "";
    await volume.write(`${volume.lostDirectory}/${name}`, "edited again");
    volume.bucket.putObject(`${volume.lostDirectory}/${name}`, "theirs again");
    await volume.flush();
    const entries = volume.state.entries.page(directory, 0, 10);
    assert.equal(entries.length, 3);
    assert.equal(new Set(entries.map(({ cookie }) => cookie)).size, 3);
    assert.equal(await volume.text(`${volume.lostDirectory}/${name}`), "theirs again");
  });

  it("may have names of files that have others elsewhere, and a new node knows them", async () => {
    await using volume = await new TestVolume({ exportsLostAndFound: true }).start();
    await conflict(volume);
    await volume.flush();
    const { lostDirectory } = volume;
    const name = (await volume.lost()).find((one) => one.endsWith("_a")) ?? "";
    await volume.hardLink(`${lostDirectory}/${name}`, "out");
    await volume.hardLink("a", `${lostDirectory}/in`);
    await volume.flush();
    await using other = await new TestVolume({
      ...{ store: volume.bucket, exportsLostAndFound: true },
    }).start();
    await isOneFile(other, ["out", `${lostDirectory}/${name}`], "ours");
    await isOneFile(other, [`${lostDirectory}/in`, "a"], "theirs");
    // Whoever adds a name takes none away.
    await other.hardLink("a", "b");
    await other.flush();
    await volume.refresh();
    await isOneFile(volume, ["a", "b", `${lostDirectory}/in`], "theirs");
  });
});

describe("expireAfterLastAccess", () => {
  it("gives up the data of files that nobody has used for so long, not of others, nor what S3 lacks", async () => {
    const day = 60_000;
    await using volume = await new TestVolume({ expireAfterMs: day }).start();
    for (const name of ["old", "used"]) volume.bucket.putObject(name, name);
    await volume.text("old");
    await volume.text("used");
    await volume.write("dirty", "dirty");
    const cached = (path: string) =>
      volume.inode(path).then((inode) => volume.state.extents.segments(inode, 0, 3)[0]?.kind);
    volume.faults.add({ operation: "put", action: { kind: "fail" } });
    await volume.clock.advance(0.9 * day);
    await volume.text("used");
    await volume.clock.advance(0.4 * day);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await cached("old"), "absent");
    assert.equal(await cached("used"), "clean");
    assert.equal(await cached("dirty"), "dirty");
    assert.equal(await volume.text("old"), "old");
  });
});
