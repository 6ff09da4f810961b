import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { ControlError } from "../control/error.ts";
import type { Conflicts, Pending, VolumeUsage } from "../control/messages.ts";
import { writeGroups } from "../control/volume-folder.ts";
import { askServer } from "./ask-server.ts";
import type { RunningServer } from "./running-server.ts";

/** What a flush may take beyond its own time before its server counts as lost. */
const flushSlackMs = 10_000;
const askBudgetMs = 30_000;

/** What a server says of its volume at once; undefined when there is none or it does not answer before the signal aborts. */
export async function usageOf(
  server: RunningServer | undefined,
  signal: AbortSignal,
  log: Log,
): Promise<VolumeUsage | undefined> {
  try {
    return await server?.client.call("usage", {}, signal);
  } catch (error) {
    log.info("Volume server does not tell its usage", { error });
    return undefined;
  }
}

/** What is asked of a volume's server; a server that dies meanwhile is waited out. */
export class VolumeRequests {
  readonly #volume: { readonly volumeId: string; readonly folder: string };
  readonly #dependencies: Parameters<typeof askServer>[1];

  constructor(
    volume: { readonly volumeId: string; readonly folder: string },
    dependencies: {
      readonly clock: Clock;
      /** As in {@link askServer}; throws when the volume is another supervisor's. */
      readonly current: () => RunningServer | undefined | null;
      readonly nextChange: (wake: () => void) => () => void;
    },
  ) {
    this.#volume = volume;
    this.#dependencies = dependencies;
  }

  #ask<T>(
    budgetMs: number,
    signal: AbortSignal,
    run: (server: RunningServer, limit: AbortSignal) => Promise<T>,
  ): Promise<T | null> {
    const what = `Volume ${this.#volume.volumeId}`;
    return askServer({ what, budgetMs, signal, run }, this.#dependencies);
  }

  /** Exports what is pending, for at most `timeoutMs`; null when no server is to run. Waits out a restart. */
  flush(timeoutMs: number, signal: AbortSignal): Promise<Pending | null> {
    return this.#ask(timeoutMs + flushSlackMs, signal, (server, limit) =>
      server.client.call("flush", { timeoutMs }, limit),
    );
  }

  /** Gives the servers from now on these groups. @throws {ControlError} noSuchVolume when the volume is stopped. */
  async setGroups(gids: readonly number[], signal: AbortSignal): Promise<void> {
    // The file first: a server that is being started reads it, one that runs is told.
    if (this.#dependencies.current() !== null) writeGroups(this.#volume.folder, gids);
    const told = await this.#ask(askBudgetMs, signal, ({ client }, limit) =>
      client.call("groups", { gids }, limit),
    );
    if (told === null) throw new ControlError("noSuchVolume", "The volume is stopped");
  }

  /** Withdraws this node's record of the volume once nothing is pending; null when no server is to run. */
  leave(signal: AbortSignal): Promise<{ readonly left: boolean } | null> {
    return this.#ask(askBudgetMs, signal, (server, limit) =>
      server.client.call("leave", {}, limit),
    );
  }

  /** Null when no server is to run. */
  usage(signal: AbortSignal): Promise<VolumeUsage | null> {
    return this.#ask(flushSlackMs, signal, ({ client }, limit) => client.call("usage", {}, limit));
  }

  /** What is in the volume's lost+found; null when no server is to run. */
  lost(signal: AbortSignal): Promise<Conflicts | null> {
    return this.#ask(askBudgetMs, signal, ({ client }, limit) => client.call("lost", {}, limit));
  }
}
