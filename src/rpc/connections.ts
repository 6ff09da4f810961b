import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { RpcConnection } from "./connection.ts";
import { defaultRpcLimits, type RpcLimits } from "./limits.ts";
import type { RpcProgram } from "./program.ts";

/** What the connections of a server need. */
export interface RpcConnectionsDependencies {
  readonly program: RpcProgram;
  readonly clock: Clock;
  readonly log: Log;
}

const checkEveryMs = 5_000;
const stopMs = 10_000;

/**
 * All connections of one server. Their number and the memory of each are bounded, and connections that
 * never get as far as a call cannot keep others out.
 */
export class RpcConnections {
  readonly #limits: RpcLimits;
  readonly #with: RpcConnectionsDependencies;
  readonly #all = new Set<RpcConnection>();
  /** Those without a call answered, oldest first. */
  readonly #unproven = new Set<RpcConnection>();
  /** Bytes of incomplete records, of all connections. */
  #partialBytes = 0;
  #lastId = 0;
  #isStopping = false;
  #cancelCheck: (() => void) | undefined;
  #whenEmpty: (() => void) | undefined;
  /** Closed or refused by us since the last check, with one reason as an example. */
  #closedHere = 0;
  #exampleReason = "";

  constructor(limits: Partial<RpcLimits>, dependencies: RpcConnectionsDependencies) {
    this.#limits = { ...defaultRpcLimits, ...limits };
    this.#with = dependencies;
  }

  /** Connections that are open. */
  get size(): number {
    return this.#all.size;
  }

  /** Serves a connection, or closes it at once when there are too many or the server stops. */
  accept(socket: Duplex): void {
    if (this.#isStopping || !this.#makeRoom()) {
      // Without a listener an error of the refused socket would end the process.
      socket.on("error", (error) => this.#with.log.debug("Refused connection failed", { error }));
      socket.destroy();
      this.#note("Too many connections");
      return;
    }
    if (socket instanceof Socket) socket.setNoDelay(true);
    this.#lastId += 1;
    const connection: RpcConnection = new RpcConnection(
      { id: this.#lastId, limits: this.#limits },
      {
        socket,
        program: this.#with.program,
        clock: this.#with.clock,
        log: this.#with.log,
        onProven: () => this.#unproven.delete(connection),
        onPartialBytes: (change) => this.#addPartial(change),
        onClosed: (reason) => this.#remove(connection, reason),
      },
    );
    this.#all.add(connection);
    this.#unproven.add(connection);
    this.#cancelCheck ??= this.#with.clock.schedule(checkEveryMs, this.#check);
  }

  /** Finishes the calls in progress, sends their replies and closes; resolves when no connection is left. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#all.size > 0) {
      const empty = new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
      });
      for (const connection of this.#all) connection.stop();
      const cancel = this.#with.clock.schedule(stopMs, () => {
        for (const connection of this.#all) connection.close("Server stops");
      });
      await empty;
      cancel();
    }
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
  }

  #makeRoom(): boolean {
    if (this.#all.size < this.#limits.maxConnections) return true;
    const [oldest] = this.#unproven;
    oldest?.close("Made no call while others came");
    return this.#all.size < this.#limits.maxConnections;
  }

  /** A record of a client comes whole in no time; those that stay incomplete are the ones to give up. */
  #addPartial(change: number): void {
    this.#partialBytes += change;
    if (change <= 0 || this.#partialBytes <= this.#limits.maxPartialBytes) return;
    const since = (connection: RpcConnection) => connection.partialSinceMs ?? Infinity;
    let oldest: RpcConnection | undefined;
    for (const connection of this.#all) {
      if (oldest === undefined || since(connection) < since(oldest)) oldest = connection;
    }
    oldest?.close("Incomplete records of all connections take too much memory");
  }

  #remove(connection: RpcConnection, reason: string | undefined): void {
    this.#all.delete(connection);
    this.#unproven.delete(connection);
    if (reason !== undefined) this.#note(reason);
    if (this.#all.size === 0) this.#whenEmpty?.();
  }

  #note(reason: string): void {
    this.#closedHere += 1;
    this.#exampleReason = reason;
  }

  readonly #check = (): void => {
    this.#cancelCheck = undefined;
    const nowMs = this.#with.clock.monotonicMs();
    for (const connection of this.#all) connection.checkTimes(nowMs);
    if (this.#closedHere > 0) {
      const fields = { count: this.#closedHere, reason: this.#exampleReason, open: this.size };
      this.#with.log.warn("Connections closed", fields);
      this.#closedHere = 0;
    }
    if (this.#all.size > 0)
      this.#cancelCheck = this.#with.clock.schedule(checkEveryMs, this.#check);
  };
}
