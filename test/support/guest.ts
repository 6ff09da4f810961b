import { execFileSync } from "node:child_process";
import { accessSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CommandResult, GuestChannel, GuestCommand } from "./guest-channel.ts";

/** Options of one command in a guest. */
export interface CommandOptions {
  /** Added to the guest's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called for each line of output as it comes, also of daemons that the command left behind. */
  readonly onLine?: (line: string) => void;
  /** After this time `run` kills the command and throws. Default 120,000. */
  readonly timeoutMs?: number;
}

/**
 * A machine with the Linux NFS client: a User Mode Linux, or namespaces of this host.
 * Its root is this machine's root (read-only in User Mode Linux); /run, /tmp, /mnt, /root and /var/lib are empty and its own.
 */
export interface Guest extends AsyncDisposable {
  readonly kind: "uml" | "host";
  /** File with the kernel's messages and the output of all commands, for diagnosis. */
  readonly logPath: string;
  /** A folder in which the host can put files for the guest; both see it under this path. */
  readonly sharedDir: string;
  /** Starts a bash script and returns at once. */
  start(script: string, options?: CommandOptions): GuestCommand;
  /** Runs a bash script to its end. @throws {Error} when the guest goes away or the time is over. */
  run(script: string, options?: CommandOptions): Promise<CommandResult>;
  /** Like {@link run}, and throws with the output when the exit code is not 0. Resolves to the output. */
  check(script: string, options?: CommandOptions): Promise<string>;
  /** What commands wrote to the file that `S3FILES_RECORD` names: there for good once their write(2) returned, whatever happens to the guest. */
  recorded(): string;
  /** Cuts the power: ends every process of the guest with SIGKILL. Resolves when none is left. */
  kill(): Promise<void>;
  /** Powers off in order, or cuts the power when that takes more than 15 s. */
  shutdown(): Promise<void>;
}

/** Where guests can run here: `S3FILES_E2E` (`host`, `uml`, `auto`), by default the host if its kernel has an NFS client and we are root. */
export function guestKind(): "host" | "uml" {
  const wish = process.env["S3FILES_E2E"] ?? "auto";
  if (wish === "host" || wish === "uml") return wish;
  if (wish !== "auto") throw new Error(`S3FILES_E2E is '${wish}', not host, uml or auto`);
  return process.getuid?.() === 0 && hasNfsClient() ? "host" : "uml";
}

function hasNfsClient(): boolean {
  const known = () => /\bnfs4$/m.test(readFileSync("/proc/filesystems", "utf8"));
  if (known()) return true;
  try {
    execFileSync("modprobe", ["nfsv4"], { stdio: "ignore" });
  } catch {
    return false; // No such module, or no modprobe: then there is no client.
  }
  return known();
}

/** Path of `binary` on PATH. @throws {Error} that names the Debian package to install. */
export function requireProgram(binary: string, debianPackage: string): string {
  for (const folder of (process.env["PATH"] ?? "").split(":").concat("/usr/sbin", "/sbin")) {
    const path = join(folder, binary);
    try {
      accessSync(path);
      return path;
    } catch {
      // Not in this folder: look in the next.
    }
  }
  throw new Error(`${binary} is missing: apt-get install ${debianPackage}`);
}

/** The part of {@link Guest} that is the same wherever its agent runs. */
export function commandsOver(
  channel: GuestChannel,
  options: {
    readonly sharedDir: string;
    readonly env: Readonly<Record<string, string>>;
    readonly onLine: (line: string) => void;
  },
): Pick<Guest, "start" | "run" | "check"> {
  let next = 1;
  const start = (script: string, command: CommandOptions = {}): GuestCommand => {
    const path = join(options.sharedDir, `command-${next++}.sh`);
    const env = Object.entries({ ...options.env, ...command.env });
    const exports = env.map(([name, value]) => `export ${name}=${quoteForShell(value)}\n`);
    // A fresh name each time: the guest remembers what it has read under an old one.
    writeFileSync(path, `${exports.join("")}cd /tmp\n${script}\n`);
    return channel.start(path, (line) => {
      options.onLine(line);
      command.onLine?.(line);
    });
  };
  const run = async (script: string, command: CommandOptions = {}): Promise<CommandResult> => {
    const running = start(script, command);
    const timeoutMs = command.timeoutMs ?? 120_000;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      running.kill();
      late.reject(new Error(`Not finished after ${timeoutMs} ms: ${script}`));
    }, timeoutMs);
    try {
      return await Promise.race([running.done, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
  const check = async (script: string, command: CommandOptions = {}): Promise<string> => {
    const { code, output } = await run(script, command);
    if (code !== 0) throw new Error(`Exit code ${code} of: ${script}\n${output}`);
    return output;
  };
  return { start, run, check };
}

/** `text` as one word of a shell. */
export function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
