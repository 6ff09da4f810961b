import assert from "node:assert/strict";
import { jsonLog } from "../../../src/base/log.ts";
import { rootInode } from "../../../src/cache/volume-state.ts";
import { Call, Suspended } from "../../../src/vfs/call.ts";
import { type Driver, root } from "../../support/file-system-driver.ts";
import { VolumeCase } from "../../support/volume-case.ts";

describe("what survives", () => {
  let volume: VolumeCase;
  let d: Driver;
  let logged: string[];
  beforeEach(() => {
    logged = [];
    const log = jsonLog({ level: "warn", fields: {} }, (line) => logged.push(line));
    volume = new VolumeCase({}, log);
    d = volume.driver;
  });
  afterEach(() => volume.close());

  const verifier = () => Buffer.from(volume.fileSystem.writeVerifier).toString("hex");

  it("keeps everything acknowledged, and the write verifier, over a restart in the same boot", async () => {
    const file = await d.create("a");
    await d.write(file, 0, "unstable");
    const before = verifier();
    await volume.restart();
    assert.equal(await d.text("a"), "unstable");
    assert.equal(verifier(), before);
  });

  it("cuts off what was appended and not committed before the machine died, and says so", async () => {
    const file = await d.create("a");
    await d.write(file, 0, "committed");
    await d.commit(file);
    await d.write(file, 9, " and appended");
    await d.write(file, 0, "COMM");
    const before = verifier();
    await volume.restart("boot 2");
    assert.match(await d.text("a"), /^(comm|COMM)itted$/);
    assert.notEqual(verifier(), before);
    assert.ok(logged.some((line) => line.includes('"path":"a"') && line.includes('"bytes":13')));
    const again = verifier();
    await volume.restart("boot 2");
    assert.equal(verifier(), again);
    assert.equal((await d.text("a")).length, 9);
  });

  it("gives a file its name back when the machine died in the middle of a rename over it", async () => {
    const silly = `.nfs${"0".repeat(24)}`;
    volume.bucket.putRemote("o", Buffer.from("old"));
    await d.at("o");
    await d.create("new");
    await d.rename("o", silly);
    await volume.restart("boot 2");
    assert.deepEqual((await d.names()).sort(), ["new", "o"]);
    assert.equal(await d.text("o"), "old");
  });

  it("removes what was open under a name that another file had taken before the machine died", async () => {
    const silly = `.nfs${"0".repeat(24)}`;
    await d.create("o");
    await d.write(await d.create("new"), 0, "new");
    await d.rename("o", silly);
    await d.rename("new", "o");
    await volume.restart();
    assert.deepEqual((await d.names()).sort(), [silly, "o"]);
    await volume.restart("boot 2");
    assert.deepEqual(await d.names(), ["o"]);
  });

  it("does not bring back what was open under a name that another file had taken and left again", async () => {
    const silly = `.nfs${"0".repeat(24)}`;
    await d.create("o");
    await d.create("new");
    await d.rename("o", silly);
    await d.rename("new", "o");
    await d.rename("o", "moved");
    await volume.restart("boot 2");
    assert.deepEqual(await d.names(), ["moved"]);
  });

  it("settles each name of a file with several by itself", async () => {
    const silly = [1, 2].map((digit) => `.nfs${String(digit).repeat(24)}`) as [string, string];
    const file = await d.create("a");
    for (const name of ["b", "c"]) await d.link("a", name);
    await d.create("new");
    await d.rename("a", silly[0]);
    await d.rename("b", silly[1]);
    await d.rename("new", "b");
    assert.equal((await d.attributes(file)).linkCount, 3);
    await volume.restart("boot 2");
    assert.deepEqual(await d.names(), ["a", "b", "c"]);
    assert.equal(await d.at("a"), file);
    assert.equal(await d.at("c"), file);
    assert.equal((await d.attributes(file)).linkCount, 2);
  });

  it("falls back to the object where an edit was not committed", async () => {
    volume.bucket.putRemote("o", Buffer.from("the object's bytes"));
    const file = await d.at("o");
    await d.write(file, 4, "XXXXXX");
    await d.write(file, 30, "far beyond the end");
    await volume.restart("boot 2");
    assert.equal(await d.text("o"), "the object's bytes".padEnd(30, "\0"));
    await volume.bucket.exportAll();
    assert.equal(
      Buffer.from(volume.bucket.objects.get("o")?.bytes ?? []).toString(),
      "the object's bytes".padEnd(30, "\0"),
    );
  });

  it("keeps a file that the application had extended, as zeros", async () => {
    const file = await d.create("a");
    await d.set(file, { sizeBytes: 20 });
    await d.write(file, 10, "lost");
    await volume.restart("boot 2");
    assert.equal(await d.text("a"), "\0".repeat(20));
  });

  it("trusts data that was written to be stable at once", async () => {
    const file = await d.create("a");
    await d.write(file, 0, "data", { stability: "dataSync" });
    await d.write(file, 4, " file", { stability: "fileSync" });
    await volume.restart("boot 2");
    assert.equal(await d.text("a"), "data file");
  });

  it("makes a commit wait for a sync that begins after it", async () => {
    const file = await d.create("a");
    const { files } = volume.state;
    const sync = files.sync.bind(files);
    const gates: (() => void)[] = [];
    files.sync = async (inode, generation) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      await sync(inode, generation);
    };
    const turns = async () => {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    await d.write(file, 0, "one");
    const order: string[] = [];
    const first = d.commit(file).then(() => order.push("first"));
    await turns();
    await d.write(file, 3, "two");
    const second = d.commit(file).then(() => order.push("second"));
    const third = d.commit(file).then(() => order.push("third"));
    await turns();
    assert.equal(gates.length, 1, "the second sync does not begin before the first has ended");
    gates[0]?.();
    await first;
    await turns();
    assert.deepEqual(order, ["first"]);
    assert.equal(gates.length, 2, "two commits share one sync");
    gates[1]?.();
    await Promise.all([second, third]);
    assert.deepEqual(volume.state.extents.unsyncedGenerations(file), []);
  });

  it("acknowledges nothing any more after a failed sync, and starts anew with another verifier", async () => {
    const file = await d.create("a");
    await d.write(file, 0, "lost?");
    const before = verifier();
    volume.state.files.sync = () => Promise.reject(new Error("EIO"));
    await d.fails("IO", (call, fs) => fs.commit(call, file));
    volume.state.files.sync = () => Promise.resolve();
    await d.fails("IO", (call, fs) => fs.commit(call, file));
    await d.fails("IO", (call, fs) => fs.write(call, file, 0, [Buffer.from("x")], "unstable"));
    await assert.rejects(d.create("b"), { code: "IO" });
    assert.equal((await d.read(file)).toString(), "lost?", "reading goes on");
    await volume.restart();
    assert.notEqual(verifier(), before);
    assert.equal(await d.text("a"), "", "what may be lost is sent again by the client");
    await d.create("b");
  });

  it("exports one moment of a file while it is being written", async () => {
    const file = await d.create("a");
    await d.write(file, 0, Buffer.alloc(1000, "1"));
    const exported = volume.bucket.exportAll();
    const writing = d.write(file, 0, Buffer.alloc(1000, "2"));
    await Promise.all([exported, writing]);
    const bytes = volume.bucket.objects.get("a")?.bytes ?? Buffer.of();
    assert.equal(new Set(bytes).size, 1);
    assert.equal(bytes.length, 1000);
    assert.ok((await d.read(file)).equals(Buffer.alloc(1000, "2")));
    await volume.bucket.exportAll();
    assert.ok(
      Buffer.from(volume.bucket.objects.get("a")?.bytes ?? []).equals(Buffer.alloc(1000, "2")),
    );
  });

  it("counts a write that is given up until its bytes have arrived", async () => {
    const file = await d.create("a");
    const call = new Call(root);
    const chunk = [Buffer.alloc(1 << 20, "x")];
    let suspended: Suspended | undefined;
    try {
      volume.transaction(() => volume.fileSystem.write(call, file, 0, chunk, "unstable"));
    } catch (error) {
      assert.ok(error instanceof Suspended);
      suspended = error;
    }
    call.close();
    assert.equal(volume.writes.stagedBytes, 1 << 20);
    let quiet = false;
    const freeze = volume.writes.whenQuiet(file, () => {
      quiet = true;
    });
    assert.equal(quiet, false);
    await suspended?.ready;
    await freeze;
    assert.equal(volume.writes.stagedBytes, 0);
    assert.equal((await d.attributes(file)).sizeBytes, 0);
  });

  it("drops nameless files at start unless they are held again", async () => {
    const kept = await d.create("kept");
    const gone = await d.create("gone");
    await d.write(kept, 0, "kept");
    for (const inode of [kept, gone]) d.fs.hold(inode);
    await d.remove("kept");
    await d.remove("gone");
    await volume.restart();
    d.fs.hold(kept);
    d.fs.dropOrphans();
    assert.equal((await d.read(kept)).toString(), "kept");
    await d.fails("STALE", (call, fs) => fs.getAttributes(call, gone));
    assert.deepEqual(volume.state.entries.page(rootInode, 0, 10), []);
  });
});
