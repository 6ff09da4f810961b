/**
 * The file tests of test/e2e/guest against our protocol over a file system in memory, through the Linux client: what
 * fails here is a mistake of src/nfs4, and not of what lies below it. Run by `make reference`.
 */
import { fileSuites } from "../e2e/file-suites.ts";
import { defineGuestSuite } from "../support/guest-tests.ts";
import { projectDir } from "../support/uml.ts";

for (const minorVersion of [1, 2]) {
  defineGuestSuite({
    title: `our protocol over memory, version 4.${minorVersion}`,
    files: fileSuites,
    guest: { name: `memory-4.${minorVersion}` },
    async prepare(guest) {
      await guest.check(
        `cd ${projectDir}; perl -e 'syscall(157,57,1,0,0,0)==0||die "prctl: $!"; exec @ARGV' ` +
          "node test/support/serve-memory.ts 2049 > /run/serve.log 2>&1 & " +
          "until grep -q serving /run/serve.log; do sleep 0.1; done; mkdir -p /mnt/volume; " +
          `mount -t nfs4 -o vers=4.${minorVersion},sec=sys,hard 127.0.0.1:/ /mnt/volume`,
      );
      return { MOUNT: "/mnt/volume" };
    },
    async finish(guest) {
      await guest.check("umount /mnt/volume");
    },
  });
}
