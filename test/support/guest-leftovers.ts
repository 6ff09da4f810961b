import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const prefix = "s3files-guest";

/** Begins the names of all that this process makes for its guests, so that a later run can tell whose leftovers they are. */
export const guestTag = `${prefix}-${process.pid}`;

function isDead(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}

function ownerIsDead(name: string): boolean {
  const [, pid] = new RegExp(`^${prefix}-(\\d+)(-|$)`).exec(name) ?? [];
  return pid !== undefined && isDead(Number(pid));
}

/**
 * Removes what a run that was ended with SIGKILL could not: its folders in `folders`, its network namespaces.
 * Its guests have ended by themselves, because their command line closed.
 */
export function removeLeftovers(folders: readonly string[]): void {
  for (const folder of folders) {
    for (const name of namesIn(folder)) {
      if (ownerIsDead(name)) rmSync(join(folder, name), { recursive: true, force: true });
    }
  }
  for (const name of namesIn("/run/netns")) {
    if (ownerIsDead(name)) execFileSync("ip", ["netns", "del", name]);
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
