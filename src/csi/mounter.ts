import { spawn } from "node:child_process";
import { chmod, mkdir, readFile, realpath, rmdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Log } from "../base/log.ts";
import { type MountEntry, mountAt, parseMountinfo } from "./mountinfo.ts";

/** A mount program failed or did not end in time. The message is what it printed. */
export class MountError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "MountError";
  }
}

/**
 * Mounts and unmounts. No method touches a mounted path inside this process, where a server that hangs would
 * pin a thread for ever: mounts are read from mountinfo, and system calls run in children that can be killed.
 * All methods but `mounts` and `canonicalPath` @throws {MountError}.
 */
export interface Mounter {
  mounts(): Promise<readonly MountEntry[]>;
  /** The path with symbolic links resolved in all but its last part, as mountinfo writes it. */
  canonicalPath(path: string): Promise<string>;
  /** Makes the directory and its parents if missing; `mode` is for the last one. Caller: nothing is mounted on it. */
  makeDirectory(path: string, mode: number): Promise<void>;
  /** Removes an empty directory; a missing one is fine. Never anything in it. Caller: nothing is mounted on it. */
  removeDirectory(path: string): Promise<void>;
  /** Mounts the server behind `pin` with the options of facts/nfs.md §16, tunes its readahead and dirty limit. */
  mountVolume(mount: {
    readonly pin: string;
    readonly target: string;
    readonly readOnly: boolean;
    readonly vfsFlags: readonly string[];
    readonly nfsOptions: readonly string[];
  }): Promise<void>;
  /** Makes `target` show `source`, with the flags on this mount point only. Repeating it repairs the flags. */
  bind(mount: {
    readonly source: string;
    readonly target: string;
    readonly readOnly: boolean;
    readonly vfsFlags: readonly string[];
  }): Promise<void>;
  /** Waits until the kernel has handed every dirty page of the mount at `target` to the server. */
  writeBack(target: string): Promise<void>;
  /** Unmounts what lies on top at `target`: politely, then by force, then lazily, each with its time. */
  unmount(target: string): Promise<void>;
}

const mountBudgetMs = 60_000;
const bindBudgetMs = 10_000;
const writeBackBudgetMs = 30_000;
/** A polite unmount writes the client's dirty pages to the server first. */
const unmountSteps = [
  { args: [], budgetMs: 20_000 },
  { args: ["-f"], budgetMs: 5_000 },
  { args: ["-l"], budgetMs: 5_000 },
] as const;

const volumeFlags = ["nosuid", "nodev", "noatime"];
// facts/nfs.md §16 and §1: hard, so that a restart of the server is a pause and not an error.
const volumeOptions = {
  vers: "4.2",
  proto: "tcp",
  port: "2049",
  sec: "sys",
  hard: undefined,
  timeo: "600",
  retrans: "2",
  rsize: "1048576",
  wsize: "1048576",
  acregmin: "3",
  acregmax: "60",
  acdirmin: "5",
  acdirmax: "30",
  lookupcache: "all",
  addr: "127.0.0.1",
  clientaddr: "127.0.0.1",
} as const;

/** The NFS client's option string: ours, with what the administrator may set in its place. */
export function nfsOptionString(own: readonly string[]): string {
  const options = new Map<string, string | undefined>(Object.entries(volumeOptions));
  for (const option of own) {
    const [name = "", value] = option.split("=");
    options.set(name, value);
  }
  return [...options].map(([k, v]) => (v === undefined ? k : `${k}=${v}`)).join(",");
}

/** The Linux kernel's mounts, through the launcher and util-linux. */
export class KernelMounter implements Mounter {
  readonly #launcher: string;
  readonly #mountinfo: string;
  readonly #log: Log;

  /** `mountinfo` is the kernel's list of this process's mounts unless told otherwise. */
  constructor(
    options: { readonly launcher: string; readonly mountinfo?: string | undefined },
    dependencies: { readonly log: Log },
  ) {
    this.#launcher = options.launcher;
    this.#mountinfo = options.mountinfo ?? "/proc/self/mountinfo";
    this.#log = dependencies.log;
  }

