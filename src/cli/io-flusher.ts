import { readdirSync, readFileSync } from "node:fs";

/** PF_LOCAL_THROTTLE in the flags of a task: the half of PR_SET_IO_FLUSHER that stands for the whole. */
const localThrottle = 0x100000;

/**
 * Whether every thread of this process carries PR_SET_IO_FLUSHER. Without it the server's writes to its cache
 * wait for dirty pages that only the server itself can take: a loopback mount deadlocks (facts/nfs.md §15).
 */
export function isIoFlusher(): boolean {
  return readdirSync("/proc/self/task").every((task) => {
    const stat = statOf(task);
    if (stat === undefined) return true;
    // The command's name, in parentheses, may hold anything. Field 9 is the 7th after it.
    const flags = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[6]);
    return (flags & localThrottle) !== 0;
  });
}

/** A thread's line; undefined when it has ended since it was listed. */
function statOf(task: string): string | undefined {
  try {
    return readFileSync(`/proc/self/task/${task}/stat`, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}
