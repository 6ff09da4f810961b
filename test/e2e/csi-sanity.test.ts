import assert from "node:assert/strict";
import { join } from "node:path";
import { assertWholeSuite, readReport, sanityArguments } from "../support/csi-sanity.ts";
import { quoteForShell } from "../support/guest.ts";
import { GuestDriver, guestCsiSocket } from "../support/guest-driver.ts";
import { NetworkS3 } from "../support/network-s3.ts";
import { bootGuest, projectDir, type UmlGuest } from "../support/uml.ts";

const folder = "/tmp/sanity";

describe("the driver with mounts of the kernel, driven by csi-sanity", function () {
  this.timeout(600_000);
  let guest: UmlGuest;
  let s3: NetworkS3;
  let driver: GuestDriver;

  before(async () => {
    guest = await bootGuest({ name: "sanity", network: "tap", lifetimeSeconds: 600 });
    assert.ok(guest.network);
    s3 = await NetworkS3.start(guest.network);
    driver = await GuestDriver.start(guest, { s3: s3.access });
  });
  after(async () => {
    await driver?.stop();
    await s3?.[Symbol.asyncDispose]();
    await guest?.shutdown();
  });

  const nothingMounted = async () =>
    assert.equal(await guest.check("grep ' nfs4 ' /proc/mounts || true"), "");

  it("passes every spec that applies", async () => {
    const run = {
      folder,
      nodeSocket: guestCsiSocket("node"),
      controllerSocket: guestCsiSocket("controller"),
    };
    const command = [join(projectDir, "build/bin/csi-sanity"), ...sanityArguments(run)];
    const { output } = await guest.run(
      `mkdir ${folder} && ${command.map(quoteForShell).join(" ")}`,
      { timeoutMs: 500_000 },
    );
    const report = await guest.check(`cat ${folder}/report.xml`);
    assertWholeSuite(readReport(report, output));
    await nothingMounted();
    assert.deepEqual(await s3.buckets(), []);
  });

  it("lets two pods of different users and fsGroups write one file, and shows them one group", async () => {
    const volume = await driver.provision("groups", {});
    const one = await driver.mountForGroup(volume, "groups", "pod-1", 2000);
    const two = await driver.mountForGroup(volume, "groups", "pod-2", 3000);
    const as = (uid: number, group: number, script: string) =>
      guest.check(
        `setpriv --reuid ${uid} --regid ${uid} --groups ${group} sh -c ${quoteForShell(script)}`,
      );
    await as(1000, 2000, `umask 007; mkdir ${one}/dir && echo one > ${one}/dir/file`);
    await as(1001, 3000, `echo two >> ${two}/dir/file && flock ${two}/dir/file true`);
    assert.equal(await as(1000, 2000, `cat ${one}/dir/file`), "one\ntwo");
    assert.equal(await guest.check(`stat -c '%a %u %g' ${two}/dir/file`), "660 1000 2000");
    assert.equal(await guest.check(`stat -c '%a %g' ${one}`), "775 2000");
    const outsider = `setpriv --reuid 1002 --regid 1002 --clear-groups cat ${one}/dir/file`;
    assert.notEqual((await guest.run(outsider)).code, 0);
    await driver.unpublish(volume.volumeId, "pod-1");
    assert.equal(await as(1001, 3000, `cat ${two}/dir/file`), "one\ntwo");
    await driver.unpublish(volume.volumeId, "pod-2");
    await driver.unmount(volume.volumeId, "groups");
    await driver.deprovision(volume.volumeId);
    await nothingMounted();
  });
});
