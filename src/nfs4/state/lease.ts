import type { Clock } from "../../base/clock.ts";

/**
 * When clients were last heard of. A lease that has run out ends nothing by itself (a courtesy, RFC 8881
 * §8.4.3): the client's state goes when another client needs it, or when it has no session left.
 */
export class Leases {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #renewedMs = new Map<bigint, number>();
  /** Compounds of each client that are executing. */
  readonly #executing = new Map<bigint, number>();
  readonly #startMs: number;

  constructor(options: { readonly leaseSeconds: number }, clock: Clock) {
    this.#clock = clock;
    this.#leaseMs = options.leaseSeconds * 1000;
    this.#startMs = clock.monotonicMs();
  }

  renew(clientId: bigint): void {
    this.#renewedMs.set(clientId, this.#clock.monotonicMs());
  }

  /** A compound of the client begins: the lease does not run out before its {@link end} (RFC 8881 §8.3). */
  begin(clientId: bigint): void {
    this.#executing.set(clientId, (this.#executing.get(clientId) ?? 0) + 1);
    this.renew(clientId);
  }

  /** A compound of the client is over: from now on it has a whole lease (RFC 8881 §8.3, §2.10.12). */
  end(clientId: bigint): void {
    const others = (this.#executing.get(clientId) ?? 1) - 1;
    if (others > 0) this.#executing.set(clientId, others);
    else this.#executing.delete(clientId);
    if (this.#renewedMs.has(clientId)) this.renew(clientId);
  }

  /** Whether the client was not heard of for a whole lease; after a restart the lease begins anew. */
  isExpired(clientId: bigint): boolean {
    if (this.#executing.has(clientId)) return false;
    const renewedMs = this.#renewedMs.get(clientId) ?? this.#startMs;
    return this.#clock.monotonicMs() - renewedMs > this.#leaseMs;
  }

  forget(clientId: bigint): void {
    this.#renewedMs.delete(clientId);
  }
}
