import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

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

const namespaces = "/run/netns";

/** What runs that are over have left: paths in `folders` and network namespaces, without those of runs that still go on. */
export function leftovers(folders: readonly string[]): string[] {
  return [...folders, namespaces].flatMap((folder) =>
    namesIn(folder)
      .filter(ownerIsDead)
      .map((name) => join(folder, name)),
  );
}

/** Processes of guests whose run is over. */
export function orphans(): number[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const [name] =
        new RegExp(`${prefix}-\\d+-`).exec(readFileSync(`/proc/${pid}/cmdline`, "latin1")) ?? [];
      return name !== undefined && ownerIsDead(name) ? [Number(pid)] : [];
    } catch {
      return []; // It has ended meanwhile.
    }
  });
}

/**
 * Removes what a run that was ended with SIGKILL could not: its folders in `folders`, its network namespaces.
 * Its guests have ended by themselves, because their command line closed.
 */
export function removeLeftovers(folders: readonly string[]): void {
  for (const path of leftovers(folders)) {
    if (dirname(path) === namespaces) execFileSync("ip", ["netns", "del", basename(path)]);
    else rmSync(path, { recursive: true, force: true });
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
