/**
 * The file tests of test/e2e/guest against the kernel's own NFS server over ext4, in one guest: what fails here is a
 * mistake of the test, or a documented difference. Run by `make reference`.
 */
import { fileSuites } from "../e2e/file-suites.ts";
import type { Guest } from "../support/guest.ts";
import { defineGuestSuite } from "../support/guest-tests.ts";
import { startKnfsd } from "../support/knfsd.ts";

for (const minorVersion of [1, 2]) {
  defineGuestSuite({
    title: `the kernel's NFS server, version 4.${minorVersion}`,
    files: fileSuites,
    guest: {
      name: `knfsd-4.${minorVersion}`,
      // Not tmpfs: Linux 6.1 answers reads across the border of a hole with wrong bytes there.
      disk: { sizeBytes: 2 ** 30 },
      diskAt: "/mnt/export",
    },
    async prepare(guest: Guest) {
      await startKnfsd(guest);
      await guest.check(
        `mount -t nfs4 -o vers=4.${minorVersion},sec=sys,hard 127.0.0.1:/ /mnt/volume`,
      );
      return { MOUNT: "/mnt/volume", S3FILES_REFERENCE: "1" };
    },
    async finish(guest) {
      await guest.check("umount /mnt/volume");
    },
  });
}
