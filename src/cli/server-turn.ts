import { systemClock } from "../base/clock.ts";
import { ControlError } from "../control/error.ts";
import { lockDescriptor } from "../supervisor/supervisor-lock.ts";

/** The launcher has the volume's lock file open there. */
const lockFd = 4;
/** The supervisor that has prepared a server asks it soon, or is no more. */
const askedWithinMs = 60_000;
/** Longer than a predecessor may take to end. */
const lockBudgetMs = 60_000;

/** The moment at which a prepared server takes its volume over: when it is asked to, and its predecessor's lock is free. */
export class ServerTurn {
  readonly #launcher: string;
  readonly #come = Promise.withResolvers<void>();

  constructor(options: { readonly launcher: string }) {
    this.#launcher = options.launcher;
    this.#come.promise.catch(() => undefined); // for whoever waits
    systemClock.schedule(askedWithinMs, () => {
      this.#come.reject(new ControlError("supervisor", "Nobody asks this server to begin"));
    });
  }

  /** Resolves when it has come. @throws {ControlError} when it does not: the process is to end. */
  get come(): Promise<void> {
    return this.#come.promise;
  }

  /** Waits for the lock; a request that is cancelled takes the turn away. @throws {ControlError} */
  async take(signal: AbortSignal): Promise<void> {
    try {
      const lock = { launcher: this.#launcher, descriptor: lockFd, waitMs: lockBudgetMs };
      if (!(await lockDescriptor({ ...lock, owner: process.pid }, signal))) {
        throw new ControlError("supervisor", "The volume's earlier server does not end");
      }
      this.#come.resolve();
    } catch (error) {
      this.#come.reject(error);
      throw error;
    }
  }
}
