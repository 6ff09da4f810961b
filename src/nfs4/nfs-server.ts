import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { RpcConnections } from "../rpc/connections.ts";
import type { RpcLimits } from "../rpc/limits.ts";
import type { FileSystem } from "../vfs/file-system.ts";
import { CompoundExecutor } from "./compound-executor.ts";
import { CompoundProgram } from "./compound-program.ts";
import { Durability } from "./durability.ts";
import { Filehandles } from "./filehandle.ts";
import { serverIdentity } from "./identity.ts";
import { backgroundSyncMs, leaseSeconds } from "./limits.ts";
import { NfsCounters, type NfsObserver } from "./observer.ts";
import { pooled } from "./random-pool.ts";
import { ProtocolState } from "./state/protocol-state.ts";
import type { StateStore } from "./state/state-store.ts";

/** What can be chosen about a server. */
export interface NfsServerOptions {
  /** Latest time after which changes are on the disk that nobody asked to be synced; 1,000 ms. */
  readonly backgroundSyncMs?: number;
  /** Changes of names and attributes are on the disk before the reply, too; absent: those that clients trust in. */
  readonly isStrict?: boolean;
  /** Limits of the connections, where they differ from the defaults. */
  readonly rpc?: Partial<RpcLimits>;
  /** Is told what the server does; {@link NfsCounters} is one. */
  readonly observer?: NfsObserver;
}

/** What a server works with; `store` and `fileSystem` share their transactions. */
export interface NfsServerDependencies {
  readonly fileSystem: FileSystem;
  readonly store: StateStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly randomBytes: (length: number) => Uint8Array;
}

/**
 * An NFSv4.1 and 4.2 server of one volume. A new one over the same store goes on where the last one was
 * stopped or killed: sessions, opens and locks are there, and no request is executed twice.
 */
export class NfsServer {
  readonly #connections: RpcConnections;
  readonly #program: CompoundProgram;
  readonly #executor: CompoundExecutor;
  readonly #durability: Durability;
  readonly #state: ProtocolState;
  #cancelSweep: () => void;

  /** Restores the state in the store. @throws what the store throws, UnreadableRecord for a newer format. */
  constructor(options: NfsServerOptions, deps: NfsServerDependencies) {
    const { fileSystem, store, clock, log } = deps;
    const randomBytes = pooled(deps.randomBytes);
    const observer = options.observer ?? new NfsCounters();
    this.#state = new ProtocolState({ leaseSeconds }, { store, fileSystem, clock, randomBytes });
    this.#durability = new Durability(
      { delayMs: options.backgroundSyncMs ?? backgroundSyncMs },
      { store, clock, log },
    );
    const server = {
      fileSystem,
      state: this.#state,
      filehandles: new Filehandles(store),
      identity: serverIdentity(store.volumeUuid),
      randomBytes,
    };
    this.#executor = new CompoundExecutor({
      state: this.#state,
      durability: this.#durability,
      clock,
      log,
      observer,
    });
    this.#program = new CompoundProgram({
      server,
      executor: this.#executor,
      compound: {
        server,
        observer,
        refusesChanges: () => this.#durability.hasFailed,
        isStrict: options.isStrict === true,
        onMutation: this.#executor.onMutation,
      },
      // A step later: this may run inside a transaction that has to be committed first.
      restored: Promise.resolve().then(() => this.#durability.sync()),
    });
    const sweep = () => {
      try {
        this.#state.ledger.transaction(() => this.#state.sweep());
      } catch (error) {
        log.error("Cannot remove the state of clients that are gone", { error });
      }
      this.#cancelSweep = clock.schedule(leaseSeconds * 1000, sweep);
    };
    this.#cancelSweep = clock.schedule(leaseSeconds * 1000, sweep);
    this.#connections = new RpcConnections(options.rpc ?? {}, {
      program: this.#program,
      clock,
      log,
    });
  }

  /** Serves a connection: a reliable stream of bytes in order, in production of TCP (RFC 8881 §2.9.1). */
  accept(socket: Duplex): void {
    this.#connections.accept(socket);
  }

  /** Figures of the protocol's state, for status and metrics. */
  get figures(): {
    readonly connections: number;
    readonly clients: number;
    readonly opens: number;
    readonly locks: number;
  } {
    return {
      connections: this.#connections.size,
      clients: this.#state.clients.size,
      opens: this.#state.opens.size,
      locks: this.#state.locks.size,
    };
  }

  /**
   * Finishes the compounds in progress, gives up those that wait for S3 (the client sends them to the next
   * process), closes all connections and syncs the store.
   */
  async stop(): Promise<void> {
    this.#program.isStopping = true;
    this.#cancelSweep();
    await Promise.all([this.#executor.drain(), this.#connections.stop()]);
    await this.#durability.stop();
  }
}