  async mounts(): Promise<readonly MountEntry[]> {
    return parseMountinfo(await readFile(this.#mountinfo, "utf8"));
  }

  async canonicalPath(path: string): Promise<string> {
    const parent = dirname(path);
    try {
      return join(await realpath(parent), basename(path));
    } catch (error) {
      if (isErrno(error, "ENOENT")) return join(await this.canonicalPath(parent), basename(path));
      throw error;
    }
  }

  async makeDirectory(path: string, mode: number): Promise<void> {
    await mkdir(dirname(path), { recursive: true, mode: 0o750 });
    try {
      await mkdir(path);
      // Not by mkdir's own mode, which the umask cuts.
      await chmod(path, mode);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw new MountError(`mkdir ${path}`, { cause: error });
    }
  }

  async removeDirectory(path: string): Promise<void> {
    try {
      await rmdir(path);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return;
      throw new MountError(`${path} cannot be removed: ${errnoOf(error)}`, { cause: error });
    }
  }

  async mountVolume(mount: Parameters<Mounter["mountVolume"]>[0]): Promise<void> {
    const { pin, target, readOnly, vfsFlags, nfsOptions } = mount;
    const flags = [...new Set([...volumeFlags, ...vfsFlags, ...(readOnly ? ["ro"] : [])])];
    await run(
      this.#launcher,
      [
        "mount",
        ...["--pin", pin, "--target", target, "--source", "127.0.0.1:/", "--type", "nfs4"],
        ...["--flags", flags.join(","), "--options", nfsOptionString(nfsOptions)],
      ],
      mountBudgetMs,
    );
    const device = mountAt(await this.mounts(), target)?.device;
    if (device !== undefined) await this.#tune(device);
  }

  /** facts/nfs.md §16, §15: the defaults are far too small to read with, and too large to be written back in time. */
  async #tune(device: string): Promise<void> {
    for (const [name, value] of [
      ["read_ahead_kb", "15360"],
      ["max_ratio", "10"],
    ] as const) {
      try {
        await writeFile(`/sys/class/bdi/${device}/${name}`, value);
      } catch (error) {
        // A read-only /sys costs speed, not correctness.
        this.#log.warn("Cannot tune the mount", { device, name, error });
      }
    }
  }

  async bind(mount: Parameters<Mounter["bind"]>[0]): Promise<void> {
    const { source, target, readOnly, vfsFlags } = mount;
    const bound = mountAt(await this.mounts(), target) !== undefined;
    if (!bound) await run("mount", ["-i", "-c", "--bind", source, target], bindBudgetMs);
    const flags = [...new Set([...volumeFlags, ...vfsFlags, readOnly ? "ro" : "rw"])];
    const options = `remount,bind,${flags.join(",")}`;
    await run("mount", ["-i", "-c", "-o", options, target], bindBudgetMs);
  }

  async writeBack(target: string): Promise<void> {
    await run("sync", ["-f", target], writeBackBudgetMs);
  }

  async unmount(target: string): Promise<void> {
    const failures: unknown[] = [];
    for (const { args, budgetMs } of unmountSteps) {
      try {
        // -i: no umount.nfs4, which asks the server; -c: no stat of the target.
        await run("umount", ["-i", "-c", ...args, target], budgetMs);
        return;
      } catch (error) {
        // A killed umount may have been through: mountinfo knows.
        if (mountAt(await this.mounts(), target) === undefined) return;
        failures.push(error);
        this.#log.warn("Unmount failed", { target, args, error });
      }
    }
    throw new MountError(`${target} cannot be unmounted: ${(failures.at(-1) as Error).message}`, {
      cause: failures[0],
    });
  }
}

function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

function isErrno(error: unknown, code: string): boolean {
  return errnoOf(error) === code;
}

/** Runs a program to its end; past `budgetMs` it is killed and left behind, for a kernel may not let it go. */
function run(program: string, args: readonly string[], budgetMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      child.unref();
      child.stderr.destroy();
      reject(new MountError(`${program} ${args[0]} took over ${budgetMs} ms`));
    }, budgetMs);
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      errors = (errors + chunk).slice(0, 2000);
    });
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new MountError(`${program} cannot be run: ${errnoOf(cause)}`, { cause }));
    });
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      if (status === 0) resolve();
      else reject(new MountError(errors.trim() || `${program} ended with ${status ?? signal}`));
    });
  });
}
