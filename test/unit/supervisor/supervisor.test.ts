import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { SupervisorClient } from "../../../src/control/supervisor-client.ts";
import { writeLeftover, writeVolumeRecord } from "../../../src/control/volume-folder.ts";
import { Supervisor } from "../../../src/supervisor/supervisor.ts";
import { hasNothingPending, removeVolumeFiles } from "../../../src/supervisor/volume-files.ts";
import { supervisorSocket, volumePaths } from "../../../src/supervisor/volume-paths.ts";
import { volumeSpec } from "../../fakes/volume-spec.ts";

describe("a supervisor without servers", () => {
  let folder: string;
  let supervisor: Supervisor;
  const paths = (digest: string) => volumePaths({ runDir: folder, stateDir: folder }, digest);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "s3files-supervisor-"));
    supervisor = new Supervisor(
      {
        ...{ runDir: folder, stateDir: folder, launcher: "/nowhere", allowNoIoFlusher: true },
        server: { node: "/nowhere", args: [] },
      },
      {
        ...{ clock: systemClock, log: silentLog, passOn: () => undefined },
        lock: { take: () => Promise.resolve(true), release: () => undefined },
      },
    );
  });
  afterEach(async () => {
    await supervisor.close({ stopVolumes: false });
    rmSync(folder, { recursive: true });
  });

  it("answers and reports the other volumes although one's folder is damaged", async () => {
    await supervisor.open();
    const [good, bad] = [join(folder, "volumes", "a"), join(folder, "volumes", "b")];
    for (const each of [good, bad]) mkdirSync(each);
    writeVolumeRecord(good, volumeSpec());
    writeFileSync(join(bad, "volume.json"), "{");
    const client = new SupervisorClient(supervisorSocket(folder));
    assert.equal(await client.isReachable(), true);
    const { volumes } = await client.status();
    assert.deepEqual(
      volumes.map((one) => [one.folder, one.lastError === undefined]),
      [
        [bad, false],
        [good, true],
      ],
    );
  });

  it("finishes the removal that a supervisor died in, and takes nothing of it for a volume", async () => {
    const { removed } = paths("a");
    mkdirSync(join(removed, "state"), { recursive: true });
    await supervisor.open();
    assert.equal(existsSync(removed), false);
    const client = new SupervisorClient(supervisorSocket(folder));
    assert.deepEqual((await client.status()).volumes, []);
  });
});

describe("the files of a stopped volume", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "s3files-files-"));
    mkdirSync(join(root, "volumes", "a"), { recursive: true });
    mkdirSync(join(root, "removed"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("hold nothing pending when no server has opened them, or the last one said so", () => {
    const folder = join(root, "volumes", "a");
    const clean = { pendingBytes: 0, oldestPendingMs: 0, lostAndFound: 0, unresolved: 0 };
    assert.equal(hasNothingPending(folder), true);
    mkdirSync(join(folder, "state"));
    assert.equal(hasNothingPending(folder), false, "its server was killed");
    writeLeftover(folder, { ...clean, unresolved: 1 });
    assert.equal(hasNothingPending(folder), false);
    writeLeftover(folder, clean);
    assert.equal(hasNothingPending(folder), true);
  });

  it("are removed whole, also over what an earlier removal left", async () => {
    const paths = volumePaths({ runDir: root, stateDir: root }, "a");
    mkdirSync(join(paths.removed, "state"), { recursive: true });
    writeFileSync(join(paths.folder, "volume.json"), "");
    await removeVolumeFiles(paths);
    await removeVolumeFiles(paths);
    assert.equal(existsSync(paths.folder) || existsSync(paths.removed), false);
  });
});
