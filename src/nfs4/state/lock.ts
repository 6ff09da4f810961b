import type { InodeNumber } from "../../vfs/attributes.ts";
import {
  array,
  bool,
  fixedOpaque,
  offset,
  opaque,
  struct,
  type TypeOf,
  u32,
  u64,
} from "../../xdr/codec.ts";
import { add, type ByteRange, overlaps, subtract } from "./byte-range.ts";
import { clientKey } from "./client.ts";
import type { Ledger } from "./ledger.ts";
import type { OpenRecord } from "./open.ts";
import { type Index, mapKey, type RecordFormat, RecordTable } from "./record-table.ts";
import { newStateIdOther, nextSeqid } from "./stateid.ts";

/**
 * Record `nfs4.lock`, version 1, key = other (12 bytes):
 *
 * | field     | type       | meaning                                             |
 * |-----------|------------|-----------------------------------------------------|
 * | other     | opaque[12] | the stateid's bytes that stay                       |
 * | seqid     | u32        | grows with each LOCK and LOCKU                      |
 * | openOther | opaque[12] | the open it belongs to; it is gone with that        |
 * | clientId  | u64        | whose it is                                         |
 * | owner     | opaque     | lock_owner4.owner                                   |
 * | inode     | u64        | the file                                            |
 * | ranges    | array      | first u64, last u64 (inclusive), write bool; sorted |
 */
const codec = struct({
  other: fixedOpaque(12),
  seqid: u32,
  openOther: fixedOpaque(12),
  clientId: u64,
  owner: opaque(1024),
  inode: offset,
  ranges: array(struct({ first: u64, last: u64, write: bool })),
});

/** The byte-range locks of one lock-owner on one file, as far as they came through one open (RFC 8881 §9.1, §9.5). */
export type LockRecord = Omit<TypeOf<typeof codec>, "inode"> & { readonly inode: InodeNumber };

const format = {
  kind: "nfs4.lock",
  version: 1,
  codec,
  keyOf: ({ other }) => other,
} as RecordFormat<LockRecord>;

/** Who locks. */
export interface LockOwner {
  readonly clientId: bigint;
  readonly owner: Uint8Array;
}

const sameOwner = (a: LockOwner, b: LockOwner) =>
  a.clientId === b.clientId && Buffer.compare(a.owner, b.owner) === 0;

const ownerKey = ({ clientId, owner }: LockOwner, inode: InodeNumber) =>
  `${mapKey(clientKey(clientId))}${inode}:${mapKey(owner)}`;

/** All byte-range locks. */
export class LockTable {
  readonly #records: RecordTable<LockRecord>;
  readonly #byOwner: Index<string, LockRecord>;
  readonly #byInode: Index<InodeNumber, LockRecord>;
  readonly #byOpen: Index<string, LockRecord>;
  readonly #byClient: Index<bigint, LockRecord>;
  readonly #randomBytes: (length: number) => Uint8Array;

  constructor(deps: {
    readonly ledger: Ledger;
    readonly randomBytes: (length: number) => Uint8Array;
  }) {
    this.#randomBytes = deps.randomBytes;
    this.#records = new RecordTable(format, deps.ledger);
    this.#byOwner = this.#records.indexBy((record) => ownerKey(record, record.inode));
    this.#byInode = this.#records.indexBy(({ inode }) => inode);
    this.#byOpen = this.#records.indexBy(({ openOther }) => mapKey(openOther));
    this.#byClient = this.#records.indexBy(({ clientId }) => clientId);
  }

  get(other: Uint8Array): LockRecord | undefined {
    return this.#records.get(other);
  }

  get size(): number {
    return this.#records.size;
  }

  /** How many lock states a client has. */
  countOf(clientId: bigint): number {
    return this.#byClient.count(clientId);
  }

  /** The lock state of an owner under an open. */
  find(owner: LockOwner, open: OpenRecord): LockRecord | undefined {
    return this.#byOwner
      .get(ownerKey(owner, open.inode))
      .find(({ openOther }) => Buffer.compare(openOther, open.other) === 0);
  }

  /** The same owner's lock states on the same file under other opens. */
  siblings(record: LockRecord): readonly LockRecord[] {
    return this.#byOwner.get(ownerKey(record, record.inode)).filter((each) => each !== record);
  }

  /** The lock states that hang on an open. */
  ofOpen(open: OpenRecord): readonly LockRecord[] {
    return this.#byOpen.get(mapKey(open.other));
  }

  /** A range that another owner holds and `wanted` cannot live with. */
  conflict(
    owner: LockOwner,
    inode: InodeNumber,
    wanted: ByteRange,
  ): { readonly record: LockRecord; readonly range: ByteRange } | undefined {
    for (const record of this.#byInode.get(inode)) {
      if (sameOwner(record, owner)) continue;
      for (const range of record.ranges) {
        if ((range.write || wanted.write) && overlaps(range, wanted)) return { record, range };
      }
    }
    return undefined;
  }

  /** A lock state without ranges for an owner. Inside a transaction only. */
  create(open: OpenRecord, owner: LockOwner): LockRecord {
    const record: LockRecord = {
      other: newStateIdOther("lock", this.#randomBytes),
      seqid: 0,
      openOther: open.other,
      clientId: owner.clientId,
      owner: Uint8Array.from(owner.owner),
      inode: open.inode,
      ranges: [],
    };
    this.#records.put(record);
    return record;
  }

  /** Inside a transaction only. Already checked: no {@link conflict}. */
  lock(record: LockRecord, range: ByteRange): LockRecord {
    return this.#change(record, range, add(record.ranges, range));
  }

  /** Inside a transaction only. */
  unlock(record: LockRecord, range: ByteRange): LockRecord {
    return this.#change(record, range, subtract(record.ranges, range));
  }

  /** The record with other ranges, which counts its stateid (RFC 8881 §9.4), and `range` taken from its siblings. */
  #change(record: LockRecord, range: ByteRange, ranges: readonly ByteRange[]): LockRecord {
    for (const sibling of this.siblings(record)) {
      if (!sibling.ranges.some((each) => overlaps(each, range))) continue;
      // RFC 8881 §9.5: the last LOCK or LOCKU counts, through whichever open; the others' seqid stays.
      this.#records.put({ ...sibling, ranges: subtract(sibling.ranges, range) });
    }
    const changed = { ...record, ranges, seqid: nextSeqid(record.seqid) };
    this.#records.put(changed);
    return changed;
  }

  /** Removes a lock state with its locks. Inside a transaction only. */
  delete(record: LockRecord): void {
    this.#records.delete(record);
  }
}
