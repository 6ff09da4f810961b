import { ControlClient } from "../control/client.ts";
import { ControlError } from "../control/error.ts";
import type { SupervisorMethods } from "../control/messages.ts";

/** The supervisor in charge, which hands its volumes over one by one. */
export class Predecessor {
  readonly #client: ControlClient<SupervisorMethods>;

  private constructor(client: ControlClient<SupervisorMethods>) {
    this.#client = client;
  }

  /**
   * Has it stand by; it takes everything back if the connection ends before {@link finish}.
   * @throws {ControlError} invalid when it speaks no version of the protocol that this release does: nothing has changed.
   */
  static async standBy(path: string): Promise<Predecessor> {
    const client = await ControlClient.connect<SupervisorMethods>(path, AbortSignal.timeout(5_000));
    try {
      const standing = client.call("standBy", {});
      // Answered in order when it is refused, and else at the very end.
      await Promise.race([standing, client.call("list", {}, AbortSignal.timeout(10_000))]);
      standing.catch(() => undefined); // its connection: whoever asks next notices
      return new Predecessor(client);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Resolves when the connection has ended, by {@link close} or because the predecessor has. */
  get gone(): Promise<void> {
    return this.#client.closed;
  }

  /** The volume's server ends; false when the predecessor itself does before it can tell. */
  async release(digest: string): Promise<boolean> {
    try {
      await this.#client.call("release", { digest });
      return true;
    } catch (error) {
      if (error instanceof ControlError && this.#client.isClosed) return false;
      throw error;
    }
  }

  /** Everything is taken over: its lock is free then, and it does not ask for it again before {@link close}. */
  async finish(): Promise<void> {
    try {
      await this.#client.call("handedOver", {});
    } catch (error) {
      if (!(error instanceof ControlError && this.#client.isClosed)) throw error;
    }
  }

  /** Lets it wait for its turn. */
  close(): void {
    this.#client.close();
  }
}
