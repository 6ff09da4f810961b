import assert from "node:assert/strict";
import { pattern, sizes, TestVolume } from "./test-volume.ts";

/** The only name in lost+found. */
async function lostText(volume: TestVolume): Promise<string> {
  const names = await volume.lost();
  assert.equal(names.length, 1, names.join(" "));
  return volume.text(`${volume.lostDirectory}/${names[0]}`);
}

describe("a conflict", () => {
  it("keeps both versions: S3's at the path, the local one in lost+found", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "base");
    await volume.text("a");
    await volume.write("a", "local");
    volume.bucket.putObject("a", "foreign");
    await volume.flush();
    assert.equal(await volume.text("a"), "foreign");
    assert.equal(volume.bucket.text("a"), "foreign");
    assert.match((await volume.lost())[0] ?? "", /^[0-9a-f]{10}_a$/);
    assert.equal(await lostText(volume), "local");
    assert.equal(volume.engine.status().conflicts, 1);
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["a"]);
  });

  it("leaves those who hold the file with their own version", async () => {
    await using volume = await new TestVolume().start();
    const inode = await volume.write("a", "local");
    volume.files.hold(inode);
    volume.bucket.putObject("a", "foreign");
    await volume.flush();
    assert.notEqual(await volume.inode("a"), inode);
    await volume.writeInode(inode, 5, "+more");
    await volume.flush();
    assert.equal((await volume.readInode(inode)).toString(), "local+more");
    assert.equal(volume.bucket.text("a"), "foreign");
  });

  it("keeps what of the base was cached, and says so where bytes of it are lost", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("cached", "0123456789");
    volume.bucket.putObject("absent", "0123456789");
    await volume.text("cached");
    await volume.patch("cached", 2, "XX");
    await volume.patch("absent", 2, "XX");
    volume.bucket.putObject("cached", "foreign");
    volume.bucket.putObject("absent", "foreign");
    await volume.flush();
    const [absent, cached] = (await volume.lost()).sort((a, b) =>
      a.slice(11).localeCompare(b.slice(11)),
    );
    assert.equal(await volume.text(`${volume.lostDirectory}/${cached}`), "01XX456789");
    await assert.rejects(volume.read(`${volume.lostDirectory}/${absent}`), { code: "IO" });
    const inode = await volume.inode(`${volume.lostDirectory}/${absent}`);
    const part = await volume.call((call) => volume.files.read(call, inode, 2, 2));
    assert.equal(Buffer.concat(part.chunks).toString(), "XX");
  });

  it("over metadata alone gives the path to S3's version and moves nothing", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "base");
    await volume.setAttributes(await volume.inode("a"), { mode: 0o600 });
    volume.bucket.putObject("a", "foreign");
    await volume.flush();
    assert.equal(await volume.text("a"), "foreign");
    assert.equal((await volume.attributes("a")).mode, 0o644);
    assert.deepEqual(await volume.lost(), []);
  });

  it("with a rename shows S3's object at the new name and ours at its old one", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "mine");
    await volume.list();
    await volume.rename("a", "b");
    volume.bucket.putObject("b", "foreign");
    await volume.flush();
    assert.deepEqual(await volume.refresh(), ["a", "b"]);
    assert.equal(await volume.text("a"), "mine");
    assert.equal(await volume.text("b"), "foreign");
    assert.deepEqual(await volume.lost(), []);
  });

  it("with a rename and an edit keeps the whole local version", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "0123456789");
    await volume.patch("a", 0, "AB");
    await volume.rename("a", "b");
    volume.bucket.putObject("b", "foreign");
    await volume.flush();
    assert.equal(await volume.text("b"), "foreign");
    assert.equal(await lostText(volume), "AB23456789");
  });

  it("with a deletion at S3 keeps an edit by writing the object anew", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "base");
    await volume.text("a");
    await volume.patch("a", 4, "+edit");
    volume.bucket.deleteObject("a");
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "base+edit");
    assert.deepEqual(await volume.lost(), []);
  });

  it("with a deletion at S3 lets a file go whose data was not edited", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "base");
    await volume.setAttributes(await volume.inode("a"), { mode: 0o600 });
    volume.bucket.deleteObject("a");
    await volume.flush();
    assert.equal(await volume.exists("a"), false);
  });

  it("never deletes an object that somebody wrote after the name was removed here", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "old");
    await volume.remove("a");
    volume.bucket.putObject("a", "somebody's");
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "somebody's");
    assert.deepEqual(await volume.refresh(), ["a"]);
    assert.equal(await volume.text("a"), "somebody's");
  });

  it("is found by a reader whose base has been replaced", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "0123456789");
    const inode = await volume.inode("a");
    await volume.patch("a", 0, "AB");
    volume.bucket.putObject("a", "foreign");
    await assert.rejects(volume.readInode(inode), { code: "IO" });
    assert.equal(await volume.text("a"), "foreign");
    assert.equal((await volume.lost()).length, 1);
  });

  it("goes where the file was moved to when the object under its old name changes", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "one");
    await volume.list();
    await volume.rename("a", "b");
    volume.bucket.putObject("a", "second");
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["b"]);
    assert.equal(volume.bucket.text("b"), "second");
    assert.equal(await volume.text("b"), "second");
  });
});

