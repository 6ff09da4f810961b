import assert from "node:assert/strict";
import { pattern, TestVolume } from "./test-volume.ts";
import { Gate, until } from "./waiting.ts";

/** Makes `act` take the place of the first sync of a cache file; the next ones go to the disk. */
function replaceFirstSync(
  volume: TestVolume,
  act: () => Promise<void>,
): { readonly calls: number } {
  const { files } = volume.state;
  const counted = { calls: 0 };
  const sync = files.sync.bind(files);
  files.sync = (...args) => {
    counted.calls += 1;
    return counted.calls === 1 ? act().then(() => sync(...args)) : sync(...args);
  };
  return counted;
}

const failing = () => Promise.reject(Object.assign(new Error("EIO"), { code: "EIO" }));

describe("a sync of a cache file", () => {
  it("that failed for a COMMIT keeps the bytes from being trusted or uploaded", async () => {
    await using volume = await new TestVolume().start();
    const inode = await volume.write("f", "data");
    replaceFirstSync(volume, failing);
    await assert.rejects(
      volume.call((call) => volume.files.commit(call, inode)),
      { code: "IO" },
    );
    assert.equal((await volume.engine.flush()).pendingFiles, 1);
    assert.deepEqual(volume.bucket.keys(), []);
    assert.equal(volume.state.extents.unsyncedGenerations(inode).length, 1);
  });

  it("that failed for an export keeps COMMIT from acknowledging", async () => {
    await using volume = await new TestVolume().start();
    const inode = await volume.write("f", "data");
    replaceFirstSync(volume, failing);
    await volume.engine.flush();
    await assert.rejects(
      volume.call((call) => volume.files.commit(call, inode)),
      { code: "IO" },
    );
  });

  it("is made again for what was written over base bytes before the base goes", async () => {
    await using volume = await new TestVolume().start();
    volume.bucket.putObject("f", pattern(10_000));
    const inode = await volume.inode("f");
    volume.files.hold(inode);
    await volume.rename("f", ".nfs000000000000000100000001");
    let isWritten = false;
    const { files } = volume.state;
    const sync = files.sync.bind(files);
    files.sync = async (...args) => {
      await sync(...args);
      if (isWritten) return;
      isWritten = true;
      await volume.writeInode(inode, 100, "over bytes of the base");
    };
    await volume.flush();
    assert.ok(isWritten);
    assert.deepEqual(volume.bucket.keys(), []);
    assert.deepEqual(volume.state.extents.unsyncedGenerations(inode), []);
  });

  it("is not missed when its file was given up on purpose meanwhile", async () => {
    await using volume = await new TestVolume().start();
    const inode = await volume.write("f", "data");
    const gate = new Gate();
    const counted = replaceFirstSync(volume, () => gate.passed);
    const commit = () => volume.call((call) => volume.files.commit(call, inode));
    const first = commit();
    await until(() => counted.calls === 1);
    const second = commit();
    await volume.setAttributes(inode, { sizeBytes: 0 });
    await volume.state.removalsDone();
    gate.open();
    await Promise.all([first, second]);
    await volume.write("g", "the volume lives");
    await volume.flush();
    assert.equal(volume.bucket.text("g"), "the volume lives");
  });
});
