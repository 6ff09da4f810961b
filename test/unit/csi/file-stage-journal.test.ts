import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CsiError } from "../../../src/csi/error.ts";
import { FileStageJournal } from "../../../src/csi/file-stage-journal.ts";
import type { StageRecord } from "../../../src/csi/stage-journal.ts";
import { volumeId } from "../../../src/csi/volume-id.ts";
import { volumeSpecOf } from "../../../src/csi/volume-spec-of.ts";

const id = volumeId("bucket/a?e=http://x");

function recordOf(over: Partial<StageRecord> = {}): StageRecord {
  return {
    format: 1,
    volumeId: id,
    stagingPath: "/var/lib/kubelet/staging",
    state: "staging",
    spec: volumeSpecOf(
      { id, parameters: { bucket: "bucket" }, readOnly: false },
      { default: { region: "us-east-1" } },
    ),
    accessMode: "SINGLE_NODE_WRITER",
    vfsFlags: [],
    nfsOptions: [],
    unpublishFlushTimeoutMs: 1,
    unstageFlushTimeoutMs: 2,
    publications: [],
    ...over,
  };
}

describe("The stage journal on disk", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "s3files-journal-"));
  });
  afterEach(() => rm(folder, { recursive: true }));
  const onlyFile = async () => join(folder, (await readdir(folder))[0] ?? "none");

  it("gives back what was written last, also to another process", async () => {
    await new FileStageJournal(folder).write(recordOf());
    const staged = recordOf({ state: "staged", unstageBeganMs: 5 });
    await new FileStageJournal(folder).write(staged);
    assert.deepEqual(await new FileStageJournal(folder).read(id), staged);
    assert.equal((await readdir(folder)).length, 1);
  });

  it("knows nothing of a volume that was never written or was removed, however often", async () => {
    const journal = new FileStageJournal(folder);
    assert.equal(await journal.read(id), undefined);
    await journal.write(recordOf());
    await journal.remove(id);
    await journal.remove(id);
    assert.equal(await journal.read(id), undefined);
    assert.deepEqual(await readdir(folder), []);
  });

  it("makes its folder for its owner alone", async () => {
    const nested = join(folder, "deep/node");
    await new FileStageJournal(nested).write(recordOf());
    assert.equal((await stat(nested)).mode & 0o777, 0o700);
  });

  it("keeps the old record when a write was cut off in the middle", async () => {
    const journal = new FileStageJournal(folder);
    await journal.write(recordOf());
    // What a crash before the rename leaves.
    await writeFile(`${await onlyFile()}.new`, '{"format":1,"volu');
    assert.equal((await journal.read(id))?.state, "staging");
    await journal.write(recordOf({ state: "staged" }));
    assert.equal((await journal.read(id))?.state, "staged");
    await journal.remove(id);
    assert.deepEqual(await readdir(folder), []);
  });

  it("refuses a damaged record, a newer format and another volume's, and names the file", async () => {
    const journal = new FileStageJournal(folder);
    await journal.write(recordOf());
    const path = await onlyFile();
    const text = await readFile(path, "utf8");
    for (const wrong of [
      "",
      text.slice(0, 50),
      text.replace('"format":1', '"format":2'),
      text.replaceAll("bucket/a", "bucket/b"),
    ]) {
      await writeFile(path, wrong);
      await assert.rejects(
        journal.read(id),
        (error: Error) => error instanceof CsiError && error.message.includes(path),
      );
    }
  });
});
