import type { FsErrorCode } from "../vfs/error.ts";
import type { nfsstat4 } from "./wire/status.ts";

/** The status of each file system error (RFC 8881 §15.1). */
export const statusOfFsError = {
  PERM: "NFS4ERR_PERM",
  NOENT: "NFS4ERR_NOENT",
  IO: "NFS4ERR_IO",
  NXIO: "NFS4ERR_NXIO",
  ACCESS: "NFS4ERR_ACCESS",
  EXIST: "NFS4ERR_EXIST",
  XDEV: "NFS4ERR_XDEV",
  NOTDIR: "NFS4ERR_NOTDIR",
  ISDIR: "NFS4ERR_ISDIR",
  INVAL: "NFS4ERR_INVAL",
  FBIG: "NFS4ERR_FBIG",
  NOSPC: "NFS4ERR_NOSPC",
  ROFS: "NFS4ERR_ROFS",
  MLINK: "NFS4ERR_MLINK",
  NAMETOOLONG: "NFS4ERR_NAMETOOLONG",
  NOTEMPTY: "NFS4ERR_NOTEMPTY",
  DQUOT: "NFS4ERR_DQUOT",
  STALE: "NFS4ERR_STALE",
  NOTSUPP: "NFS4ERR_NOTSUPP",
  BADTYPE: "NFS4ERR_BADTYPE",
  BADNAME: "NFS4ERR_BADNAME",
  BADCHAR: "NFS4ERR_BADCHAR",
  DELAY: "NFS4ERR_DELAY",
  SYMLINK: "NFS4ERR_SYMLINK",
  WRONG_TYPE: "NFS4ERR_WRONG_TYPE",
  SERVERFAULT: "NFS4ERR_SERVERFAULT",
  NOXATTR: "NFS4ERR_NOXATTR",
  XATTR2BIG: "NFS4ERR_XATTR2BIG",
} as const satisfies Record<FsErrorCode, nfsstat4>;

/**
 * An operation ends with `status`. `result` is its whole result where the RFC gives that status a body
 * (LOCK4denied), else the status is all there is.
 */
export class NfsError extends Error {
  readonly status: Exclude<nfsstat4, "NFS4_OK">;
  readonly result: unknown;
  constructor(status: Exclude<nfsstat4, "NFS4_OK">, message: string, result?: unknown) {
    // An outcome, not a fault: nobody looks where it came from, and a client can make thousands with one request.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = "NfsError";
    this.status = status;
    this.result = result;
  }
}
