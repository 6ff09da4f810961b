import assert from "node:assert/strict";
import { ObjectStoreError } from "../../../src/s3/object-store.ts";
import { unavailable } from "../../fakes/faulty-object-store.ts";
import { pattern, TestVolume } from "./test-volume.ts";
import { Gate, until } from "./waiting.ts";

describe("a deletion that S3 refuses", () => {
  it("is tried again when the object is still the one that was to go", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "x");
    await volume.list();
    await volume.write("b", "x");
    await volume.flush();
    await volume.remove("a");
    await volume.remove("b");
    // 409 ConditionalRequestConflict: another request to the key was under way.
    volume.faults.add({ operation: "delete", times: 2, action: { kind: "refuse" } });
    await volume.pass(60_000);
    await volume.pass(5_000);
    assert.deepEqual(volume.bucket.keys(), []);
    assert.deepEqual(await volume.refresh(), []);
  });

  it("is given up when somebody wrote the same bytes anew", async () => {
    await using volume = await new TestVolume({ versioned: true }).start();
    await volume.write("b", "x");
    await volume.flush();
    await volume.remove("b");
    volume.bucket.putObject("b", "x");
    volume.faults.add({ operation: "delete", times: 1, action: { kind: "refuse" } });
    await volume.pass(60_000);
    await volume.pass(5_000);
    assert.equal(volume.bucket.text("b"), "x");
    assert.deepEqual(await volume.refresh(), ["b"]);
  });
});

