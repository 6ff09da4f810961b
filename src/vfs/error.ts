/**
 * Why a file system operation failed: the suffixes of RFC 8881 §15.1 and RFC 8276 §8.3 that a file system can mean.
 * Never a `node:fs` code: a missing cache file must not look like a missing user file.
 */
export const fsErrorCodes = [
  "PERM",
  "NOENT",
  "IO",
  "NXIO",
  "ACCESS",
  "EXIST",
  "XDEV",
  "NOTDIR",
  "ISDIR",
  "INVAL",
  "FBIG",
  "NOSPC",
  "ROFS",
  "MLINK",
  "NAMETOOLONG",
  "NOTEMPTY",
  "DQUOT",
  "STALE",
  "NOTSUPP",
  "BADTYPE",
  "BADNAME",
  "BADCHAR",
  "DELAY",
  "SYMLINK",
  "WRONG_TYPE",
  "SERVERFAULT",
  "NOXATTR",
  "XATTR2BIG",
] as const;

/** One of {@link fsErrorCodes}. */
export type FsErrorCode = (typeof fsErrorCodes)[number];

/** A failure that the caller only passes up. The message names the inode and, where there is one, the key. */
export class FsError extends Error {
  readonly code: FsErrorCode;
  constructor(code: FsErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "FsError";
    this.code = code;
  }
}
