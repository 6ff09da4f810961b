import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../base/log.ts";

/** What a server may need beside the memory that it budgets: code, heap, SQLite, the kernel's buffers. */
const overheadBytes = 128 * 2 ** 20;

/** What the kernel says of the hierarchy and of our place in it: the last two for this process and for PID 1. */
interface CgroupFiles {
  readonly mountinfo: string;
  readonly own: string;
  readonly init: string;
}

/** Where the processes of the container go that are no servers. */
const aside = "supervisor";

/** Limits each volume's server by a cgroup of its own, so that one that outgrows its memory dies alone. */
export class MemoryCgroups {
  readonly #folder: string;
  readonly #log: Log;

  private constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  /**
   * Makes the folder of this container's cgroup ready for children; undefined, with the reason in the log, where that
   * is not possible: servers then have no limit of their own. `files` stands for the kernel's in tests.
   */
  static open(
    log: Log,
    files: CgroupFiles = {
      mountinfo: "/proc/self/mountinfo",
      own: "/proc/self/cgroup",
      init: "/proc/1/cgroup",
    },
  ): MemoryCgroups | undefined {
    try {
      const folder = preparedFolder(files);
      log.info("Each volume server has a memory limit of its own", { cgroup: folder });
      return new MemoryCgroups(folder, log);
    } catch (error) {
      log.warn("Volume servers have no memory limit of their own", { error });
      return undefined;
    }
  }

  #path(digest: string): string {
    return join(this.#folder, `volume-${digest}`);
  }

  /** The cgroup of a volume, limited to its budget and what comes on top; undefined when it cannot be made. */
  make(digest: string, memoryLimitBytes: number): string | undefined {
    const path = this.#path(digest);
    try {
      if (!existsSync(path)) mkdirSync(path);
      writeFileSync(join(path, "memory.max"), String(memoryLimitBytes + overheadBytes));
      writeFileSync(join(path, "memory.oom.group"), "1");
    } catch (error) {
      this.#log.error("A volume server gets no memory limit of its own", { cgroup: path, error });
      return undefined;
    }
    try {
      writeFileSync(join(path, "memory.swap.max"), "0");
    } catch (error) {
      // A kernel that does not account swap has no such file.
      this.#log.info("Swap of a volume server is not limited", { cgroup: path, error });
    }
    return path;
  }

  /** How many processes of the volume the kernel has killed for want of memory. */
  kills(digest: string): number {
    const events = join(this.#path(digest), "memory.events");
    if (!existsSync(events)) return 0;
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync(events, "utf8"))?.[1] ?? 0);
  }

  /** Caller: the volume's server has ended. */
  remove(digest: string): void {
    const path = this.#path(digest);
    try {
      if (existsSync(path)) rmdirSync(path);
    } catch (error) {
      this.#log.warn("Cannot remove a volume's cgroup", { cgroup: path, error });
    }
  }
}

function cgroupIn(path: string): string | undefined {
  return /^0::(.*)$/m.exec(readFileSync(path, "utf8"))?.[1];
}

/**
 * The container's own cgroup: the root of a cgroup namespace, or, in a privileged container, which has the host's
 * namespace, the one that PID 1 of the container is in too. Elsewhere the processes that would have to be moved are not
 * the mounter's own.
 */
function containerFolder(files: CgroupFiles): string {
  const [, root, mountPoint] =
    /^(?:\S+ ){3}(\S+) (\S+) [^\n]*- cgroup2 /m.exec(readFileSync(files.mountinfo, "utf8")) ?? [];
  if (mountPoint === undefined) throw new Error("No cgroup v2 is mounted");
  const own = cgroupIn(files.own);
  // A supervisor that was started again is where its predecessor put everybody.
  const container = own?.replace(new RegExp(`/${aside}$`), "");
  if (container === "" || own === "/") return mountPoint;
  if (container === undefined || root !== "/" || own !== cgroupIn(files.init)) {
    throw new Error(`Not at the root of a cgroup namespace, nor in the cgroup of PID 1: in ${own}`);
  }
  return join(mountPoint, container);
}

function preparedFolder(files: CgroupFiles): string {
  const folder = containerFolder(files);
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  if (!/\bmemory\b/.test(read("cgroup.controllers"))) {
    throw new Error(`${folder} has no memory controller`);
  }
  if (/\bmemory\b/.test(read("cgroup.subtree_control"))) return folder;
  // A cgroup with processes cannot have children with controllers, unless it is the machine's root.
  if (existsSync(join(folder, "cgroup.type"))) moveProcesses(folder, read("cgroup.procs"));
  writeFileSync(join(folder, "cgroup.subtree_control"), "+memory");
  return folder;
}

function moveProcesses(folder: string, pids: string): void {
  const into = join(folder, aside);
  if (!existsSync(into)) mkdirSync(into);
  for (const pid of pids.split("\n").filter((line) => line !== "")) {
    try {
      writeFileSync(join(into, "cgroup.procs"), pid);
    } catch (error) {
      // Ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
