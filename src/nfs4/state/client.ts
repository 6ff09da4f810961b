import {
  bool,
  fixedOpaque,
  opaque,
  optional,
  struct,
  type TypeOf,
  text,
  u32,
  u64,
} from "../../xdr/codec.ts";
import type { Ledger } from "./ledger.ts";
import { type Index, mapKey, type RecordFormat, RecordTable } from "./record-table.ts";

/**
 * Record `nfs4.client`, version 1, key = clientId (8 bytes, big endian):
 *
 * | field          | type       | meaning                                                          |
 * |----------------|------------|------------------------------------------------------------------|
 * | clientId       | u64        | random number of the volume << 32, plus a counter                 |
 * | ownerId        | opaque     | co_ownerid                                                       |
 * | verifier       | opaque[8]  | co_verifier: another one means that the client has restarted     |
 * | principal      | string     | who made it: flavour and uid                                     |
 * | confirmed      | bool       | by a CREATE_SESSION                                              |
 * | createSequence | u32        | csa_sequence of the last CREATE_SESSION, 0 before the first       |
 * | createReply    | opaque*    | its CREATE_SESSION4res                                           |
 * | reclaimed      | bool       | has sent RECLAIM_COMPLETE                                        |
 */
const codec = struct({
  clientId: u64,
  ownerId: opaque(1024),
  verifier: fixedOpaque(8),
  principal: text(256),
  confirmed: bool,
  createSequence: u32,
  createReply: optional(opaque(4096)),
  reclaimed: bool,
});

/** One client ID (RFC 8881 §2.4). */
export type ClientRecord = TypeOf<typeof codec>;

/** The bytes of a client ID in keys of records. */
export function clientKey(clientId: bigint): Uint8Array {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(clientId);
  return key;
}

const format: RecordFormat<ClientRecord> = {
  kind: "nfs4.client",
  version: 1,
  codec,
  keyOf: ({ clientId }) => clientKey(clientId),
};

/**
 * Record `nfs4.counter`, version 1, one record with the key `client`: the last counter (u32) given to a
 * client ID. It survives a reboot, so that no client ID is ever used again.
 */
const counterCodec = struct({ last: u32 });
const counterFormat: RecordFormat<TypeOf<typeof counterCodec>> = {
  kind: "nfs4.counter",
  version: 1,
  codec: counterCodec,
  keyOf: () => Buffer.from("client"),
};

/** More client IDs than are given between two syncs of the store. */
const lostIds = 65_536;

/** All client IDs: at most one confirmed and one unconfirmed for an owner (RFC 8881 §18.35.4). */
export class ClientTable {
  readonly #records: RecordTable<ClientRecord>;
  readonly #byOwner: Index<string, ClientRecord>;
  readonly #counter: RecordTable<{ readonly last: number }>;
  readonly #upperHalf: number;

  /** `upperHalf`: 32 bits that tell this volume's client IDs from others'. */
  constructor(options: { readonly upperHalf: number }, ledger: Ledger) {
    this.#records = new RecordTable(format, ledger);
    this.#byOwner = this.#records.indexBy(({ ownerId }) => mapKey(ownerId));
    this.#counter = new RecordTable(counterFormat, ledger);
    this.#upperHalf = options.upperHalf;
  }

  get(clientId: bigint): ClientRecord | undefined {
    return this.#records.get(clientKey(clientId));
  }

  all(): readonly ClientRecord[] {
    return this.#records.all();
  }

  get size(): number {
    return this.#records.size;
  }

  /** The record of an owner, confirmed or not. */
  ofOwner(ownerId: Uint8Array, confirmed: boolean): ClientRecord | undefined {
    return this.#byOwner
      .get(mapKey(ownerId))
      .find((candidate) => candidate.confirmed === confirmed);
  }

  /** Keeps a new, unconfirmed record with a client ID that was never used (RFC 8881 §18.35.3). Inside a transaction only. */
  create(owner: Pick<ClientRecord, "ownerId" | "verifier" | "principal">): ClientRecord {
    const last = ((this.#counter.all()[0]?.last ?? 0) + 1) >>> 0;
    this.#counter.put({ last });
    const record: ClientRecord = {
      clientId: (BigInt(this.#upperHalf) << 32n) | BigInt(last),
      ownerId: Uint8Array.from(owner.ownerId),
      verifier: Uint8Array.from(owner.verifier),
      principal: owner.principal,
      confirmed: false,
      createSequence: 0,
      createReply: undefined,
      reclaimed: false,
    };
    this.#records.put(record);
    return record;
  }

  /** Leaves client IDs out that a lost transaction may have given. Inside a transaction only. */
  skipLost(): void {
    this.#counter.put({ last: ((this.#counter.all()[0]?.last ?? 0) + lostIds) >>> 0 });
  }

  /** Inside a transaction only. */
  put(record: ClientRecord): void {
    this.#records.put(record);
  }

  /** Removes the record alone; `ProtocolState.dropClient` removes what hangs on it. */
  delete(record: ClientRecord): void {
    this.#records.delete(record);
  }
}
