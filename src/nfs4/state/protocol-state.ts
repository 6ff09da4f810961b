import type { Clock } from "../../base/clock.ts";
import type { FileSystem } from "../../vfs/file-system.ts";
import { struct, u32 } from "../../xdr/codec.ts";
import { type ClientRecord, ClientTable } from "./client.ts";
import { type Grace, noGrace } from "./grace.ts";
import { Leases } from "./lease.ts";
import { Ledger } from "./ledger.ts";
import { type LockRecord, LockTable } from "./lock.ts";
import { type OpenRecord, OpenTable } from "./open.ts";
import { type RecordFormat, RecordTable } from "./record-table.ts";
import { type Session, SessionTable } from "./session.ts";
import type { StateStore } from "./state-store.ts";

/** Client records kept: past it those whose lease has run out go, and new ones have to wait for that. */
const maxClients = 1000;

/**
 * Record `nfs4.start`, version 1, one record with the key `start`: how often a server was started over this store
 * (u32). Writing it makes the first sync of a process cover what the last one had not synced.
 */
const startFormat: RecordFormat<{ readonly count: number }> = {
  kind: "nfs4.start",
  version: 1,
  codec: struct({ count: u32 }),
  keyOf: () => Buffer.from("start"),
};

/** What the state of the protocol works with. */
export interface ProtocolStateDependencies {
  readonly store: StateStore;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
}

/** Clients, sessions, opens and locks of one server, in memory and in the store: what RFC 8881 §2.10.6.5 asks a persistent session to keep, and more. */
export class ProtocolState {
  readonly ledger: Ledger;
  readonly clients: ClientTable;
  readonly sessions: SessionTable;
  readonly opens: OpenTable;
  readonly locks: LockTable;
  readonly leases: Leases;
  readonly grace: Grace = noGrace;

  /**
   * Goes on where the last process stopped, or, in another boot of the machine, drops all state: its clients died
   * with it. Then drops files without a name that nobody holds.
   */
  constructor(options: { readonly leaseSeconds: number }, deps: ProtocolStateDependencies) {
    const { store, fileSystem, randomBytes } = deps;
    this.ledger = new Ledger(store);
    const upperHalf = Buffer.from(store.volumeUuid).readUInt32BE(0);
    this.clients = new ClientTable({ upperHalf }, this.ledger);
    this.sessions = new SessionTable(this.ledger);
    this.opens = new OpenTable({ ledger: this.ledger, fileSystem, randomBytes });
    this.locks = new LockTable({ ledger: this.ledger, randomBytes });
    this.leases = new Leases(options, deps.clock);
    const starts = new RecordTable(startFormat, this.ledger);
    this.ledger.transaction(() => {
      starts.put({ count: ((starts.all()[0]?.count ?? 0) + 1) >>> 0 });
      if (!store.sameBoot) {
        for (const client of this.clients.all()) this.dropClient(client);
        this.clients.skipLost();
      }
      fileSystem.dropOrphans();
    });
  }

  /** Removes a client with its sessions, opens and locks. Inside a transaction only. */
  dropClient(client: ClientRecord): void {
    for (const session of this.sessions.ofClient(client.clientId)) this.sessions.destroy(session);
    for (const open of this.opens.ofClient(client.clientId)) this.closeOpen(open);
    this.clients.delete(client);
    this.leases.forget(client.clientId);
  }

  /** Closes an open and releases the locks that hang on it (RFC 8881 §9.8, §18.2.3). Inside a transaction only. */
  closeOpen(open: OpenRecord): void {
    for (const lock of this.locks.ofOpen(open)) this.locks.delete(lock);
    this.opens.close(open);
  }

  /** Drops the client when its lease has run out; whether it has. Inside a transaction only. */
  yieldExpired(clientId: bigint): boolean {
    // RFC 8881 §8.4.3: an expired client's locks and share denials give way to others.
    if (!this.leases.isExpired(clientId)) return false;
    const client = this.clients.get(clientId);
    if (client !== undefined) this.dropClient(client);
    return true;
  }

  /**
   * Removes client records nobody will come back for. RFC 8881 §2.4.2, §2.10.12: one with a session stays, also after its
   * lease, unless there are too many. Inside a transaction only.
   */
  sweep(): void {
    const expired = this.clients.all().filter(({ clientId }) => this.leases.isExpired(clientId));
    let surplus = this.clients.size - maxClients;
    for (const client of expired) {
      const hasSession = this.sessions.ofClient(client.clientId).length > 0;
      // RFC 8881 §18.35.4: an unconfirmed record lives for a lease; one without a session holds nothing that anyone can use.
      if (client.confirmed && hasSession && surplus < 0) continue;
      this.dropClient(client);
      surplus -= 1;
    }
  }

  /** Whether another client record can be kept. */
  get hasRoomForClient(): boolean {
    return this.clients.size < maxClients;
  }

  /** The open that a stateid's bytes name, or the open under the lock they name. */
  find(
    other: Uint8Array,
  ): { readonly open: OpenRecord; readonly lock: LockRecord | undefined } | undefined {
    const open = this.opens.get(other);
    if (open !== undefined) return { open, lock: undefined };
    const lock = this.locks.get(other);
    if (lock === undefined) return undefined;
    const under = this.opens.get(lock.openOther);
    return under === undefined ? undefined : { open: under, lock };
  }

  /** The session's client; it exists as long as the session. */
  clientOf(session: Session): ClientRecord {
    const client = this.clients.get(session.record.clientId);
    if (client === undefined) throw new Error("Session without its client");
    return client;
  }
}
