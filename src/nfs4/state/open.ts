import type { InodeNumber } from "../../vfs/attributes.ts";
import type { FileSystem } from "../../vfs/file-system.ts";
import {
  fixedOpaque,
  offset,
  opaque,
  optional,
  struct,
  type TypeOf,
  text,
  u32,
  u64,
} from "../../xdr/codec.ts";
import { clientKey } from "./client.ts";
import type { Ledger } from "./ledger.ts";
import { type Index, mapKey, type RecordFormat, RecordTable } from "./record-table.ts";
import { newStateIdOther, nextSeqid } from "./stateid.ts";

/**
 * Record `nfs4.open`, version 3 (version 2 lacks the last field), key = other (12 bytes):
 *
 * | field    | type       | meaning                                        |
 * |----------|------------|------------------------------------------------|
 * | other    | opaque[12] | the stateid's bytes that stay                  |
 * | seqid    | u32        | grows with each OPEN and OPEN_DOWNGRADE        |
 * | clientId | u64        | whose it is                                    |
 * | owner    | opaque     | open_owner4.owner                              |
 * | inode    | u64        | the file                                       |
 * | access   | u32        | 1 read, 2 write, 3 both                        |
 * | deny     | u32        | the same bits, denied to others                |
 * | accesses | u32        | bit n: an OPEN in effect asked for access n    |
 * | denials  | u32        | bit n: an OPEN in effect asked for denial n    |
 * | opener   | string*    | who opened it first; absent: not known         |
 */
const fields = {
  other: fixedOpaque(12),
  seqid: u32,
  clientId: u64,
  owner: opaque(1024),
  inode: offset,
  access: u32,
  deny: u32,
  accesses: u32,
  denials: u32,
} as const;
const codec = struct({ ...fields, opener: optional(text(256)) });
const previousCodec = struct(fields);

/** A file opened by an open-owner (RFC 8881 §9.1): one for each owner and file. */
export type OpenRecord = Omit<TypeOf<typeof codec>, "inode"> & { readonly inode: InodeNumber };

/** Share bits (RFC 8881 §18.16.1). */
export const share = { read: 1, write: 2 } as const;

const format = {
  kind: "nfs4.open",
  version: 3,
  codec,
  keyOf: ({ other }) => other,
  previous: (reader) => ({ ...previousCodec.decode(reader), opener: undefined }),
} as RecordFormat<OpenRecord>;

/** The union of those of the modes `0` to `3` in the bit set `modes` that are part of `wanted`. */
function unionWithin(modes: number, wanted: number): number {
  let union = 0;
  for (let mode = 0; mode <= 3; mode += 1) {
    if ((modes & (1 << mode)) !== 0 && (mode & ~wanted) === 0) union |= mode;
  }
  return union;
}

/** Those of the modes in the bit set that are part of `wanted`. */
function modesWithin(modes: number, wanted: number): number {
  let kept = 0;
  for (let mode = 0; mode <= 3; mode += 1) if ((mode & ~wanted) === 0) kept |= modes & (1 << mode);
  return kept;
}

const ownerKey = (clientId: bigint, owner: Uint8Array, inode: InodeNumber) =>
  `${mapKey(clientKey(clientId))}${inode}:${mapKey(owner)}`;

/** All opens. Each counts as a use of its inode in the file system. */
export class OpenTable {
  readonly #records: RecordTable<OpenRecord>;
  readonly #byOwner: Index<string, OpenRecord>;
  readonly #byInode: Index<InodeNumber, OpenRecord>;
  readonly #byClient: Index<bigint, OpenRecord>;
  readonly #ledger: Ledger;
  readonly #fileSystem: Pick<FileSystem, "hold" | "release">;
  readonly #randomBytes: (length: number) => Uint8Array;

