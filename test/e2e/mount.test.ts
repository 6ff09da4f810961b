import assert from "node:assert/strict";
import type { ProvisionedVolume } from "../support/csi-client.ts";
import { GuestDriver } from "../support/guest-driver.ts";
import { defineGuestSuite } from "../support/guest-tests.ts";
import { NetworkS3 } from "../support/network-s3.ts";
import { assertSameDigests, fileDigests, objectDigests } from "../support/objects-and-files.ts";
import { fileSuites } from "./file-suites.ts";

/** A tree to be found at S3: deep, empty and large files, names beyond ASCII; then edits, renames and removals. */
const makeTree = `set -eu
mkdir -p tree/a/b tree/old
head -c 3000000 /dev/urandom > tree/a/large
echo one > tree/a/b/one; echo two > "tree/a/b/zwei ü"; : > tree/empty
head -c 20000000 /dev/urandom > tree/many-parts
for i in 1 2 3; do echo $i > tree/old/$i; done
sync -f tree
echo edited | dd of=tree/many-parts bs=1 seek=9000000 conv=notrunc status=none
echo more >> tree/a/b/one
mv tree/old tree/new; rm tree/new/2; mv tree/a/large tree/new/3
truncate -s 1000 tree/a/large-and-cut; ln -s one tree/a/b/link
`;

/** Files with several names in several directories, whose first names have gone, been renamed, or stay. */
const makeLinks = `set -eu
mkdir -p links/d links/e
for i in 1 2 3 4; do
  echo "content of $i" > links/d/$i
  ln links/d/$i links/e/$i; ln links/e/$i links/$i
done
sync -f links
rm links/d/1; mv links/d/2 links/e/moved; mv links/e links/f; rm links/4; echo more >> links/f/4
`;

/** The names below \`links\` by the file that they are names of, with link count and digest. */
const listLinks = `cd links && find . -type f | sort | while read -r name; do
  echo "$(stat -c %i "$name") $(stat -c %h "$name") $(sha256sum "$name")"
done`;

/** What {@link listLinks} says, whatever the inodes' numbers are. */
function linkGroups(listing: string): string[][] {
  const lines = listing.trim().split("\n");
  const groups = Map.groupBy(lines, (line) => line.slice(0, line.indexOf(" ")));
  return [...groups.values()].map((group) => group.map((line) => line.slice(line.indexOf(" "))));
}

// Once with all exports at the end, once amid them.
for (const { minorVersion, cacheMode, writeBackDelay, entries } of [
  { minorVersion: 2, cacheMode: "full", writeBackDelay: "10m", entries: 10_000 },
  { minorVersion: 1, cacheMode: "metadata-only", writeBackDelay: "1s", entries: 1_000 },
] as const) {
  let s3: NetworkS3 | undefined;
  let driver: GuestDriver | undefined;
  let volume: ProvisionedVolume | undefined;
  const name = `files-${minorVersion}`;

  defineGuestSuite({
    title: `a mount of version 4.${minorVersion} with cacheMode ${cacheMode}`,
    files: fileSuites,
    guest: { name: `mount-4.${minorVersion}`, network: "tap" },
    timeoutMs: 900_000,
    async prepare(guest) {
      if (guest.network === undefined) throw new Error("The guest has no network");
      s3 = await NetworkS3.start(guest.network);
      driver = await GuestDriver.start(guest, { s3: s3.access });
      volume = await driver.provision(name, { cacheMode, writeBackDelay });
      const mount = await driver.mount(volume, name, [`vers=4.${minorVersion}`]);
      assert.match(
        await guest.check(`grep -F ' ${mount} ' /proc/mounts`),
        new RegExp(` nfs4 .*vers=4\\.${minorVersion},`),
      );
      return { MOUNT: mount, S3FILES_ENTRIES: String(entries) };
    },
    async finish(guest) {
      await using _s3 = s3;
      if (s3 === undefined || driver === undefined || volume === undefined) return;
      const [bucket = ""] = await s3.buckets();
      const mount = driver.placeOf(name).targetPath;
      await guest.check(`cd ${mount}\n${makeTree}`);
      await driver.flush(volume.volumeId);
      assertSameDigests(await objectDigests(s3, bucket), await fileDigests(guest, mount));
      if (cacheMode === "metadata-only") {
        const [found] = await driver.volumes();
        // What has been exported is dropped within a second or two.
        const kept = await guest.check(`cat ${mount}/tree/many-parts > /dev/null
for i in $(seq 150); do [ -z "$(find ${found?.folder}/state/data -type f -size +0)" ] && break; sleep 0.2; done
find ${found?.folder}/state/data -type f -size +0`);
        assert.equal(kept, "");
      }
      // All names come back on a node that has lost everything but the bucket.
      const [served] = await driver.volumes();
      await guest.check(`cd ${mount}\n${makeLinks}`);
      const links = linkGroups(await guest.check(`cd ${mount} && ${listLinks}`));
      assert.deepEqual(links.map(({ length }) => length).sort(), [2, 2, 3, 3]);
      await driver.unmount(volume.volumeId, name);
      await guest.check(`rm -rf ${served?.folder}`);
      await driver.mount(volume, name, [`vers=4.${minorVersion}`]);
      assert.deepEqual(linkGroups(await guest.check(`cd ${mount} && ${listLinks}`)), links);
      await driver.unmount(volume.volumeId, name);
      await driver.deprovision(volume.volumeId);
      assert.deepEqual(await s3.buckets(), []);
      assert.equal(await guest.check("grep -c nfs4 /proc/mounts || true"), "0");
      await driver.stop();
    },
  });
}
