import { readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Says in the run directory which pod has handed its volumes over: when its supervisor crashes and its init starts the
 * next one, that one is to wait, and not to take everything from the newer pod.
 */
export class HandedOverMark {
  readonly #path: string;

  constructor(runDir: string) {
    this.#path = join(runDir, "handed-over");
  }

  /** Whether a supervisor of this pod was the last to hand over. */
  get isOwn(): boolean {
    try {
      return readFileSync(this.#path, "utf8").trim() === ownPod();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
  }

  /** This pod has handed over. */
  set(): void {
    writeFileSync(this.#path, `${ownPod()}\n`, { mode: 0o600 });
  }

  /** A supervisor of this pod is in charge. */
  clear(): void {
    if (this.isOwn) rmSync(this.#path, { force: true });
  }
}

/**
 * Names this pod: its pid namespace, whose number a later pod may have again, and when the parent, which is the pod's
 * init, was started.
 */
function ownPod(): string {
  const [, parent = ""] = statOf("self");
  const started = statOf(parent)[19] ?? "";
  return `${readlinkSync("/proc/self/ns/pid")} ${started}`;
}

/** The fields of proc_pid_stat(5) from the third on: state, parent, … */
function statOf(pid: string): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}
