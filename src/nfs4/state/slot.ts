import type { RpcReply } from "../../rpc/program.ts";
import {
  array,
  enumeration,
  fixedOpaque,
  offset,
  opaque,
  optional,
  struct,
  type TypeOf,
  u32,
  union,
} from "../../xdr/codec.ts";
import type { Ledger } from "./ledger.ts";
import { decodeRecord, encodeRecord, type RecordFormat } from "./record-table.ts";

const stateId = struct({ seqid: u32, other: fixedOpaque(12) });
const position = struct({ inode: offset, stateId: optional(stateId) });
const resume = struct({
  next: u32,
  results: array(opaque()),
  current: optional(position),
  saved: optional(position),
  syncFrom: optional(u32),
});

/**
 * Record `nfs4.slot`, version 1, key = sessionId (16 bytes) + slotId (u32):
 *
 * | field       | type       | meaning                                                             |
 * |-------------|------------|---------------------------------------------------------------------|
 * | sessionId   | opaque[16] | as in the key                                                       |
 * | slotId      | u32        | as in the key                                                       |
 * | sequenceId  | u32        | of the request that is described                                    |
 * | fingerprint | u32        | of that request's operations                                        |
 * | kind        | enum       | 0 answered, 1 suspended                                             |
 * | reply       | opaque*    | answered: the COMPOUND4res, if it is kept                           |
 * | resume      | struct     | suspended: operations before `next` are done and their changes kept |
 *
 * `resume` holds their encoded results (each nfs_resop4, SEQUENCE first), the current and the saved filehandle's
 * inode with their stateids, and the first operation that wants the store synced before the reply.
 */
const codec = struct({
  sessionId: fixedOpaque(16),
  slotId: u32,
  sequenceId: u32,
  fingerprint: u32,
  outcome: union("kind", enumeration({ answered: 0, suspended: 1 }), {
    answered: { reply: optional(opaque()) },
    suspended: { resume },
  }),
});

/** The last request of a slot, as stored. */
export type SlotRecord = TypeOf<typeof codec>;

/** How far a suspended compound has come; see {@link SlotRecord}. */
export type ResumePoint = TypeOf<typeof resume>;

/** How slots lie in the store. */
export const slotFormat: RecordFormat<SlotRecord> = {
  kind: "nfs4.slot",
  version: 1,
  codec,
  keyOf: ({ sessionId, slotId }) => slotKey(sessionId, slotId),
};

function slotKey(sessionId: Uint8Array, slotId: number): Uint8Array {
  const key = Buffer.alloc(20);
  key.set(sessionId);
  key.writeUInt32BE(slotId, 16);
  return key;
}

/** A request that is being executed; a retransmission of it joins it. */
export interface InFlight {
  readonly sequenceId: number;
  readonly fingerprint: number;
  /** The request has come again: it gets the same reply. */
  rejoin(respond: (reply: RpcReply) => void): void;
}

/** What a slot says to a request (RFC 8881 §2.10.6.1). */
export type SlotVerdict =
  | { readonly kind: "new" }
  | { readonly kind: "resume"; readonly point: ResumePoint }
  | { readonly kind: "replay"; readonly reply: Uint8Array }
  | { readonly kind: "running"; readonly inFlight: InFlight }
  | { readonly kind: "uncached" | "misordered" | "falseRetry" };

/** A slot's sequence id is stored at the latest after so many requests that were not. */
const storeEvery = 2 ** 20;

/**
 * One slot of a session's reply cache. What it answered to requests that changed something is in the store, in the
 * transaction of the change; the rest is in memory only, so that after a restart the slot accepts any higher
 * sequence id, once. (RFC 8881 §2.10.6.1 would answer SEQ_MISORDERED: all that is not idempotent was stored with
 * its id, so nothing runs twice.)
 */
export class Slot {
  readonly #sessionId: Uint8Array;
  readonly #slotId: number;
  #sequenceId = 0;
  #used = false;
  #fingerprint = 0;
  #reply: Uint8Array | undefined;
  #storedSequenceId: number | undefined;
  #suspended:
    | (ResumePoint & { readonly sequenceId: number; readonly fingerprint: number })
    | undefined;
  /** Restored after a restart, and no request has come since. */
  #lenient: boolean;
  inFlight: InFlight | undefined;

  constructor(options: {
    readonly sessionId: Uint8Array;
    readonly slotId: number;
    readonly restored: boolean;
  }) {
    this.#sessionId = options.sessionId;
    this.#slotId = options.slotId;
    this.#lenient = options.restored;
  }

