import { type ChildProcess, spawn } from "node:child_process";
import { ControlError } from "../control/error.ts";
import type { VolumePaths } from "./volume-paths.ts";

/** How a volume's server is executed, without the arguments that name the volume. */
export interface ServerProgram {
  readonly program: string;
  /** Arguments of the program before its script, such as Node's own options. */
  readonly programArguments: readonly string[];
  readonly serveArguments: readonly string[];
  /** The cgroup that it runs in, instead of the supervisor's. */
  readonly cgroup?: string | undefined;
}

/** Longest time that a short launcher command may take. */
const commandBudgetMs = 30_000;
/** How long a new server waits until its predecessor is really gone. */
const predecessorMs = 15_000;

/** The launcher's exit code for a process of another pid namespace. */
const elsewhere = 76;

/** The native helper's commands that make a volume's namespace, listening socket and server. All are idempotent. */
export class Launcher {
  readonly #path: string;
  readonly #allowNoIoFlusher: boolean;

  constructor(options: { readonly path: string; readonly allowNoIoFlusher: boolean }) {
    this.#path = options.path;
    this.#allowNoIoFlusher = options.allowNoIoFlusher;
  }

  /**
   * Makes the volume's namespace unless its pin is one, and a holder of its listening socket unless one of this pid
   * namespace answers: with the socket that a holder of another pod, a keeper or the server still has, else with a new one.
   */
  async makeListener(paths: VolumePaths): Promise<void> {
    await this.#run("make-namespace", ["--pin", paths.pin]);
    await this.#run("hold", [
      ...["--pin", paths.pin, "--socket", paths.holderSocket],
      ...["--lock", paths.holderLock, "--output", paths.output, "--from", paths.keeperSocket],
      ...["--server", paths.serverLock],
    ]);
  }

  /** Leaves a keeper of the holder's socket behind in this pid namespace, unless one answers. */
  async keepListener(paths: VolumePaths): Promise<void> {
    await this.#run("keep", [
      ...["--pin", paths.pin, "--socket", paths.keeperSocket, "--lock", paths.keeperLock],
      ...["--from", paths.holderSocket],
    ]);
  }

  /** Ends the volume's keeper, in whatever pod. */
  async releaseKeeper(paths: VolumePaths): Promise<void> {
    await this.#release(paths.keeperSocket, paths.keeperLock);
  }

  async #release(socket: string, lock: string): Promise<void> {
    await this.#run("release", ["--socket", socket, "--lock", lock, "--grace", "1000"]);
  }

  /** Ends holder and keeper and removes the pin. A namespace lives on while a mount uses it. */
  async removeListener(paths: VolumePaths): Promise<void> {
    // In this order: a keeper gets the socket from the holder.
    await this.#release(paths.holderSocket, paths.holderLock);
    await this.releaseKeeper(paths);
    await this.#run("remove-namespace", ["--pin", paths.pin]);
  }

  /**
   * Ends the volume's server, whoever started it: SIGTERM, after `graceMs` SIGKILL. Resolves when it is gone, or with
   * `elsewhere`, nothing done, when it belongs to another pid namespace.
   */
  async endServer(paths: VolumePaths, graceMs: number): Promise<"ended" | "elsewhere"> {
    const grace = String(Math.round(graceMs));
    try {
      await this.#run("end", ["--lock", paths.serverLock, "--grace", grace], graceMs);
      return "ended";
    } catch (error) {
      if (error instanceof ControlError && error.cause === elsewhere) return "elsewhere";
      throw error;
    }
  }

  /**
   * Starts the volume's server behind the holder's socket, in a session of its own: it outlives this process.
   * What the launcher itself has to say is on stderr; the server writes to the volume's pipe. A prepared one takes
   * neither the volume's lock nor its socket's name before it is asked to begin.
   */
  startServer(
    paths: VolumePaths,
    server: ServerProgram,
    options: { readonly prepared?: boolean } = {},
  ): ChildProcess {
    const isPrepared = options.prepared === true;
    const wait = isPrepared ? ["--late"] : ["--wait", String(predecessorMs)];
    const later = isPrepared ? ["--prepare", paths.preparedSocket, "--launcher", this.#path] : [];
    const own = this.#allowNoIoFlusher ? ["--allow-no-io-flusher"] : [];
    const limited = server.cgroup === undefined ? [] : ["--cgroup", server.cgroup];
    return spawn(
      this.#path,
      [
        ...["serve", "--socket", paths.holderSocket, "--lock", paths.serverLock],
        ...["--output", paths.output, ...wait, ...limited, ...own, "--"],
        ...[server.program, ...server.programArguments, ...server.serveArguments, ...own, ...later],
      ],
      { stdio: ["ignore", "ignore", "pipe"], detached: true, cwd: "/" },
    );
  }

  #run(command: string, args: readonly string[], extraMs = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn(this.#path, [command, ...args], { stdio: ["ignore", "ignore", "pipe"] });
      const timer = setTimeout(() => child.kill("SIGKILL"), commandBudgetMs + extraMs);
      let errors = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        errors = (errors + text).slice(0, 2_000);
      });
      const failed = (why: string, cause?: unknown) => {
        clearTimeout(timer);
        reject(new ControlError("supervisor", `s3files-launcher ${command}: ${why}`, { cause }));
      };
      child.once("error", (cause) =>
        failed(`${this.#path} cannot be run: ${cause.message}`, cause),
      );
      child.once("close", (code, signal) => {
        clearTimeout(timer);
        if (code === 0) resolve();
        else
          failed(
            errors.trim().replace(/^s3files-launcher: /, "") || `ended with ${code ?? signal}`,
            code,
          );
      });
    });
  }
}
