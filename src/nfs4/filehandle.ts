import { createHmac } from "node:crypto";
import type { InodeNumber } from "../vfs/attributes.ts";
import { NfsError } from "./status.ts";

/**
 * Filehandles, persistent (RFC 8881 §4.2.2) and unguessable:
 *
 * | bytes | what                                                    |
 * |-------|---------------------------------------------------------|
 * | 0–15  | uuid of the volume                                      |
 * | 16–23 | inode number, big endian                                |
 * | 24–27 | generation: 0, since inode numbers are never used again |
 * | 28–35 | first 8 bytes of HMAC-SHA-256 over bytes 0–27           |
 *
 * The key is the volume's secret, so handles outlive restarts and reboots. A change of the layout gets
 * another length.
 */
export const filehandleBytes = 36;

/** Bytes of the result of GETFH: operation, status, length, handle. */
export const filehandleResultBytes = 4 + 4 + 4 + filehandleBytes;

const inodeAt = 16;
const macAt = 28;
/** Handles kept; past it the oldest is forgotten. */
const cachedHandles = 20_000;

/** Makes and checks the filehandles of one volume. */
export class Filehandles {
  readonly #uuid: Uint8Array;
  readonly #secret: Uint8Array;
  readonly #cache = new Map<InodeNumber, Buffer>();

  constructor(options: { readonly volumeUuid: Uint8Array; readonly secret: Uint8Array }) {
    this.#uuid = options.volumeUuid;
    this.#secret = options.secret;
  }

  /** The handle of an inode, always the same, and no other inode's (RFC 8881 §4.2.1). The bytes are shared: not to be changed. */
  of(inode: InodeNumber): Uint8Array {
    const known = this.#cache.get(inode);
    if (known !== undefined) return known;
    const handle = Buffer.alloc(filehandleBytes);
    handle.set(this.#uuid.subarray(0, inodeAt));
    handle.writeBigUInt64BE(BigInt(inode), inodeAt);
    const mac = createHmac("sha256", this.#secret).update(handle.subarray(0, macAt)).digest();
    handle.set(mac.subarray(0, filehandleBytes - macAt), macAt);
    if (this.#cache.size >= cachedHandles) {
      const [oldest] = this.#cache.keys();
      if (oldest !== undefined) this.#cache.delete(oldest);
    }
    this.#cache.set(inode, handle);
    return handle;
  }

  /**
   * The inode of a handle that {@link of} made; whether the inode still exists is the next operation's concern.
   * @throws {NfsError} NFS4ERR_BADHANDLE for all other bytes.
   */
  inodeOf(handle: Uint8Array): InodeNumber {
    if (handle.length === filehandleBytes) {
      const bytes = Buffer.from(handle.buffer, handle.byteOffset, handle.length);
      const number = Number(bytes.readBigUInt64BE(inodeAt));
      if (Number.isSafeInteger(number) && number > 0) {
        const inode = number as InodeNumber;
        if (bytes.equals(this.of(inode))) return inode;
        this.#cache.delete(inode);
      }
    }
    throw new NfsError("NFS4ERR_BADHANDLE", `Not a filehandle of this volume (${handle.length} B)`);
  }
}
