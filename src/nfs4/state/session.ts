import { bool, fixedOpaque, struct, type TypeOf, u32, u64 } from "../../xdr/codec.ts";
import { Channels } from "./channels.ts";
import type { Ledger } from "./ledger.ts";
import { type Index, mapKey, type RecordFormat, RecordTable } from "./record-table.ts";
import { Slot, slotFormat } from "./slot.ts";

/**
 * Record `nfs4.session`, version 2 (version 1 lacks `persist`, which is true then), key = sessionId (16 bytes):
 *
 * | field             | type       | meaning                                                    |
 * |-------------------|------------|------------------------------------------------------------|
 * | sessionId         | opaque[16] | random                                                     |
 * | clientId          | u64        | whose it is                                                |
 * | maxRequestBytes   | u32        | ca_maxrequestsize, with the RPC header                     |
 * | maxResponseBytes  | u32        | ca_maxresponsesize, with the RPC header                    |
 * | maxCachedBytes    | u32        | ca_maxresponsesize_cached, with the RPC header             |
 * | maxOperations     | u32        | ca_maxoperations                                           |
 * | slots             | u32        | ca_maxrequests                                             |
 * | persist           | bool       | CREATE_SESSION4_FLAG_PERSIST was asked for and granted     |
 */
const fields = {
  sessionId: fixedOpaque(16),
  clientId: u64,
  maxRequestBytes: u32,
  maxResponseBytes: u32,
  maxCachedBytes: u32,
  maxOperations: u32,
  slots: u32,
} as const;
const codec = struct({ ...fields, persist: bool });
const firstCodec = struct(fields);

/** What is kept of a session (RFC 8881 §2.10, §18.46.4). */
export type SessionRecord = TypeOf<typeof codec>;

const format: RecordFormat<SessionRecord> = {
  kind: "nfs4.session",
  version: 2,
  codec,
  keyOf: ({ sessionId }) => sessionId,
  previous: (reader) => ({ ...firstCodec.decode(reader), persist: true }),
};

/** A session with its slots; in memory as long as it exists. */
export class Session {
  readonly record: SessionRecord;
  readonly slots: readonly Slot[];
  readonly channels = new Channels();
  /** Compounds of this session that wait for S3. */
  waitingForRemote = 0;
  /** Destroyed: what still runs on it is not stored any more. */
  ended = false;

  constructor(record: SessionRecord, restored: boolean) {
    this.record = record;
    this.slots = Array.from(
      { length: record.slots },
      (_, slotId) => new Slot({ sessionId: record.sessionId, slotId, restored }),
    );
  }
}

/** All sessions. */
export class SessionTable {
  readonly #ledger: Ledger;
  readonly #records: RecordTable<SessionRecord>;
  readonly #byClient: Index<bigint, SessionRecord>;
  readonly #sessions = new Map<string, Session>();

  /** Loads the sessions and the last state of their slots. */
  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#records = new RecordTable(format, ledger);
    this.#byClient = this.#records.indexBy(({ clientId }) => clientId);
    for (const record of this.#records.all()) {
      this.#sessions.set(mapKey(record.sessionId), new Session(record, true));
    }
    for (const { key, value } of ledger.scan(slotFormat.kind)) {
      const session = this.#sessions.get(mapKey(key.subarray(0, 16)));
      const slotId = Buffer.from(key).readUInt32BE(16);
      session?.slots[slotId]?.restore(value);
    }
  }

  get(sessionId: Uint8Array): Session | undefined {
    return this.#sessions.get(mapKey(sessionId));
  }

  /** The sessions of a client. */
  ofClient(clientId: bigint): readonly Session[] {
    return this.#byClient.get(clientId).flatMap(({ sessionId }) => this.get(sessionId) ?? []);
  }

  /** Inside a transaction only. */
  create(record: SessionRecord): Session {
    const session = new Session(record, false);
    this.#records.put(record);
    this.#sessions.set(mapKey(record.sessionId), session);
    this.#ledger.onRollback(() => {
      this.#sessions.delete(mapKey(record.sessionId));
      session.channels.end();
    });
    return session;
  }

  /** Ends a session and forgets its slots. Inside a transaction only. */
  destroy(session: Session): void {
    this.#records.delete(session.record);
    for (const slot of session.slots) slot.forget(this.#ledger);
    const key = mapKey(session.record.sessionId);
    this.#sessions.delete(key);
    session.ended = true;
    session.channels.end();
    this.#ledger.onRollback(() => {
      this.#sessions.set(key, session);
      session.ended = false;
    });
  }
}
