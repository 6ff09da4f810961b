import type { InodeNumber } from "../../vfs/attributes.ts";
import type { FileSystem } from "../../vfs/file-system.ts";
import { fixedOpaque, offset, opaque, struct, type TypeOf, u32, u64 } from "../../xdr/codec.ts";
import { clientKey } from "./client.ts";
import type { Ledger } from "./ledger.ts";
import { type Index, mapKey, type RecordFormat, RecordTable } from "./record-table.ts";
import { newStateIdOther, nextSeqid } from "./stateid.ts";

/**
 * Record `nfs4.open`, version 1, key = other (12 bytes):
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
 */
const codec = struct({
  other: fixedOpaque(12),
  seqid: u32,
  clientId: u64,
  owner: opaque(1024),
  inode: offset,
  access: u32,
  deny: u32,
});

/** A file opened by an open-owner (RFC 8881 §9.1): one for each owner and file. */
export type OpenRecord = Omit<TypeOf<typeof codec>, "inode"> & { readonly inode: InodeNumber };

/** Share bits (RFC 8881 §18.16.1). */
export const share = { read: 1, write: 2 } as const;

const format = {
  kind: "nfs4.open",
  version: 1,
  codec,
  keyOf: ({ other }) => other,
} as RecordFormat<OpenRecord>;

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
   * An open other than `own` that `access` and `deny` cannot live with: access against deny, in both
   * directions; equal deny bits alone are no conflict (RFC 8881 §9.7).
   */
  conflict(
    inode: InodeNumber,
    wanted: { readonly access: number; readonly deny: number },
    own?: OpenRecord,
  ): OpenRecord | undefined {
    return this.#byInode
      .get(inode)
      .find(
        (open) =>
          open !== own && ((wanted.access & open.deny) !== 0 || (wanted.deny & open.access) !== 0),
      );
  }

  /** A new open, or the owner's open of this file with the bits added (RFC 8881 §9.9). Inside a transaction only. */
  open(wanted: Omit<OpenRecord, "other" | "seqid">): OpenRecord {
    const known = this.find(wanted.clientId, wanted.owner, wanted.inode);
    if (known !== undefined) {
      const { access, deny } = wanted;
      return this.#change(known, { access: known.access | access, deny: known.deny | deny });
    }
    const record: OpenRecord = {
      ...wanted,
      owner: Uint8Array.from(wanted.owner),
      other: newStateIdOther("open", this.#randomBytes),
      seqid: 1,
    };
    this.#records.put(record);
    this.#fileSystem.hold(record.inode);
    this.#ledger.afterRollback(() => this.#fileSystem.release(record.inode));
    return record;
  }

  /** Inside a transaction only. Already checked: the bits are a subset. */
  downgrade(open: OpenRecord, to: { readonly access: number; readonly deny: number }): OpenRecord {
    return this.#change(open, to);
  }

  #change(open: OpenRecord, bits: { readonly access: number; readonly deny: number }): OpenRecord {
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