describe("what happens while S3 is asked", () => {
  it("a rename during the settling of a conflict keeps the file at its new name", async () => {
    await using volume = await new TestVolume({ revalidateAfterMs: 0 }).start();
    const base = pattern(200_000);
    volume.bucket.putObject("a", base);
    await volume.list();
    await volume.rename("a", "b");
    await volume.patch("b", 10, "EDIT");
    volume.bucket.putObject("b", "foreign b");
    const gate = new Gate();
    let isConflict = false;
    using _ = volume.faults.add({
      operation: ["put", "completeMultipart"],
      key: /^b$/,
      action: { kind: "after", run: () => (isConflict = true) },
    });
    let isHeld = false;
    const hold = () => {
      if (!isConflict) return undefined;
      isHeld = true;
      return gate.passed;
    };
    using __ = volume.faults.add({
      operation: "get",
      key: /^a$/,
      action: { kind: "before", run: hold },
    });
    const flushed = volume.engine.flush();
    await until(() => isConflict && isHeld);
    await volume.rename("b", "c");
    gate.open();
    await flushed;
    await volume.flush();
    await volume.refresh();
    const expected = Buffer.from(base);
    expected.write("EDIT", 10);
    assert.deepEqual(await volume.refresh(), ["b", "c"]);
    assert.equal(await volume.text("b"), "foreign b");
    assert.ok((await volume.read("c")).equals(expected));
    assert.deepEqual(volume.bucket.keys(), ["b", "c"]);
  });

  it("a PUT that a listing saw before it was recorded does not bring a renamed name back", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("keep", "k");
    await volume.flush();
    await volume.write("tmp", "content");
    const [recorded, paged] = [new Gate(), new Gate()];
    using put = volume.faults.add({
      operation: "put",
      key: /^tmp$/,
      action: { kind: "after", run: () => recorded.passed },
    });
    const flushed = volume.engine.flush();
    await until(() => put.hits === 1 && volume.bucket.keys().includes("tmp"));
    await volume.rename("tmp", "final");
    await volume.clock.advance(6000);
    let isListed = false;
    volume.faults.list = async (query, options = {}) => {
      if (query.token === "second") {
        await paged.passed;
        return { objects: [], prefixes: [], skipped: 0 };
      }
      const page = await volume.bucket.list(query, options);
      isListed = true;
      return { ...page, nextToken: "second" };
    };
    await volume.list();
    await until(() => isListed);
    await new Promise((resolve) => setImmediate(resolve));
    recorded.open();
    await flushed;
    paged.open();
    await volume.idle();
    Reflect.deleteProperty(volume.faults, "list");
    await volume.flush();
    assert.deepEqual(await volume.refresh(), ["final", "keep"]);
    assert.deepEqual(volume.bucket.keys(), ["final", "keep"]);
  });

  it("a directory moved to where somebody made its marker leaves no old marker behind", async () => {
    await using volume = await new TestVolume().start();
    await volume.makeDirectory("d1");
    await volume.flush();
    await volume.rename("d1", "d2");
    volume.bucket.putObject("d2/", "");
    await volume.engine.flush();
    await volume.refresh();
    assert.deepEqual(await volume.refresh(), ["d2"]);
    assert.deepEqual(volume.bucket.keys(), ["d2/"]);
  });

  it("a renamed file that became a symlink at S3 is moved under its new name", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "data");
    await volume.text("a");
    await volume.rename("a", "b");
    volume.bucket.putObject("a", "target", { metadata: { "file-permissions": "0120777" } });
    await volume.clock.advance(6000);
    await volume.engine.openReady(await volume.inode("b"));
    await volume.engine.flush();
    await volume.flush(); // what took the name while the first one was under way
    assert.deepEqual(await volume.refresh(), ["b"]);
    assert.equal(await volume.readLink("b"), "target");
    assert.deepEqual(volume.bucket.keys(), ["b"]);
  });

  it("a move that is settled late does not take the place of a newer deletion", async () => {
    await using volume = await new TestVolume().start();
    volume.files.hold(await volume.write("k1", "A"));
    await volume.flush();
    await volume.rename("k1", "k2");
    {
      using _ = volume.faults.add({ operation: "put", key: /^k2$/, action: { kind: "lose" } });
      using __ = volume.faults.add({ operation: "head", key: /^k2$/, action: { kind: "fail" } });
      using ___ = volume.faults.add({ operation: "delete", action: { kind: "fail" } });
      await volume.engine.flush();
      await volume.remove("k2");
      await volume.write("k1", "B");
      await volume.engine.flush();
      assert.equal(volume.bucket.text("k1"), "B");
      await volume.remove("k1");
    }
    await volume.clock.advance(120_000);
    await volume.flush();
    assert.deepEqual(await volume.refresh(), []);
    assert.deepEqual(volume.bucket.keys(), []);
  });

  it("a stream of exports does not hold up deletions for ever", async () => {
    await using volume = await new TestVolume({ parallelFiles: 1 }).start();
    await volume.write("old", "x");
    await volume.flush();
    const gate = new Gate();
    using put = volume.faults.add({
      operation: "put",
      action: { kind: "before", run: () => gate.passed },
    });
    for (const name of ["a", "b", "c"]) await volume.write(name, "");
    await volume.clock.advance(30_000);
    await volume.remove("old");
    await volume.clock.advance(31_000);
    await until(() => put.hits === 1);
    await volume.clock.advance(960_000);
    assert.ok(volume.bucket.keys().includes("old"));
    await volume.write("d", "");
    await volume.clock.advance(61_000);
    await until(() => !volume.bucket.keys().includes("old"));
    gate.open();
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), ["a", "b", "c", "d"]);
  });

  it("files that S3 refuses do not keep others from their turn", async () => {
    await using volume = await new TestVolume().start();
    for (let count = 0; count < 520; count++) await volume.create(`bad${count}`);
    const error = new ObjectStoreError("denied", "no", { s3Code: "AccessDenied", status: 403 });
    using _ = volume.faults.add({ operation: "put", key: /^bad/, action: { kind: "fail", error } });
    await volume.pass(61_000);
    await volume.write("good", "x");
    await volume.pass(61_000);
    assert.deepEqual(volume.bucket.keys(), ["good"]);
  });

  for (const isChanged of [false, true]) {
    const what = isChanged ? "changed metadata" : "nothing changed";
    it(`a deletion that arrives late makes the object anew, with ${what} here`, () =>
      lateDeletion(isChanged));
  }

  async function lateDeletion(isChanged: boolean): Promise<void> {
    await using volume = await new TestVolume().start();
    await volume.write("lock", "");
    await volume.flush();
    await volume.remove("lock");
    let late: Parameters<typeof volume.bucket.delete> | undefined;
    volume.faults.delete = (...args) => {
      late = args;
      Reflect.deleteProperty(volume.faults, "delete");
      return Promise.reject(unavailable());
    };
    await volume.engine.flush();
    await volume.write("lock", "");
    await volume.clock.advance(120_000);
    await volume.flush();
    assert.ok(late !== undefined);
    await volume.bucket.delete(...late);
    if (isChanged) await volume.setAttributes(await volume.inode("lock"), { mode: 0o600 });
    else assert.deepEqual(await volume.refresh(), ["lock"]);
    await volume.flush();
    assert.deepEqual(await volume.refresh(), ["lock"]);
    assert.deepEqual(volume.bucket.keys(), ["lock"]);
  }
});
