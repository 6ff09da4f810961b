import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync } from "node:fs";
import { ControlError } from "../control/error.ts";

/** Says which supervisor of a run directory is in charge. */
export interface ExclusiveLock {
  /** Whether this process has the lock now, after at most `waitMs`. @throws the signal's reason when it aborts. */
  take(waitMs: number, signal?: AbortSignal): Promise<boolean>;
  /** Gives it up; without effect when it is not held. */
  release(): void;
}

/** The launcher's exit code for a lock that somebody else has. */
const busy = 75;

/**
 * Locks an open file for whoever has it open; whether that came about within `waitMs`.
 * @throws {ControlError} supervisor when the launcher cannot be run; the signal's reason when it aborts.
 */
export async function lockDescriptor(
  options: {
    readonly launcher: string;
    readonly descriptor: number;
    readonly waitMs: number;
    /** Whom the file is to name as the one that `s3files-launcher end` ends. */
    readonly owner?: number;
  },
  signal?: AbortSignal,
): Promise<boolean> {
  const { launcher, descriptor, waitMs, owner } = options;
  signal?.throwIfAborted();
  const owned = owner === undefined ? [] : ["--owner", String(owner)];
  const child = spawn(launcher, ["lock", "--wait", String(waitMs), ...owned], {
    stdio: [descriptor, "ignore", "pipe"],
  });
  let words = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    words += text;
  });
  const kill = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", kill);
  try {
    const [code] = (await once(child, "close")) as [number | null];
    signal?.throwIfAborted();
    if (code === 0) return true;
    if (code === busy) return false;
    throw new ControlError("supervisor", `s3files-launcher lock: ${words.trim() || "killed"}`);
  } catch (cause) {
    if (cause instanceof ControlError || signal?.aborted === true) throw cause;
    throw new ControlError("supervisor", `${launcher} cannot be run`, { cause });
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

/**
 * An flock on a file: the kernel gives it up with this process, whatever kills it, and it counts across pid namespaces.
 * Node cannot lock, so that the launcher locks the open file that both share, and ends.
 */
export class SupervisorLock implements ExclusiveLock {
  readonly #path: string;
  readonly #launcher: string;
  #descriptor: number | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: { readonly path: string; readonly launcher: string }) {
    this.#path = options.path;
    this.#launcher = options.launcher;
  }

  /** One attempt after the other. @throws {ControlError} supervisor when the launcher cannot be run. */
  take(waitMs: number, signal?: AbortSignal): Promise<boolean> {
    const turn = this.#tail.then(() => this.#take(waitMs, signal));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #take(waitMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.#descriptor !== undefined) return true;
    const descriptor = openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    let isTaken = false;
    try {
      isTaken = await lockDescriptor({ launcher: this.#launcher, descriptor, waitMs }, signal);
    } finally {
      if (!isTaken) closeSync(descriptor);
    }
    if (isTaken) this.#descriptor = descriptor;
    return isTaken;
  }

  release(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