  /** Loads the opens and holds their inodes. */
  constructor(deps: {
    readonly ledger: Ledger;
    readonly fileSystem: Pick<FileSystem, "hold" | "release">;
    readonly randomBytes: (length: number) => Uint8Array;
  }) {
    this.#ledger = deps.ledger;
    this.#fileSystem = deps.fileSystem;
    this.#randomBytes = deps.randomBytes;
    this.#records = new RecordTable(format, deps.ledger);
    this.#byOwner = this.#records.indexBy(({ clientId, owner, inode }) =>
      ownerKey(clientId, owner, inode),
    );
    this.#byInode = this.#records.indexBy(({ inode }) => inode);
    this.#byClient = this.#records.indexBy(({ clientId }) => clientId);
    for (const { inode } of this.#records.all()) this.#fileSystem.hold(inode);
  }

  get(other: Uint8Array): OpenRecord | undefined {
    return this.#records.get(other);
  }

  get size(): number {
    return this.#records.size;
  }

  ofClient(clientId: bigint): readonly OpenRecord[] {
    return this.#byClient.get(clientId);
  }

  /** How many opens a client has. */
  countOf(clientId: bigint): number {
    return this.#byClient.count(clientId);
  }

  ofFile(inode: InodeNumber): readonly OpenRecord[] {
    return this.#byInode.get(inode);
  }

  /** The open of this owner and file. */
  find(clientId: bigint, owner: Uint8Array, inode: InodeNumber): OpenRecord | undefined {
    return this.#byOwner.get(ownerKey(clientId, owner, inode))[0];
  }

  /**
   * An open that `access` and `deny` cannot live with: access against deny, in both directions; equal deny bits
   * alone are no conflict (RFC 8881 §9.7). An open of the same owner is no exception (§18.16.3).
   */
  conflict(
    inode: InodeNumber,
    wanted: { readonly access: number; readonly deny: number },
  ): OpenRecord | undefined {
    return this.#byInode
      .get(inode)
      .find((open) => (wanted.access & open.deny) !== 0 || (wanted.deny & open.access) !== 0);
  }

  /** A new open, or the owner's open of this file with the bits added (RFC 8881 §9.9). Inside a transaction only. */
  open(wanted: Omit<OpenRecord, "other" | "seqid" | "accesses" | "denials">): OpenRecord {
    const known = this.find(wanted.clientId, wanted.owner, wanted.inode);
    const { access, deny } = wanted;
    if (known !== undefined) {
      return this.#change(known, {
        access: known.access | access,
        deny: known.deny | deny,
        accesses: known.accesses | (1 << access),
        denials: known.denials | (1 << deny),
      });
    }
    const record: OpenRecord = {
      ...wanted,
      owner: Uint8Array.from(wanted.owner),
      other: newStateIdOther("open", this.#randomBytes),
      seqid: 1,
      accesses: 1 << access,
      denials: 1 << deny,
    };
    this.#records.put(record);
    this.#fileSystem.hold(record.inode);
    this.#ledger.afterRollback(() => this.#fileSystem.release(record.inode));
    return record;
  }

  /** Whether some of the OPENs in effect together have exactly these bits (RFC 8881 §18.18.3). */
  canDowngrade(open: OpenRecord, to: { readonly access: number; readonly deny: number }): boolean {
    return (
      unionWithin(open.accesses, to.access) === to.access &&
      unionWithin(open.denials, to.deny) === to.deny
    );
  }

  /** Inside a transaction only. Already checked: {@link canDowngrade}. */
  downgrade(open: OpenRecord, to: { readonly access: number; readonly deny: number }): OpenRecord {
    const accesses = modesWithin(open.accesses, to.access);
    const denials = modesWithin(open.denials, to.deny);
    return this.#change(open, { ...to, accesses, denials });
  }

  #change(
    open: OpenRecord,
    bits: Pick<OpenRecord, "access" | "deny" | "accesses" | "denials">,
  ): OpenRecord {
    const record = { ...open, ...bits, seqid: nextSeqid(open.seqid) };
    this.#records.put(record);
    return record;
  }

  /** Inside a transaction only. A file without a name and another use loses its data. */
  close(open: OpenRecord): void {
    this.#records.delete(open);
    this.#fileSystem.release(open.inode);
    this.#ledger.onRollback(() => this.#fileSystem.hold(open.inode));
  }
}
