import assert from "node:assert/strict";
import { unavailable } from "../../fakes/faulty-object-store.ts";
import { pattern, TestVolume } from "./test-volume.ts";
import { Gate, until } from "./waiting.ts";

describe("bytes that S3 does not have any more", () => {
  it("never go up as zeros: the export is refused until they are written or cut off", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("f", pattern(200_000));
    await volume.patch("f", 10, "EDIT");
    volume.bucket.putObject("f", "somebody else");
    await volume.flush();
    const [name] = await volume.lost();
    await volume.rename(`${volume.lostDirectory}/${name}`, "rescued");
    const { errors } = await volume.engine.flush();
    assert.match(errors[0]?.message ?? "", /lost/);
    assert.deepEqual(volume.bucket.keys(), ["f"]);
    await assert.rejects(volume.read("rescued"), { code: "IO" });
    await volume.setAttributes(await volume.inode("rescued"), { sizeBytes: 0 });
    await volume.patch("rescued", 0, "healed");
    await volume.flush();
    assert.equal(volume.bucket.text("rescued"), "healed");
  });

  it("are not made up when names are swapped and one base was replaced at S3", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", pattern(100_000, 1));
    volume.bucket.putObject("b", pattern(100_000, 2));
    await volume.list();
    await volume.rename("a", "t");
    await volume.rename("b", "a");
    await volume.rename("t", "b");
    volume.bucket.putObject("a", "somebody's a");
    for (let round = 0; round < 3; round++) {
      await volume.engine.flush();
      await volume.clock.advance(120_000);
    }
    const shown = [];
    for (const key of volume.bucket.keys()) shown.push(volume.bucket.text(key));
    assert.ok(shown.includes("somebody's a"), String(volume.bucket.keys()));
    assert.ok(shown.every((text) => text === undefined || !/^\0+$/.test(text.slice(0, 1000))));
    assert.deepEqual(await volume.lost(), [], "nothing was edited here");
  });

  it("are not lost when a read of the version before our own export is still under way", async () => {
    await using volume = await new TestVolume().start();
    const base = pattern(300_000);
    volume.bucket.putObject("f", base);
    const inode = await volume.inode("f");
    volume.files.hold(inode);
    await volume.patch("f", 290_000, "EDIT");
    const gate = new Gate();
    using fault = volume.faults.add({
      operation: "get",
      nth: 1,
      action: { kind: "before", run: () => gate.passed },
    });
    const reading = volume.engine.fetch(inode, 0, 1000).catch(() => undefined);
    await until(() => fault.hits === 1);
    await volume.flush();
    await volume.rename("f", ".nfs000000000000000100000001");
    let isLooking = false;
    using _ = volume.faults.add({
      operation: ["get", "head"],
      action: { kind: "before", run: () => (isLooking = true) },
    });
    const flushed = volume.engine.flush();
    await Promise.race([until(() => isLooking), new Promise((resolve) => setTimeout(resolve, 50))]);
    gate.open();
    await flushed;
    await reading;
    const expected = Buffer.from(base);
    expected.write("EDIT", 290_000);
    assert.ok((await volume.readInode(inode)).equals(expected));
    assert.deepEqual(volume.bucket.keys(), []);
  });

  it("are not made up when S3 answers short", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("f", "0123456789");
    await volume.patch("f", 0, "AB");
    volume.faults.get = async (...args) => {
      const answer = await volume.bucket.get(...args);
      return answer.kind === "read" ? { ...answer, data: answer.data.subarray(1) } : answer;
    };
    assert.match((await volume.engine.flush()).errors[0]?.message ?? "", /gave 7 bytes, not 8/);
    assert.equal(volume.bucket.text("f"), "0123456789");
    Reflect.deleteProperty(volume.faults, "get");
    await volume.flush();
    assert.equal(volume.bucket.text("f"), "AB23456789");
  });

  it("are found in a late request of our own, which is no conflict", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("f", pattern(400_000));
    await volume.patch("f", 0, "EDIT-ONE");
    const late = volume.bucket.completeMultipart.bind(volume.bucket);
    type Args = Parameters<typeof late>;
    let held: Args | undefined;
    using _ = volume.faults.add({ operation: "abortMultipart", action: { kind: "fail" } });
    volume.faults.completeMultipart = (...args: Args) => {
      held = args;
      Reflect.deleteProperty(volume.faults, "completeMultipart");
      return Promise.reject(unavailable());
    };
    await volume.engine.flush();
    assert.ok(held !== undefined);
    assert.equal((await volume.bucket.completeMultipart(...held)).kind, "stored");
    await volume.patch("f", 100, "EDIT-TWO");
    await volume.clock.advance(120_000);
    await volume.flush();
    const expected = pattern(400_000);
    expected.write("EDIT-ONE", 0);
    expected.write("EDIT-TWO", 100);
    assert.deepEqual(await volume.lost(), []);
    assert.ok(volume.bucket.bytes("f")?.equals(expected));
    assert.ok((await volume.read("f")).equals(expected));
  });
});
