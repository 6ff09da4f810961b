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

  /** Whether a supervisor of this pid namespace was the last to hand over. */
  get isOwn(): boolean {
    try {
      return readFileSync(this.#path, "utf8").trim() === ownPidNamespace();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
  }

  /** This pid namespace has handed over. */
  set(): void {
    writeFileSync(this.#path, `${ownPidNamespace()}\n`, { mode: 0o600 });
  }

  /** A supervisor of this pid namespace is in charge. */
  clear(): void {
    if (this.isOwn) rmSync(this.#path, { force: true });
  }
}

/** Such as `pid:[4026531836]`; unique among the pods that there are. */
function ownPidNamespace(): string {
  return readlinkSync("/proc/self/ns/pid");
}
