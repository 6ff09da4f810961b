import type { OperationName } from "./operation-name.ts";

/** Requests by operation; `Unknown` counts those that are no operation of this server. */
export type RequestCounts = Readonly<Partial<Record<OperationName | "Unknown", number>>>;

/** Counts requests, answers and body bytes since the start or the last `reset`. */
export class Counters {
  #requests: Partial<Record<OperationName | "Unknown", number>> = {};
  #statuses: Record<number, number> = {};
  #bytesIn = 0;
  #bytesOut = 0;

  /** Requests by operation name, as a copy; an operation that was not asked for is missing. */
  get requests(): RequestCounts {
    return { ...this.#requests };
  }

  /** All requests, whatever the operation. */
  get total(): number {
    return Object.values(this.#requests).reduce((sum, count) => sum + count, 0);
  }

  /** Answers by HTTP status, as a copy. */
  get statuses(): Readonly<Record<number, number>> {
    return { ...this.#statuses };
  }

  /** Bytes of request bodies as received, transfer framing of `aws-chunked` included. */
  get bytesIn(): number {
    return this.#bytesIn;
  }

  /** Bytes of response bodies handed to the socket. */
  get bytesOut(): number {
    return this.#bytesOut;
  }

  /** How often `operation` was asked for. */
  of(operation: OperationName | "Unknown"): number {
    return this.#requests[operation] ?? 0;
  }

  countRequest(operation: OperationName | "Unknown"): void {
    this.#requests[operation] = this.of(operation) + 1;
  }

  countStatus(status: number): void {
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
  }

  addIn(bytes: number): void {
    this.#bytesIn += bytes;
  }

  addOut(bytes: number): void {
    this.#bytesOut += bytes;
  }

  /** Starts again at zero. */
  reset(): void {
    this.#requests = {};
    this.#statuses = {};
    this.#bytesIn = 0;
    this.#bytesOut = 0;
  }
}
