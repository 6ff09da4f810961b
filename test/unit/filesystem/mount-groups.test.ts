import assert from "node:assert/strict";
import type { Caller } from "../../../src/vfs/call.ts";
import type { Access } from "../../../src/vfs/file-system.ts";
import { bob, type Driver, named } from "../../support/file-system-driver.ts";
import { VolumeCase } from "../../support/volume-case.ts";

/** A pod's process: a user of its own, a primary group of its own, and the fsGroup beside it. */
const pod = (uid: number, fsGroup: number): Caller => ({ uid, gid: uid, groups: [fsGroup] });
const one = pod(1000, 2000);
const other = pod(1001, 3000);

describe("groups that pods ask for with fsGroup", () => {
  let volume: VolumeCase;
  let d: Driver;
  beforeEach(() => {
    volume = new VolumeCase();
    d = volume.driver;
  });
  afterEach(() => volume.close());

  const access = (path: string, caller: Caller): Promise<Access> =>
    d.at(path).then((inode) => d.run((call, fs) => fs.permittedAccess(call, inode), caller));
  const shown = async (path: string) => {
    const { mode, gid } = await d.attributes(await d.at(path));
    return [mode.toString(8), gid];
  };

  it("let their members write what has the volume's own owner and mode, and nobody else", async () => {
    await d.create("untouched");
    const all = { read: true, write: true, execute: true };
    assert.deepEqual(await access("", one), { read: true, write: false, execute: true });
    volume.fileSystem.setMountGroups([2000]);
    assert.deepEqual(await access("", one), all);
    assert.deepEqual(await access("untouched", one), { ...all, execute: false });
    assert.deepEqual(await access("", other), { read: true, write: false, execute: true });
    const guarded = { kind: "guarded" } as const;
    await d.run((call, fs) => fs.createFile(call, fs.root, named("a"), guarded, {}), one);
    await d.fails(
      "ACCESS",
      (call, fs) => fs.createFile(call, fs.root, named("b"), guarded, {}),
      other,
    );
  });

  it("are each the object's group, and the first is shown", async () => {
    volume.fileSystem.setMountGroups([2000, 3000]);
    await d.create("untouched");
    await d.create("own", { mode: 0o660 }, one);
    assert.deepEqual(await shown("untouched"), ["664", 2000]);
    assert.deepEqual(await shown("own"), ["660", 2000]);
    assert.deepEqual(await shown(""), ["775", 2000]);
    const both = { read: true, write: true, execute: false };
    assert.deepEqual(await access("own", other), both);
    assert.deepEqual(await access("own", bob), { read: false, write: false, execute: false });
  });

  it("leave an object's own mode alone: what its owner keeps from the group stays kept", async () => {
    volume.fileSystem.setMountGroups([2000, 3000]);
    await d.create("key", { mode: 0o600 }, one);
    await d.mkdir("data", { mode: 0o700 }, one);
    assert.deepEqual(await shown("key"), ["600", 2000]);
    assert.deepEqual(await access("key", other), { read: false, write: false, execute: false });
    assert.deepEqual(await access("data", other), { read: false, write: false, execute: false });
  });

  it("change nothing that is stored: without them everything is as before", async () => {
    const file = await d.create("untouched");
    volume.fileSystem.setMountGroups([2000]);
    await d.create("made", { mode: 0o640 }, one);
    volume.fileSystem.setMountGroups([]);
    assert.deepEqual(await shown("untouched"), ["644", 0]);
    assert.deepEqual(await shown("made"), ["640", 1000]);
    assert.equal(volume.state.inodes.get(file)?.gid, 0);
  });
});
