import type {
  AttributeChanges,
  Attributes,
  ChangeInfo,
  Device,
  InodeNumber,
  Timespec,
} from "./attributes.ts";
import type { Call } from "./call.ts";
import type { FsError } from "./error.ts";
import type { FileName, XattrName } from "./name.ts";

/** Ways to use a file; for a directory `execute` is search. */
export interface Access {
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
}

/** One name of a directory, as READDIR lists it. */
export interface DirectoryEntry {
  /** Greater than that of every entry before it; stable while the entry exists; from 3 (RFC 8881 §18.23.3). */
  readonly cookie: number;
  readonly name: FileName;
  readonly inode: InodeNumber;
  /** Present when asked for; an error belongs to this entry alone. */
  readonly attributes?: Attributes | FsError;
}

/** Entries in the order of their cookies; `endOfDirectory` when no entry follows the last one. */
export interface DirectoryPage {
  readonly entries: readonly DirectoryEntry[];
  readonly endOfDirectory: boolean;
}

/** Figures of the whole volume. */
export interface Space {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly totalFiles: number;
  readonly freeFiles: number;
}

/** Data of one READ: `chunks` in order, valid until the call is closed. */
export interface ReadResult {
  readonly chunks: readonly Uint8Array[];
  readonly lengthBytes: number;
  readonly endOfFile: boolean;
}

/** How much of a write must be on the disk when it is acknowledged (RFC 8881 §18.32: stable_how4). */
export type Stability = "unstable" | "dataSync" | "fileSync";

/** What a SEEK looks for: bytes that may be something else than zero, or a range known to be zeros. */
export type Content = "data" | "hole";

/** Whether SETXATTR makes an attribute, changes one that is there, or does what is needed (RFC 8276 §8.4.2). */
export type XattrMode = "either" | "create" | "replace";

/** How a file is created (RFC 8881 §18.16.3). */
export type CreateMode =
  | { readonly kind: "unchecked" }
  | { readonly kind: "guarded" }
  | { readonly kind: "exclusive"; readonly verifier: Uint8Array };

/** Most names of one file: what ext4 allows. */
export const maxLinks = 65_000;

/**
 * A file system, without a word of protocol.
 *
 * Every method is synchronous and belongs to the transaction of the caller (see `StateStore.transaction`
 * of the protocol layer): it either finishes, or throws {@link FsError} having changed nothing, or throws
 * `Suspended` having changed nothing. So a compound's changes and its reply are one atomic change on disk.
 * Access of the caller is checked inside, by the rules of POSIX, search permission on the given directory included;
 * search permission further up the path was checked by the lookups that led here.
 * Every method @throws {FsError} STALE when an inode is gone, ROFS for a change of a read-only volume.
 */
export interface FileSystem {
  readonly root: InodeNumber;
  /** Changes when acknowledged, uncommitted data may have been lost, and only then; 8 bytes (RFC 8881 §18.32). */
  readonly writeVerifier: Uint8Array;

  /** Never suspends. @throws {FsError} STALE alone. */
  requireInode(inode: InodeNumber): void;
  /** May suspend while the attributes of an object are asked from S3. */
  getAttributes(call: Call, inode: InodeNumber): Attributes;
  /**
   * Sets all or nothing. `opened`: the caller holds the file open for writing, so a size needs no permission.
   * @throws {FsError} PERM, ACCESS, ISDIR or INVAL (size of what is no file), FBIG, NOSPC.
   */
  setAttributes(
    call: Call,
    inode: InodeNumber,
    changes: AttributeChanges,
    options: { readonly opened: boolean },
  ): void;
  /** What the caller may do; never fails for lack of permission. */
  permittedAccess(call: Call, inode: InodeNumber): Access;
  /** @throws {FsError} ACCESS unless the caller has each access that is true in `access`. */
  requireAccess(call: Call, inode: InodeNumber, access: Access): void;

  /** @throws {FsError} NOTDIR, ACCESS, NOENT. May suspend while the directory is imported. */
  lookup(call: Call, directory: InodeNumber, name: FileName): InodeNumber;
  /** The directory above. @throws {FsError} NOENT for the root (RFC 8881 §18.14), NOTDIR, ACCESS. */
  lookupParent(call: Call, directory: InodeNumber): InodeNumber;
  /** Entries with a cookie above `after`, at most `limit`. @throws {FsError} NOTDIR, ACCESS. */
  readDirectory(
    call: Call,
    directory: InodeNumber,
    page: { readonly after: number; readonly limit: number; readonly attributes: boolean },
  ): DirectoryPage;
  /** The target's bytes. @throws {FsError} WRONG_TYPE for what is no symlink (RFC 8881 §18.24.4). */
  readLink(call: Call, inode: InodeNumber): Uint8Array;

