import assert from "node:assert/strict";
import { pattern, sizes, TestVolume } from "./test-volume.ts";

const failpoints = ["sync.frozen", "sync.uploaded", "sync.recorded"];

describe("a crash", () => {
  for (const failpoint of failpoints) {
    for (const [what, data] of [
      ["a small file", pattern(1000)],
      ["a large file", pattern(4 * sizes.part)],
    ] as const) {
      it(`at ${failpoint} of ${what} loses nothing and makes no conflict`, async () => {
        await using volume = await new TestVolume().start();
        volume.bucket.putObject("b", "old");
        await volume.write("a", data);
        await volume.write("b", data);
        for (let nth = 1; nth <= 2; nth++) {
          volume.killAt(failpoint);
          await volume.engine.flush();
          assert.ok(volume.isDead);
          await volume.restart();
          await volume.patch("a", 10 * nth, "edit");
          data.write("edit", 10 * nth);
        }
        await volume.write("b", "new");
        await volume.flush();
        assert.ok(volume.bucket.bytes("a")?.equals(data));
        assert.equal(volume.bucket.text("b"), "new");
        assert.deepEqual(volume.bucket.unfinishedUploads(), []);
        assert.deepEqual(await volume.lost(), []);
        assert.equal(volume.engine.status().conflicts, 0);
        assert.deepEqual(
          volume.state.journal.all().filter(({ state }) => state !== "superseded"),
          [],
        );
      });
    }
  }

  it("after each upload, however often, ends with everything at S3", async () => {
    await using volume = await new TestVolume().start();
    for (const key of ["gone", "moved", "edited"]) volume.bucket.putObject(key, key);
    await volume.remove("gone");
    await volume.rename("moved", "there");
    await volume.patch("edited", 0, "EDIT");
    await volume.write("new", "new");
    let deaths = 0;
    for (; ; deaths++) {
      assert.ok(deaths < 10, "it never ends");
      volume.killAt("sync.uploaded");
      await volume.engine.flush();
      if (!volume.isDead) break;
      await volume.restart();
    }
    // Answers that come together are all there at one death.
    assert.ok(deaths >= 1 && deaths <= 3, `${deaths} deaths`);
    assert.deepEqual(volume.bucket.keys(), ["edited", "new", "there"]);
    assert.equal(volume.bucket.text("edited"), "EDITed");
  });

  it("after a deletion deletes nothing else after the restart", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "alpha");
    await volume.remove("a");
    volume.killAt("sync.deleted");
    await volume.engine.flush();
    assert.ok(volume.isDead);
    volume.bucket.putObject("a", "of another client");
    await volume.restart();
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "of another client");
    await volume.refresh();
    assert.equal(await volume.text("a"), "of another client");
  });

  it("after an upload of a file that is then removed leaves no object", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "alpha");
    volume.killAt("sync.uploaded");
    await volume.engine.flush();
    assert.deepEqual(volume.bucket.keys(), ["a"]);
    await volume.restart();
    await volume.remove("a");
    await volume.flush();
    await volume.flush();
    assert.deepEqual(volume.bucket.keys(), []);
  });

  it("in the middle of moving a directory goes on after the restart", async () => {
    await using volume = await new TestVolume().start();
    for (let index = 0; index < 20; index++) volume.bucket.putObject(`d/f${index}`, `${index}`);
    await volume.rename("d", "e");
    for (const failpoint of failpoints) {
      volume.killAt(failpoint, 3);
      await volume.engine.flush();
      assert.ok(volume.isDead);
      await volume.restart();
    }
    await volume.flush();
    assert.equal(volume.bucket.keys().length, 20);
    for (let index = 0; index < 20; index++)
      assert.equal(volume.bucket.text(`e/f${index}`), `${index}`);
    assert.deepEqual(await volume.lost(), []);
  });

  it("goes on with what was due, without being told of a change", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "alpha");
    await volume.clock.advance(59_000);
    await volume.restart();
    await volume.pass(2000);
    assert.equal(volume.bucket.text("a"), "alpha");
  });

  it("of the machine between an upload and its record makes no conflict", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "alpha");
    volume.killAt("sync.uploaded");
    await volume.engine.flush();
    await volume.restart({ reboot: true });
    await volume.flush();
    assert.equal(volume.bucket.text("a"), "alpha");
    assert.equal(await volume.text("a"), "alpha");
    assert.deepEqual(await volume.lost(), []);
  });

  it("of the machine before an upload exports what the file is then, and nothing else", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("a", "base and more");
    await volume.patch("a", 0, "EDIT");
    await volume.write("b", "never synced");
    volume.killAt("sync.frozen", 2);
    await volume.engine.flush();
    assert.ok(volume.isDead);
    await volume.restart({ reboot: true });
    const shown = [await volume.text("a"), await volume.text("b")];
    await volume.flush();
    assert.deepEqual([volume.bucket.text("a"), volume.bucket.text("b")], shown);
    assert.deepEqual(await volume.lost(), []);
  });

  it("is like a stop in the middle of an export, which the next start goes on with", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", pattern(3 * sizes.part));
    let stopped: Promise<void> | undefined;
    volume.faults.add({
      operation: "uploadPart",
      times: 1,
      action: {
        kind: "before",
        run: () => {
          stopped = volume.engine.stop();
        },
      },
    });
    await volume.engine.flush();
    await stopped;
    await volume.restart();
    await volume.flush();
    assert.ok(volume.bucket.bytes("a")?.equals(pattern(3 * sizes.part)));
    assert.deepEqual(volume.bucket.unfinishedUploads(), []);
  });
});
