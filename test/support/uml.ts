import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  closeSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { Duplex } from "node:stream";
import { setTimeout as after } from "node:timers/promises";
import { undoWhenAbandoned } from "./abandon.ts";
import { commandsOver, type Guest, guestKind, requireProgram } from "./guest.ts";
import { GuestChannel } from "./guest-channel.ts";
import { createDisk, type GuestDisk } from "./guest-disk.ts";
import { guestTag, removeLeftovers } from "./guest-leftovers.ts";
import { createGuestNetwork, type GuestNetwork } from "./guest-network.ts";

/** How to boot a guest. */
export interface GuestOptions {
  /** For what only a User Mode Linux can do. Default: what {@link guestKind} says. */
  readonly kind?: "uml";
  /** Names the log file: `build/logs/guest-<name>.log`, overwritten by the next guest of that name. */
  readonly name: string;
  /** Memory of a User Mode Linux. Default 1000. */
  readonly memoryMb?: number;
  /**
   * An ext4 file system mounted at `diskAt`, with write barriers: an empty one of that size, or one of the caller's, which in
   * the next guest holds what was synced.
   */
  readonly disk?: GuestDisk | { readonly sizeBytes: number };
  /** Default `/var/lib/s3files`. */
  readonly diskAt?: string;
  /**
   * `tap` connects the guest to a namespace of the host, see {@link UmlGuest.network}; one of the caller's outlives the
   * guest, with the servers in it. Default `none`.
   */
  readonly network?: "none" | "tap" | GuestNetwork;
  /** Environment of all commands. */
  readonly env?: Readonly<Record<string, string>>;
  /** The guest is killed after this time, even when the test run is gone. Default 1,800. */
  readonly lifetimeSeconds?: number;
}

/** A guest that may have a network to the host. */
export interface UmlGuest extends Guest {
  readonly network: GuestNetwork | undefined;
}

/** The checkout. */
export const projectDir = join(import.meta.dirname, "../..");
const support = import.meta.dirname;
const build = join(projectDir, "build");
const defaultDiskAt = "/var/lib/s3files";
const guestsDir = join(build, "guests");

/**
 * Boots a guest where {@link guestKind} says and resolves when it takes commands (User Mode Linux: 2 to 5 s).
 * Nothing of it is left after `shutdown`, `kill`, disposal, a failed boot, or the end of the test run.
 * @throws {Error} with the end of the console when it does not boot.
 */
export async function bootGuest(options: GuestOptions): Promise<UmlGuest> {
  mkdirSync(join(build, "logs"), { recursive: true });
  mkdirSync(guestsDir, { recursive: true });
  removeLeftovers([guestsDir, "/dev/shm"]);
  const kind = options.kind ?? guestKind();
  if (kind === "host" && options.disk !== undefined) {
    throw new Error("A guest with a disk needs S3FILES_E2E=uml");
  }
  const logPath = join(build, "logs", `guest-${options.name}.log`);
  const log = createWriteStream(logPath);
  using undoing = new DisposableStack();
  const sharedDir = undoing.adopt(join(guestsDir, `${guestTag}-${randomUUID()}`), removeFolder);
  undoing.use(undoWhenAbandoned(() => removeFolder(sharedDir)));
  mkdirSync(sharedDir);
  const network = networkOf(options.network, undoing);
  const disk = diskOf(options.disk, undoing);
  const recordPath = join(sharedDir, "record");

  const child =
    kind === "uml"
      ? startUml(options, { sharedDir, recordPath, network, disk })
      : startOnHost(options, sharedDir, network);
  const session = child.pid;
  if (session === undefined) throw new Error("The guest's process cannot be started");
  const killAll = () => killGuest(session, sharedDir);
  undoing.use(undoWhenAbandoned(killAll));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const channel = channelOf(child, kind);
  child.once("close", () => {
    channel.close(new Error(`The guest '${options.name}' has ended; see ${logPath}`));
    log.end();
  });
  for (const stream of [child.stderr, kind === "uml" ? child.stdout : undefined]) {
    stream?.on("data", (bytes: Buffer) => void log.write(bytes));
  }

  const read = () => (existsSync(recordPath) ? readFileSync(recordPath, "latin1") : "");
  let lastRecord: string | undefined;
  const kill = async () => {
    killAll();
    await ended;
    lastRecord ??= read();
    cleanUp.dispose();
  };
  const cleanUp = undoing.move();
  try {
    const late = after(60_000, undefined, { ref: false }).then(() => {
      throw new Error(`The guest '${options.name}' took more than 60 s to boot`);
    });
    await Promise.race([channel.ready, late]);
  } catch (cause) {
    await kill();
    const tail = readFileSync(logPath, "utf8").split("\n").slice(-15).join("\n");
    throw new Error(`The guest '${options.name}' did not boot:\n${tail}`, { cause });
  }
  const env = {
    ...options.env,
    S3FILES_RECORD: kind === "uml" ? "/dev/ttyS1" : recordPath,
  };
  const commands = commandsOver(channel, {
    sharedDir,
    env,
    onLine: (line) => void log.write(`${line}\n`),
  });
  const shutdown = async () => {
    if (options.disk !== undefined) {
      // Whether it worked does not matter: what must survive a power cut has been synced before.
      const at = options.diskAt ?? defaultDiskAt;
      await commands
        .run(`umount ${at} || sync -f ${at}`, { timeoutMs: 5000 })
        .catch(() => undefined);
    }
    channel.off();
    await Promise.race([ended, after(15_000, undefined, { ref: false })]);
    await kill();
  };
  return {
    kind,
    logPath,
    sharedDir,
    network,
    ...commands,
    recorded: () => lastRecord ?? read(),
    kill,
    shutdown,
    [Symbol.asyncDispose]: shutdown,
  };
}

