import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Log } from "../base/log.ts";

/** What a server may take beyond its `memoryLimit`: Node itself, its heap and the kernel's buffers for it. */
const overheadBytes = 128 * 2 ** 20;
/** Where the supervisor and its kin go: a cgroup that gives controllers to children may hold no process itself. */
const ownLeaf = "s3files-supervisor";
const serverPrefix = "s3files-server-";

/** The cgroup v2 folder of the process that these two files of `/proc/self` are of; undefined without cgroup v2. */
export function ownCgroup(mountinfo: string, cgroup: string): string | undefined {
  const mount = mountinfo
    .split("\n")
    .map((line) => line.split(" "))
    .find((fields) => fields[fields.indexOf("-") + 1] === "cgroup2");
  const path = /^0::(.*)$/m.exec(cgroup)?.[1];
  const [, , , mountedRoot, mountPoint] = mount ?? [];
  if (path === undefined || mountPoint === undefined || mountedRoot === undefined) return undefined;
  // A cgroup above the namespace's root or beside what is mounted has no folder here.
  if (path.startsWith("/..")) return undefined;
  const below = mountedRoot === "/" ? path : path.slice(mountedRoot.length);
  if (mountedRoot !== "/" && path !== mountedRoot && !path.startsWith(`${mountedRoot}/`)) {
    return undefined;
  }
  const folder = resolve(join(mountPoint, below));
  return basename(folder) === ownLeaf ? dirname(folder) : folder;
}

/**
 * A cgroup per volume below the supervisor's own, so that a server that outgrows its memory is killed alone: kubelet
 * sets oom.group on a container, and an OOM kill would end every server of the node.
 */
export class ServerCgroups {
  readonly #folder: string;
  readonly #log: Log;
  readonly #killsSeen = new Map<string, number>();

  private constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  /**
   * Makes `folder`, the cgroup that this process is in, hand its memory controller on to children. Undefined, with the
   * reason in the log, where that is not possible: servers then share the supervisor's limits, if it has any.
   * `ownsAll`: the processes in it are this container's, and may be moved to a child.
   */
  static open(
    options: { readonly folder: string | undefined; readonly ownsAll: boolean },
    log: Log,
  ): ServerCgroups | undefined {
    const { folder, ownsAll } = options;
    const without = (reason: string, error?: unknown) => {
      log.warn("Volume servers have no memory limit of their own", {
        reason,
        folder,
        ...(error === undefined ? {} : { error }),
      });
      return undefined;
    };
    if (folder === undefined) return without("cgroup v2 is not mounted here");
    try {
      if (!words(join(folder, "cgroup.controllers")).includes("memory")) {
        return without("this cgroup has no memory controller");
      }
      const control = join(folder, "cgroup.subtree_control");
      if (!words(control).includes("memory")) {
        // The root of all cgroups may hold processes beside children; it alone has no cgroup.type.
        if (existsSync(join(folder, "cgroup.type"))) {
          const pids = words(join(folder, "cgroup.procs"));
          if (!ownsAll && pids.some((pid) => pid !== String(process.pid))) {
            return without("this cgroup holds other programs too");
          }
          const leaf = join(folder, ownLeaf);
          mkdirSync(leaf, { recursive: true });
          for (const pid of pids) move(pid, leaf);
        }
        writeFileSync(control, "+memory");
      }
    } catch (error) {
      return without("this cgroup cannot be changed", error);
    }
    const cgroups = new ServerCgroups(folder, log);
    cgroups.#lookBack();
    return cgroups;
  }

  /**
   * The cgroup of a volume, made if it is missing, for a server that is about to start: at most `memoryLimitBytes` and
   * 128 MiB, no swap, all its processes killed together. Undefined when it cannot be made: a server without a limit is
   * better than none.
   */
  make(digest: string, memoryLimitBytes: number): string | undefined {
    const folder = this.#of(digest);
    const maxBytes = memoryLimitBytes + overheadBytes;
    try {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "memory.max"), String(maxBytes));
      writeFileSync(join(folder, "memory.oom.group"), "1");
      // Absent where the kernel does not account for swap.
      const swap = join(folder, "memory.swap.max");
      if (existsSync(swap)) writeFileSync(swap, "0");
      this.#killsSeen.set(digest, oomKills(folder));
      return folder;
    } catch (error) {
      this.#log.warn("A volume server gets no memory limit of its own", { folder, error });
      return undefined;
    }
  }

  /** Why the kernel killed the volume's server since it was last asked or started; undefined when it was not that. */
  causeOfDeath(digest: string): string | undefined {
    const folder = this.#of(digest);
    let kills: number;
    let limit: string;
    try {
      kills = oomKills(folder);
      limit = readFileSync(join(folder, "memory.max"), "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      this.#log.warn("Cannot see whether the kernel killed a volume server", { folder, error });
      return undefined;
    }
    const before = this.#killsSeen.get(digest) ?? 0;
    this.#killsSeen.set(digest, kills);
    if (kills <= before) return undefined;
    const mib = Math.round(Number(limit) / 2 ** 20);
    return `The kernel killed the volume server: out of memory, over its limit of ${mib} MiB`;
  }

  /** Removes the volume's cgroup. Caller: its server is gone. */
  remove(digest: string): void {
    const folder = this.#of(digest);
    this.#killsSeen.delete(digest);
    try {
      rmdirSync(folder);
    } catch (error) {
      if (!isMissing(error)) this.#log.warn("Cannot remove a volume's cgroup", { folder, error });
    }
  }

  /** What an earlier supervisor of this container has already seen is no news of the servers that are taken over. */
  #lookBack(): void {
    for (const name of readdirSync(this.#folder)) {
      if (!name.startsWith(serverPrefix)) continue;
      const digest = name.slice(serverPrefix.length);
      try {
        this.#killsSeen.set(digest, oomKills(this.#of(digest)));
      } catch (error) {
        this.#log.warn("Cannot read a volume's cgroup", { folder: this.#of(digest), error });
      }
    }
  }

  #of(digest: string): string {
    return join(this.#folder, `${serverPrefix}${digest}`);
  }
}

function words(file: string): string[] {
  return readFileSync(file, "utf8").split(/\s+/).filter(Boolean);
}

/** A process may end before it is moved, and one of another pid namespace shows as 0. */
function move(pid: string, folder: string): void {
  try {
    writeFileSync(join(folder, "cgroup.procs"), pid);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

function oomKills(folder: string): number {
  const text = readFileSync(join(folder, "memory.events"), "utf8");
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
