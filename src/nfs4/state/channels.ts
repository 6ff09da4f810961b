import type { RpcPeer } from "../../rpc/program.ts";

/** Channels of a session that a connection carries: the bits of `channel_dir_from_server4`. */
export const channel = { fore: 1, back: 2, both: 3 } as const;

/** Which connections are associated with a session, as many as there are (RFC 8881 §2.10.3.1, §2.10.5). In memory: a connection outlives no process. */
export class Channels {
  readonly #directions = new Map<RpcPeer, number>();

  /** The channels that a connection carries; 0 for a stranger. */
  of(connection: RpcPeer): number {
    return this.#directions.get(connection) ?? 0;
  }

  /** Whether any connection that is still there carries the session. */
  get isEmpty(): boolean {
    return this.#directions.size === 0;
  }

  /** Associates a connection, unless it is associated already. */
  associate(connection: RpcPeer, directions: number): void {
    if (this.#directions.has(connection) || connection.closed) return;
    this.#directions.set(connection, directions);
    connection.onClose(() => this.#directions.delete(connection));
  }
}