  /** The sequence id of the last request. */
  get sequenceId(): number {
    return this.#sequenceId;
  }

  /** Takes over what an earlier process stored. */
  restore(value: Uint8Array): void {
    const record = decodeRecord(slotFormat, value);
    const { sequenceId, fingerprint, outcome } = record;
    this.#storedSequenceId = sequenceId;
    this.#used = true;
    if (outcome.kind === "suspended") {
      this.#sequenceId = (sequenceId - 1) >>> 0;
      this.#suspended = { ...outcome.resume, sequenceId, fingerprint };
      return;
    }
    this.#sequenceId = sequenceId;
    this.#fingerprint = fingerprint;
    this.#reply = outcome.reply;
  }

  /** What is to be done with a request. Changes nothing. */
  judge(sequenceId: number, fingerprint: number): SlotVerdict {
    const { inFlight } = this;
    if (inFlight !== undefined) {
      if (sequenceId !== inFlight.sequenceId) return { kind: "misordered" };
      if (fingerprint !== inFlight.fingerprint) return { kind: "falseRetry" };
      return { kind: "running", inFlight };
    }
    const suspended = this.#suspended;
    if (suspended !== undefined && sequenceId === suspended.sequenceId) {
      if (fingerprint !== suspended.fingerprint) return { kind: "falseRetry" };
      return { kind: "resume", point: suspended };
    }
    // RFC 8881 §2.10.6.1, §18.36.3, §18.46.3: from 1 on; sequence ids are compared in the arithmetic of 32 bits.
    const ahead = (sequenceId - this.#sequenceId) >>> 0;
    if (ahead === 1) return { kind: "new" };
    if (ahead > 1 && ahead < 2 ** 31 && this.#lenient) return { kind: "new" };
    if (ahead !== 0 || !this.#used || suspended !== undefined) return { kind: "misordered" };
    // RFC 8881 §2.10.6.1.3.1: another request under a used sequence id.
    if (fingerprint !== this.#fingerprint) return { kind: "falseRetry" };
    return this.#reply === undefined
      ? { kind: "uncached" }
      : { kind: "replay", reply: this.#reply };
  }

  /** Whether an answer that need not be stored should be, so that the stored sequence id stays near. */
  isStoreDue(sequenceId: number): boolean {
    return (sequenceId - (this.#storedSequenceId ?? 0)) >>> 0 >= storeEvery;
  }

  /** Stores how far the request in flight has come. Inside a transaction only. */
  storeSuspended(ledger: Ledger, request: InFlight, point: ResumePoint): void {
    this.#store(ledger, request, { kind: "suspended", resume: point });
  }

  /** Stores the answer to the request in flight. Inside a transaction only. */
  storeAnswer(ledger: Ledger, request: InFlight, reply: Uint8Array | undefined): void {
    this.#store(ledger, request, { kind: "answered", reply });
  }

  #store(ledger: Ledger, request: InFlight, outcome: SlotRecord["outcome"]): void {
    const { sequenceId, fingerprint } = request;
    const record = {
      sessionId: this.#sessionId,
      slotId: this.#slotId,
      sequenceId,
      fingerprint,
      outcome,
    };
    ledger.put(slotFormat.kind, slotFormat.keyOf(record), encodeRecord(slotFormat, record));
    const before = this.#storedSequenceId;
    this.#storedSequenceId = sequenceId;
    ledger.onRollback(() => {
      this.#storedSequenceId = before;
    });
  }

  /** The request in flight is answered, and what must be stored is committed. `reply` is kept as it is. */
  finish(request: InFlight, reply: Uint8Array | undefined): void {
    this.#sequenceId = request.sequenceId;
    this.#fingerprint = request.fingerprint;
    this.#reply = reply;
    this.#used = true;
    this.#lenient = false;
    this.#suspended = undefined;
    if (this.inFlight === request) this.inFlight = undefined;
  }

  /** Removes what is stored. Inside a transaction only. */
  forget(ledger: Ledger): void {
    if (this.#storedSequenceId === undefined) return;
    ledger.delete(slotFormat.kind, slotKey(this.#sessionId, this.#slotId));
    const before = this.#storedSequenceId;
    this.#storedSequenceId = undefined;
    ledger.onRollback(() => {
      this.#storedSequenceId = before;
    });
  }
}