  /**
   * Makes a regular file, or finds the one that is there (`created: false`: unchecked mode only, nothing was
   * changed). An exclusive create whose verifier the existing file carries is `created: true` again.
   * `modeDefault` bits apply when `changes.mode` is absent.
   * @throws {FsError} EXIST, ACCESS, NOTDIR, NOSPC, NAMETOOLONG (the key would exceed 1,024 bytes), ISDIR, SYMLINK.
   */
  createFile(
    call: Call,
    directory: InodeNumber,
    name: FileName,
    create: CreateMode,
    changes: AttributeChanges,
  ): { readonly inode: InodeNumber; readonly created: boolean; readonly directory: ChangeInfo };
  /** @throws {FsError} EXIST, ACCESS, NOTDIR, NOSPC, NAMETOOLONG; PERM for a device node that is not root's wish; INVAL for an empty symlink target; NAMETOOLONG for one over 4,095 bytes. */
  createNode(
    call: Call,
    directory: InodeNumber,
    name: FileName,
    node:
      | { readonly type: "directory" | "fifo" | "socket" }
      | { readonly type: "blockDevice" | "characterDevice"; readonly device: Device }
      | { readonly type: "symlink"; readonly target: Uint8Array },
    changes: AttributeChanges,
  ): { readonly inode: InodeNumber; readonly directory: ChangeInfo };
  /**
   * Gives what is no directory another name in `directory`. @throws {FsError} ISDIR (the inode is a directory), NOTDIR,
   * EXIST, ACCESS, MLINK (it has {@link maxLinks} names), NOSPC, NAMETOOLONG, STALE (it has no name any more).
   */
  link(call: Call, inode: InodeNumber, directory: InodeNumber, name: FileName): ChangeInfo;
  /** Removes a name of a file, or an empty directory. @throws {FsError} NOENT, NOTEMPTY, ACCESS, PERM (sticky), NOTDIR. */
  remove(call: Call, directory: InodeNumber, name: FileName): ChangeInfo;
  /**
   * POSIX rename. @throws {FsError} NOENT, EXIST or NOTEMPTY (target in the way), INVAL (into itself), ACCESS, PERM,
   * NAMETOOLONG (a key below would exceed 1,024 bytes; nothing has moved then).
   */
  rename(
    call: Call,
    from: { readonly directory: InodeNumber; readonly name: FileName },
    to: { readonly directory: InodeNumber; readonly name: FileName },
  ): { readonly source: ChangeInfo; readonly target: ChangeInfo };

  /**
   * To be called when a file is opened, inside the same transaction: revalidates it and checks access.
   * @throws {FsError} ACCESS, ISDIR, SYMLINK, WRONG_TYPE (RFC 8881 §18.16.3). May suspend.
   */
  open(
    call: Call,
    inode: InodeNumber,
    access: { readonly read: boolean; readonly write: boolean },
  ): void;
  /** Counts a use of the inode: while one exists, a file without a name keeps its data. In memory only. */
  hold(inode: InodeNumber): void;
  /** Ends a use; the data of a file without name and use is dropped in the current transaction. */
  release(inode: InodeNumber): void;
  /** Called once at start, after all `hold`s that were restored: drops nameless files that nobody holds. */
  dropOrphans(): void;

  /** Reads up to `lengthBytes`; access was checked at open or by `requireAccess`. @throws {FsError} ISDIR, SYMLINK, WRONG_TYPE, IO, DELAY. Suspends for disk or S3. */
  read(call: Call, inode: InodeNumber, offsetBytes: number, lengthBytes: number): ReadResult;
  /**
   * Writes all of `chunks` (views of the request; not kept after the call is closed). Suspends while the bytes
   * go to the cache file, and for the disk when `stability` asks for it.
   * @throws {FsError} ISDIR, SYMLINK, WRONG_TYPE, FBIG, NOSPC, IO.
   */
  write(
    call: Call,
    inode: InodeNumber,
    offsetBytes: number,
    chunks: readonly Uint8Array[],
    stability: Stability,
  ): { readonly committed: Stability };
  /**
   * Makes everything acknowledged for this file stable on the disk; the transaction in which it returns must
   * be synced before the reply. Suspends. @throws {FsError} ISDIR, SYMLINK, WRONG_TYPE, IO.
   */
  commit(call: Call, inode: InodeNumber): void;

  /**
   * Where the next `what` at or after the offset starts; the end of the file counts as a hole. Undefined when there
   * is no data any more. @throws {FsError} NXIO at or beyond the end, ISDIR, SYMLINK, WRONG_TYPE.
   */
  seek(call: Call, inode: InodeNumber, offsetBytes: number, what: Content): number | undefined;
  /**
   * Makes holes of the range zeros that count as used, and the file at least so long. Suspends.
   * @throws {FsError} WRONG_TYPE, INVAL (empty range), FBIG, NOSPC.
   */
  allocate(call: Call, inode: InodeNumber, offsetBytes: number, lengthBytes: number): void;
  /** Makes the range a hole; the size stays. @throws {FsError} WRONG_TYPE, INVAL (empty range). */
  deallocate(call: Call, inode: InodeNumber, offsetBytes: number, lengthBytes: number): void;
  /**
   * Copies bytes between two files, as many at a time as it likes (at least one unless `lengthBytes` is 0, or the source
   * ends); holes stay holes. Returns how many. Access is checked as of {@link read} and {@link write}. Suspends.
   * @throws {FsError} what these throw.
   */
  copyRange(
    call: Call,
    from: { readonly inode: InodeNumber; readonly offsetBytes: number },
    to: { readonly inode: InodeNumber; readonly offsetBytes: number },
    lengthBytes: number,
  ): number;

  /** The value of an extended attribute. @throws {FsError} ACCESS, NOXATTR. */
  getXattr(call: Call, inode: InodeNumber, name: XattrName): Uint8Array;
  /**
   * Sets an extended attribute; nothing changes when it has that value. The change is that of the inode itself.
   * @throws {FsError} ACCESS, EXIST, NOXATTR, PERM (neither file nor directory, or the sticky directory of somebody
   * else), XATTR2BIG.
   */
  setXattr(
    call: Call,
    inode: InodeNumber,
    attribute: { readonly name: XattrName; readonly value: Uint8Array; readonly mode: XattrMode },
  ): ChangeInfo;
  /** The names of all extended attributes. @throws {FsError} ACCESS. */
  listXattrs(call: Call, inode: InodeNumber): readonly XattrName[];
  /** @throws {FsError} ACCESS, NOXATTR, PERM. */
  removeXattr(call: Call, inode: InodeNumber, name: XattrName): ChangeInfo;

  /** Figures for `df`. */
  space(): Space;
  /** The clock that `"now"` means. */
  now(): Timespec;
}
