import { randomBytes } from "node:crypto";
import { type Log, silentLog } from "../../src/base/log.ts";
import { NfsServer } from "../../src/nfs4/nfs-server.ts";
import { NfsCounters } from "../../src/nfs4/observer.ts";
import type { WaitReason } from "../../src/vfs/call.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { MemoryFileSystem } from "../fakes/memory-file-system.ts";
import { MemoryStateStore } from "../fakes/memory-state-store.ts";
import { duplexPair } from "./duplex-pair.ts";
import { type ClientSession, NfsClient, type NfsClientOptions } from "./nfs-client.ts";

/** A call of the file system that the test holds back until it is released. */
export interface HeldCall {
  /** The call has come. */
  readonly reached: Promise<void>;
  /** Lets it go on, or fail. */
  release(error?: Error): void;
}

/** A server over a file system and a store in memory, which can be killed and started again. */
export class NfsWorld {
  readonly clock = new FakeClock();
  store: MemoryStateStore;
  readonly fileSystem: MemoryFileSystem;
  counters = new NfsCounters();
  server: NfsServer;
  readonly #log: Log;
  readonly #isStrict: boolean;
  readonly #held = new Map<
    string,
    { readonly ready: Promise<void>; readonly reached: () => void }
  >();
  readonly #clients: NfsClient[] = [];

  constructor(
    options: {
      readonly waitReason?: WaitReason | (() => WaitReason);
      readonly log?: Log;
      readonly isStrict?: boolean;
    } = {},
  ) {
    this.#log = options.log ?? silentLog;
    this.#isStrict = options.isStrict ?? false;
    this.store = new MemoryStateStore();
    this.fileSystem = new MemoryFileSystem({
      clock: this.clock,
      undoLog: { undo: (undo) => this.store.undo(undo) },
      wait: (method) => this.#wait(method),
      ...options,
    });
    this.server = this.#start();
  }

  #start(): NfsServer {
    const { store, fileSystem, clock } = this;
    this.counters = new NfsCounters();
    return new NfsServer(
      { observer: this.counters, isStrict: this.#isStrict },
      { store, fileSystem, clock, log: this.#log, randomBytes },
    );
  }

  /** A connection, without a session unless one is given. */
  connect(options: NfsClientOptions = {}): NfsClient {
    const [ours, theirs] = duplexPair();
    this.server.accept(theirs);
    const client = new NfsClient(ours, options);
    this.#clients.push(client);
    return client;
  }

  /** A connection with a session of its own. */
  async mount(options: NfsClientOptions = {}): Promise<NfsClient> {
    const client = this.connect(options);
    await client.establish();
    return client;
  }

  /** The same client on a new connection. */
  reconnect(session: ClientSession): NfsClient {
    return this.connect({ session });
  }

  /** kill -9 and a new process over the same store. */
  kill(): void {
    this.store = this.store.crash();
    this.#restart();
  }

  /** Another boot of the machine; what was synced is there. */
  reboot(): void {
    this.store = this.store.reboot();
    this.#restart();
  }

  #restart(): void {
    for (const client of this.#clients.splice(0)) client.destroy();
    this.#held.clear();
    this.fileSystem.forgetHolds();
    this.server = this.#start();
  }

  /** Stops the server and lets a new one take over. */
  async replace(): Promise<void> {
    await this.server.stop();
    this.store = this.store.crash();
    this.#restart();
  }

  /** Ends everything. */
  async end(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.destroy();
    await this.server.stop();
  }

  /** Holds back the next call of a method of the file system. */
  hold(method: keyof MemoryFileSystem): HeldCall {
    const ready = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    this.#held.set(method, { ready: ready.promise, reached: reached.resolve });
    return {
      reached: reached.promise,
      release: (error) => (error === undefined ? ready.resolve() : ready.reject(error)),
    };
  }

  #wait(method: string): Promise<void> | undefined {
    const held = this.#held.get(method);
    if (held === undefined) return undefined;
    this.#held.delete(method);
    held.reached();
    return held.ready;
  }
}
