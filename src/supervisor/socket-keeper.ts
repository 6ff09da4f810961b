import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Launcher } from "./launcher.ts";
import { type VolumePaths, volumeDigest, volumePaths } from "./volume-paths.ts";

/** What a supervisor has set up or removed without a word is found after so long. */
const sweepEveryMs = 30_000;

/**
 * Keeps a duplicate of every volume's listening socket in processes of this pod: when the mounter's pod goes, with all
 * holders, the ports still take connections, and the next supervisor gets the sockets from here.
 */
export class SocketKeeper implements Disposable {
  readonly #runDir: string;
  readonly #launcher: Pick<Launcher, "keepListener" | "releaseKeeper">;
  readonly #clock: Clock;
  readonly #log: Log;
  #tail: Promise<void> = Promise.resolve();
  #cancel: (() => void) | undefined;
  /** Volumes that could not be kept, which is said once. */
  readonly #failing = new Set<string>();

  constructor(
    options: { readonly runDir: string },
    dependencies: {
      readonly launcher: Pick<Launcher, "keepListener" | "releaseKeeper">;
      readonly clock: Clock;
      readonly log: Log;
    },
  ) {
    this.#runDir = options.runDir;
    this.#launcher = dependencies.launcher;
    this.#clock = dependencies.clock;
    this.#log = dependencies.log;
  }

  /** Keeps the sockets that are there now, and looks again and again until it is disposed. */
  async open(): Promise<void> {
    await this.sweep();
    this.#later();
  }

  #later(): void {
    this.#cancel = this.#clock.schedule(sweepEveryMs, () => {
      void this.sweep().then(() => {
        if (this.#cancel !== undefined) this.#later();
      });
    });
  }

  /** Keeps the volume's socket, if it has one. Failures are logged: the volume works without. */
  keep(volumeId: string): Promise<void> {
    return this.#inTurn(() => this.#keep(this.#paths(volumeDigest(volumeId))));
  }

  /** Keeps the sockets of all volumes and gives up those of stopped ones. */
  sweep(): Promise<void> {
    return this.#inTurn(async () => {
      for (const digest of names(join(this.#runDir, "volumes"))) {
        await this.#keep(this.#paths(digest));
      }
      for (const name of names(join(this.#runDir, "keepers"))) {
        if (name.endsWith(".sock")) await this.#giveUp(this.#paths(name.slice(0, -5)));
      }
    });
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const turn = this.#tail.then(run).catch((error: unknown) => {
      this.#log.error("Cannot look after the volumes' listening sockets", { error });
    });
    this.#tail = turn;
    return turn;
  }

  #paths(digest: string): VolumePaths {
    return volumePaths({ runDir: this.#runDir, stateDir: this.#runDir }, digest);
  }

  async #keep(paths: VolumePaths): Promise<void> {
    // A start that has not come as far, or a stop that has begun.
    if (!existsSync(paths.marker) || !existsSync(paths.holderSocket)) return;
    try {
      await this.#launcher.keepListener(paths);
      this.#failing.delete(paths.digest);
    } catch (error) {
      // While no mounter runs there is no holder: what is kept is kept.
      if (this.#failing.has(paths.digest)) return;
      this.#failing.add(paths.digest);
      this.#log.warn("A volume's listening socket is not kept beyond its mounter", {
        socket: paths.holderSocket,
        error,
      });
    }
  }

  async #giveUp(paths: VolumePaths): Promise<void> {
    if (existsSync(paths.marker)) return;
    this.#failing.delete(paths.digest);
    await this.#launcher.releaseKeeper(paths);
  }

  [Symbol.dispose](): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

/** The names in a folder that the supervisor makes. */
function names(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