describe("a lost answer", () => {
  for (const operation of ["put", "completeMultipart"] as const) {
    it(`of ${operation} is no conflict: the object carries our mark`, async () => {
      await using volume = await new TestVolume().start();
      const data = pattern(operation === "put" ? 100 : 3 * sizes.part);
      await volume.write("a", data);
      using fault = volume.faults.add({ operation, times: 1, action: { kind: "lose" } });
      await volume.flush();
      assert.equal(fault.hits, 1);
      assert.ok(volume.bucket.bytes("a")?.equals(data));
      await volume.write("a", "next");
      await volume.flush();
      assert.equal(volume.bucket.text("a"), "next");
      assert.deepEqual(await volume.lost(), []);
    });
  }

  it("of a deletion is asked again", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "A");
    await volume.remove("a");
    using fault = volume.faults.add({ operation: "delete", times: 1, action: { kind: "lose" } });
    await volume.engine.flush();
    await volume.pass(60_000);
    assert.equal(fault.hits, 1);
    assert.deepEqual(volume.bucket.keys(), []);
    assert.equal(volume.state.journal.countTombstones(), 0);
  });

  it("whose object another client replaced at once is a conflict", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "local");
    volume.faults.add({ operation: "put", times: 1, action: { kind: "lose" } });
    volume.faults.add({
      operation: "put",
      times: 1,
      action: { kind: "after", run: () => volume.bucket.putObject("a", "foreign") },
    });
    await volume.flush();
    assert.equal(await volume.text("a"), "foreign");
    assert.equal(await lostText(volume), "local");
  });

  it("of a request that arrives after it was given up is overwritten by the newer version", async () => {
    await using volume = await new TestVolume().start();
    const inode = await volume.write("a", "first");
    let late: (() => void) | undefined;
    volume.faults.add({
      operation: "put",
      times: 1,
      action: {
        kind: "before",
        run: () => {
          // The request is on its way for long: nothing is there yet when S3 is asked.
          const { metadata } = headersOf(volume);
          late = () => volume.bucket.putObject("a", "first", { metadata });
          throw new Error("no answer");
        },
      },
    });
    await volume.engine.flush();
    assert.deepEqual(volume.bucket.keys(), []);
    await volume.writeInode(inode, 0, "SECOND");
    volume.faults.add({
      operation: "put",
      times: 1,
      action: { kind: "before", run: () => late?.() },
    });
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "SECOND");
    assert.deepEqual(await volume.lost(), []);
  });

  it("of a request that arrives after its file was removed leaves nothing behind", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "first");
    let late: (() => void) | undefined;
    volume.faults.add({
      operation: "put",
      times: 1,
      action: {
        kind: "before",
        run: () => {
          const { metadata } = headersOf(volume);
          late = () => volume.bucket.putObject("a", "first", { metadata });
          throw new Error("no answer");
        },
      },
    });
    await volume.engine.flush();
    await volume.remove("a");
    await volume.flush();
    late?.();
    assert.deepEqual(await volume.refresh(), []);
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), []);
  });
});

/** The headers of the attempt that is under way. */
function headersOf(volume: TestVolume): { metadata: Record<string, string> } {
  const [attempt] = volume.state.journal.all().filter(({ state }) => state === "sent");
  return JSON.parse(attempt?.detail ?? "{}").headers;
}
