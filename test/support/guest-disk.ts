import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { undoWhenAbandoned } from "./abandon.ts";
import { guestTag } from "./guest-leftovers.ts";

/** An ext4 image that outlives the guests that use it, until it is disposed. */
export interface GuestDisk extends Disposable {
  readonly path: string;
}

/** Makes an empty ext4 image of `sizeBytes` in memory; on a real disk each commit of ext4 would cost the guest about 10 ms. */
export function createDisk(sizeBytes: number): GuestDisk {
  const folder = mkdtempSync(join("/dev/shm", `${guestTag}-`));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const undo = undoWhenAbandoned(remove);
  const path = join(folder, "disk.ext4");
  writeFileSync(path, "");
  truncateSync(path, sizeBytes);
  execFileSync("mkfs.ext4", ["-q", "-F", "-E", "lazy_itable_init=1,nodiscard", path], {
    env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
  });
  return {
    path,
    [Symbol.dispose]() {
      undo[Symbol.dispose]();
      remove();
    },
  };
}
