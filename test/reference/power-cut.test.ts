/**
 * The power cut test against the kernel's own NFS server over ext4, which keeps what was synchronised: what fails here is
 * a mistake of the test. Run by `make reference`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { baseObjects } from "../support/guest-loads.ts";
import { startKnfsd } from "../support/knfsd.ts";
import { cutPower } from "../support/power-cut.ts";

describe("power cuts of the kernel's NFS server", () => {
  it("keep all that was synchronised", async function () {
    this.timeout(180_000);
    const seed = Date.now() % 1_000_000;
    await cutPower(
      {
        name: "knfsd-power-cut",
        cuts: 3,
        seed,
        stand: async (_network, loads) => ({
          diskAt: "/mnt/export",
          env: { S3FILES_REFERENCE: "1" },
          async start(guest) {
            for (const { key, bytes } of loads.flatMap(baseObjects)) {
              const path = join(guest.sharedDir, "base", key);
              mkdirSync(dirname(path), { recursive: true });
              writeFileSync(path, bytes);
            }
            await guest.check(
              `[ -e /mnt/export/load-0 ] || cp -r ${guest.sharedDir}/base/* /mnt/export && sync`,
            );
            await startKnfsd(guest);
            await guest.check("mount -t nfs4 -o vers=4.2,sec=sys,hard 127.0.0.1:/ /mnt/volume");
            return "/mnt/volume";
          },
          async [Symbol.asyncDispose]() {},
        }),
      },
      (line) => process.stdout.write(`      ${line}\n`),
    );
  });
});
