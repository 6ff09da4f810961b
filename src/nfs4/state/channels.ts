import type { RpcPeer } from "../../rpc/program.ts";

/** Channels of a session that a connection carries: the bits of `channel_dir_from_server4`. */
export const channel = { fore: 1, back: 2, both: 3 } as const;

/** The sessions of each connection: it tells them all when it is gone. */
const carried = new WeakMap<RpcPeer, Set<Channels>>();

/** Which connections are associated with a session, as many as there are (RFC 8881 §2.10.3.1, §2.10.5). In memory: a connection outlives no process. */
export class Channels {
  readonly #directions = new Map<RpcPeer, number>();

  /** The channels that a connection carries; 0 for a stranger. */
  of(connection: RpcPeer): number {
    return this.#directions.get(connection) ?? 0;
  }

  /** Whether no connection that is still there carries the session. */
  get isEmpty(): boolean {
    return this.#directions.size === 0;
  }

  /** Associates a connection, unless it is associated already. */
  associate(connection: RpcPeer, directions: number): void {
    if (this.#directions.has(connection) || connection.closed) return;
    this.#directions.set(connection, directions);
    const others = carried.get(connection);
    if (others !== undefined) {
      others.add(this);
      return;
    }
    const all = new Set<Channels>([this]);
    carried.set(connection, all);
    connection.onClose(() => {
      for (const each of all) each.#directions.delete(connection);
      all.clear();
    });
  }

  /** The session is gone: no connection is associated with it, or knows it, any more. */
  end(): void {
    for (const connection of this.#directions.keys()) carried.get(connection)?.delete(this);
    this.#directions.clear();
  }
}
