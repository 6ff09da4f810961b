import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { undoWhenAbandoned } from "./abandon.ts";

const root = join(import.meta.dirname, "../..");

/** The launcher that `make` builds; made when it is missing. */
export function builtLauncher(): string {
  execFileSync("make", ["--no-print-directory", "build/bin/s3files-launcher"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  return join(root, "build/bin/s3files-launcher");
}

/** The process that holds a lock file of the launcher; undefined when nobody does. */
export function lockOwner(path: string): number | undefined {
  if (!existsSync(path)) return undefined;
  // The pid and its namespace.
  const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
  return pid > 0 && isAlive(pid) ? pid : undefined;
}

/** Whether the process exists and is no zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/**
 * Directories of a supervisor of its own and the processes started below them. Disposing, or the test run's
 * end, ends every server and holder by its lock, unmounts the pins and removes the files.
 */
export class PrivateRun implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "s3files-run-"));
  readonly runDir = join(this.folder, "run");
  readonly stateDir = join(this.folder, "state");
  readonly launcher = builtLauncher();
  readonly #children = new Set<ChildProcess>();
  readonly #undo = undoWhenAbandoned(() => this.#clean());

  /** Starts a Node program of the repository; `stderr` collects what it says. */
  start(
    script: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): ChildProcess & { readonly said: () => string } {
    return this.#spawn([process.execPath, join(root, script), ...args], environment);
  }

  /** The same as a pod: below the launcher as PID 1 of a pid namespace, which ends as a whole with the child. */
  startPod(
    script: string,
    args: readonly string[],
  ): ChildProcess & { readonly said: () => string } {
    return this.#spawn([
      ...["unshare", "-p", "-f", "--kill-child", this.launcher, "init", "--"],
      ...[process.execPath, join(root, script), ...args],
    ]);
  }

  #spawn(
    [program = "", ...args]: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): ChildProcess & { readonly said: () => string } {
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
    });
    this.#children.add(child);
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
    }
    return Object.assign(child, { said: () => text });
  }

  /** Sends a signal to a child and resolves with how it ended. */
  async end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    if (child.exitCode === null && child.signalCode === null) {
      const exit = once(child, "exit");
      child.kill(signal);
      await exit;
    }
    this.#children.delete(child);
    return child.exitCode ?? child.signalCode;
  }

  /** What is left of volumes: files in the folders of the run directory, and folders on the disk. */
  leftovers(): string[] {
    const folders = [
      ...["volumes", "credentials", "netns", "holders", "keepers", "servers"].map((f) =>
        join(this.runDir, f),
      ),
      ...["volumes", "removed", "node"].map((f) => join(this.stateDir, f)),
    ];
    return folders.flatMap((folder) =>
      existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [],
    );
  }

  #clean(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    for (const [folder, ending] of [
      ["servers", ".lock"],
      ["holders", ".lock"],
      ["keepers", ".lock"],
    ] as const) {
      const path = join(this.runDir, folder);
      for (const name of existsSync(path) ? readdirSync(path) : []) {
        if (!name.endsWith(ending)) continue;
        const end = ["end", "--lock", join(path, name), "--grace", "0"];
        // 76: of a pod that has been killed, and is about to be gone.
        while (spawnSync(this.launcher, end, { stdio: "inherit" }).status === 76) {
          execFileSync("sleep", ["0.05"]);
        }
      }
    }
    const pins = join(this.runDir, "netns");
    for (const name of existsSync(pins) ? readdirSync(pins) : []) {
      execFileSync(this.launcher, ["remove-namespace", "--pin", join(pins, name)]);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    this.#undo[Symbol.dispose]();
    this.#clean();
  }
}