/** A guest's processes that are not dead yet: User Mode Linux leaves the session, but its command line names `folder`. */
function processesOf(session: number, folder: string): number[] {
  const read = (pid: string, file: string) => readFileSync(`/proc/${pid}/${file}`, "latin1");
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      const [state, , , of] = read(pid, "stat")
        .replace(/^.*\) /s, "")
        .split(" ");
      const isOurs = Number(of) === session || read(pid, "cmdline").includes(folder);
      return isOurs && state !== "Z" ? [Number(pid)] : [];
    } catch {
      return []; // It has ended meanwhile.
    }
  });
}

/** Kills a guest, and waits until it is gone: what it still did would come after the clean-up. */
function killGuest(session: number, folder: string): void {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < 200; tries++) {
    const pids = processesOf(session, folder);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
      }
    }
    Atomics.wait(clock, 0, 0, 20);
  }
}

function diskOf(wish: GuestOptions["disk"], undoing: DisposableStack): GuestDisk | undefined {
  return wish === undefined || "path" in wish ? wish : undoing.use(createDisk(wish.sizeBytes));
}

function networkOf(
  wish: GuestOptions["network"],
  undoing: DisposableStack,
): GuestNetwork | undefined {
  if (wish === undefined || wish === "none") return undefined;
  return wish === "tap" ? undoing.use(createGuestNetwork()) : wish;
}

function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

function initArguments(options: GuestOptions): string[] {
  return [
    `S3FILES_AGENT=${join(support, "guest-agent.pl")}`,
    `S3FILES_NODE=${dirname(process.execPath)}`,
    `S3FILES_DISK_AT=${options.diskAt ?? defaultDiskAt}`,
  ];
}

interface Places {
  readonly sharedDir: string;
  readonly recordPath: string;
  readonly network: GuestNetwork | undefined;
  readonly disk: GuestDisk | undefined;
}

function startUml(
  options: GuestOptions,
  { sharedDir, recordPath, network, disk }: Places,
): ChildProcess {
  const uml = [
    requireProgram("linux.uml", "user-mode-linux"),
    `mem=${options.memoryMb ?? 1000}M`,
    ...(disk === undefined ? [] : [`ubd0=${disk.path}`]),
    ...(network === undefined
      ? []
      : [
          `vec0:transport=tap,ifname=${network.device},depth=64,gro=1`,
          `S3FILES_ADDRESS=${network.guestAddress}`,
        ]),
    // Read-only: the guest's root is this machine's.
    ...["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"],
    "init=/bin/bash",
    ...["con=null", "con0=null,fd:1", "ssl=null", "ssl0=fd:3", "ssl1=null,fd:4"],
    ...[`uml_dir=${sharedDir}`, "umid=uml", "quiet"],
    ...initArguments(options),
    // What follows goes to init, which is bash.
    ...["--", join(support, "guest-init.sh")],
  ];
  const inNetwork = network === undefined ? [] : ["ip", "netns", "exec", network.namespace];
  const lifetime = ["timeout", "--signal=KILL", `${options.lifetimeSeconds ?? 1800}`];
  const [program = "", ...args] = [...lifetime, ...inNetwork, ...uml];
  const record = openSync(recordPath, "a");
  try {
    return spawn(program, args, {
      // A session of its own, so that the guest's processes can be ended by its number.
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "pipe", record],
      // User Mode Linux keeps the guest's memory in a file there.
      env: { PATH: process.env["PATH"], LD_PRELOAD: xstateShim(), TMPDIR: "/dev/shm" },
    });
  } finally {
    closeSync(record);
  }
}

function startOnHost(
  options: GuestOptions,
  sharedDir: string,
  network: GuestNetwork | undefined,
): ChildProcess {
  // --kill-child: the end of the first process ends the namespace's others.
  const unshare = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];
  // A guest on the host shares the network with what is beside it.
  const inNetwork =
    network === undefined ? [] : [`nsenter`, `--net=/run/netns/${network.namespace}`];
  if (network === undefined) unshare.push("--net");
  const env = ["S3FILES_ON_HOST=1", ...initArguments(options)];
  const lifetime = ["timeout", "--signal=KILL", `${options.lifetimeSeconds ?? 1800}`];
  const [program = "", ...args] = [...lifetime, ...inNetwork, "unshare", ...unshare, "env", ...env];
  return spawn(program, [...args, "bash", join(support, "guest-init.sh")], {
    detached: true,
    cwd: sharedDir,
    stdio: ["pipe", "pipe", "pipe"],
  });
}

function channelOf(child: ChildProcess, kind: "uml" | "host"): GuestChannel {
  if (kind === "host") {
    if (child.stdin === null || child.stdout === null) throw new Error("No pipes to the guest");
    return new GuestChannel(child.stdout, child.stdin);
  }
  const line = child.stdio[3];
  if (!(line instanceof Duplex)) throw new Error("No line to the guest");
  return new GuestChannel(line, line);
}

/** The library that lets User Mode Linux run on CPUs with AMX, compiled when its source is newer. */
function xstateShim(): string {
  const source = join(support, "xstate-shim.c");
  const library = join(build, "bin/xstate-shim.so");
  if (!existsSync(library) || statSync(library).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(dirname(library), { recursive: true });
    const flags = ["-O2", "-Wall", "-fPIC", "-shared", "-fno-stack-protector"];
    execFileSync(requireProgram("gcc", "gcc"), [...flags, "-o", library, source]);
  }
  return library;
}
