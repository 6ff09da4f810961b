/**
 * The same random operations on our file system on disk and on the kernel's own NFS server over ext4, in one guest.
 * `S3FILES_DIFFERENCES` says how many (5,000), `S3FILES_SEED` repeats a run. Run by `make reference`.
 */
import type { Guest } from "../support/guest.ts";
import { defineGuestSuite } from "../support/guest-tests.ts";
import { startKnfsd } from "../support/knfsd.ts";
import { projectDir } from "../support/uml.ts";

const seed = process.env["S3FILES_SEED"] ?? String(2 + (Date.now() % 1_000_000));

for (const minorVersion of [1, 2]) {
  defineGuestSuite({
    title: `ours beside the kernel's NFS server, version 4.${minorVersion} (fresh seed ${seed})`,
    files: ["differential.guest.ts"],
    guest: {
      name: `differential-4.${minorVersion}`,
      disk: { sizeBytes: 2 ** 30 },
      diskAt: "/mnt/export",
    },
    timeoutMs: 3_600_000,
    async prepare(guest: Guest) {
      await startKnfsd(guest);
      await guest.check(
        "mkdir -p /mnt/ours /mnt/state; " +
          `cd ${projectDir}; perl -e 'syscall(157,57,1,0,0,0)==0||die "prctl: $!"; exec @ARGV' ` +
          "node test/support/serve-disk.ts 20490 /mnt/state > /run/serve.log 2>&1 & " +
          "until grep -q serving /run/serve.log; do sleep 0.1; done; " +
          `mount -t nfs4 -o vers=4.${minorVersion},sec=sys,hard,port=20490 127.0.0.1:/ /mnt/ours; ` +
          `mount -t nfs4 -o vers=4.${minorVersion},sec=sys,hard 127.0.0.1:/ /mnt/volume`,
      );
      const { S3FILES_DIFFERENCES, S3FILES_PROCESSES } = process.env;
      return {
        OURS: "/mnt/ours",
        THEIRS: "/mnt/volume",
        S3FILES_SEED: seed,
        ...(S3FILES_DIFFERENCES === undefined ? {} : { S3FILES_DIFFERENCES }),
        ...(S3FILES_PROCESSES === undefined ? {} : { S3FILES_PROCESSES }),
      };
    },
    async finish(guest) {
      await guest.check("umount /mnt/volume /mnt/ours");
    },
  });
}
