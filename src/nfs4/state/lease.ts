import type { Clock } from "../../base/clock.ts";

/**
 * When clients were last heard of. A lease that has run out ends nothing by itself (a courtesy, RFC 8881
 * §8.4.3): the client's state goes when another client needs it, or when it has no session left.
 */
export class Leases {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #renewedMs = new Map<bigint, number>();
  readonly #startMs: number;

  constructor(options: { readonly leaseSeconds: number }, clock: Clock) {
    this.#clock = clock;
    this.#leaseMs = options.leaseSeconds * 1000;
    this.#startMs = clock.monotonicMs();
  }

  renew(clientId: bigint): void {
    this.#renewedMs.set(clientId, this.#clock.monotonicMs());
  }

  /** Whether the client was not heard of for a whole lease; after a restart the lease begins anew. */
  isExpired(clientId: bigint): boolean {
    const renewedMs = this.#renewedMs.get(clientId) ?? this.#startMs;
    return this.#clock.monotonicMs() - renewedMs > this.#leaseMs;
  }

  forget(clientId: bigint): void {
    this.#renewedMs.delete(clientId);
  }
}
