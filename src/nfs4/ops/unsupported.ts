// RFC 8881 §18, RFC 7862 §15 and RFC 8276 §8.4: operations that exist, and that this server does not do.
import { struct } from "../../xdr/codec.ts";
import { currentInode, type Operation, operation } from "../operation.ts";
import { permitted, permittedObsolete, permittedOnFile } from "../permitted.ts";
import { NfsError } from "../status.ts";
import { DELEGRETURN4args } from "../wire/open.ts";
import type { nfs_opnum4 } from "../wire/operation.ts";
import { nfsstat4 } from "../wire/status.ts";

const nothing = struct({});
const status = struct({ status: nfsstat4 });

/** A row that answers NFS4ERR_NOTSUPP, or what else is the truth; its arguments are not even read. */
function notSupported(
  minorVersion: 1 | 2,
  name: nfs_opnum4,
  errors: ReadonlySet<nfsstat4>,
  answer: Exclude<nfsstat4, "NFS4_OK"> = "NFS4ERR_NOTSUPP",
): Operation {
  return operation({
    name,
    args: nothing,
    result: status,
    errors,
    ...(minorVersion === 2 ? { minorVersion } : {}),
    run: () => {
      throw new NfsError(answer, `${name} is not supported`);
    },
  });
}

/** RFC 8881 §18.6. There is no delegation that could be returned. */
const delegreturn = operation({
  name: "OP_DELEGRETURN",
  args: DELEGRETURN4args,
  result: status,
  errors: permittedOnFile(
    "ADMIN_REVOKED BAD_STATEID DELEG_REVOKED EXPIRED INVAL NOTSUPP OLD_STATEID WRONG_CRED",
  ),
  run: (_args, context) => {
    currentInode(context);
    throw new NfsError("NFS4ERR_BAD_STATEID", "No delegation was ever given");
  },
});

/**
 * Optional operations (delegations, layouts, named attributes; of 4.2 copies between servers and those that go on after
 * their answer, patterns, clones: Node cannot share blocks between ranges of files), and those of NFSv4.0 that
 * NFSv4.1 must not have (RFC 8881 §8.8, §15.1.1.5, §15.2). They never say that a reply is not kept (RFC 8881 §2.10.6.1.3). Where a table leaves NOTSUPP out, it follows from RFC 7862 §13 that the
 * operation is optional.
 */
export const unsupported: readonly Operation[] = [
  notSupported(
    1,
    "OP_OPENATTR",
    permittedOnFile("ACCESS DQUOT IO NOENT NOSPC NOTSUPP ROFS UNSAFE_COMPOUND WRONG_TYPE"),
  ),
  notSupported(1, "OP_DELEGPURGE", permitted("NOTSUPP WRONG_CRED")),
  delegreturn,
  notSupported(1, "OP_OPEN_CONFIRM", permittedObsolete),
  notSupported(1, "OP_RENEW", permittedObsolete),
  notSupported(1, "OP_SETCLIENTID", permittedObsolete),
  notSupported(1, "OP_SETCLIENTID_CONFIRM", permittedObsolete),
  notSupported(1, "OP_RELEASE_LOCKOWNER", permittedObsolete),
  notSupported(
    1,
    "OP_GET_DIR_DELEGATION",
    permittedOnFile("ACCESS DIRDELEG_UNAVAIL GRACE INVAL IO NOTDIR NOTSUPP"),
  ),
  notSupported(1, "OP_GETDEVICEINFO", permitted("INVAL NOENT NOTSUPP TOOSMALL UNKNOWN_LAYOUTTYPE")),
  notSupported(1, "OP_GETDEVICELIST", permitted("NOTSUPP")),
  notSupported(
    1,
    "OP_LAYOUTCOMMIT",
    permittedOnFile(
      "ACCESS ADMIN_REVOKED ATTRNOTSUPP BADIOMODE BADLAYOUT DELEG_REVOKED EXPIRED FBIG GRACE",
      "INVAL IO ISDIR NOTSUPP NO_GRACE RECLAIM_BAD RECLAIM_CONFLICT SYMLINK UNKNOWN_LAYOUTTYPE",
      "WRONG_CRED",
    ),
  ),
  notSupported(
    1,
    "OP_LAYOUTGET",
    permittedOnFile(
      "ACCESS ADMIN_REVOKED BADIOMODE BADLAYOUT BAD_STATEID DELEG_REVOKED DQUOT GRACE INVAL IO",
      "LAYOUTTRYLATER LAYOUTUNAVAILABLE LOCKED NOSPC NOTSUPP OLD_STATEID OPENMODE",
      "RECALLCONFLICT TOOSMALL UNKNOWN_LAYOUTTYPE WRONG_TYPE",
    ),
  ),
  notSupported(
    1,
    "OP_LAYOUTRETURN",
    permittedOnFile(
      "ADMIN_REVOKED BAD_STATEID DELEG_REVOKED EXPIRED GRACE INVAL ISDIR NOTSUPP NO_GRACE",
      "OLD_STATEID UNKNOWN_LAYOUTTYPE WRONG_CRED WRONG_TYPE",
    ),
  ),
  // RFC 8881 §18.47.3: every client has SP4_NONE.
  notSupported(1, "OP_SET_SSV", permitted("BAD_SESSION_DIGEST INVAL NOTSUPP"), "NFS4ERR_INVAL"),
  notSupported(
    1,
    "OP_WANT_DELEGATION",
    permittedOnFile(
      "DELEG_ALREADY_WANTED GRACE INVAL IO NOTSUPP NO_GRACE RECALLCONFLICT RECLAIM_BAD",
      "RECLAIM_CONFLICT WRONG_TYPE",
    ),
  ),
  notSupported(
    2,
    "OP_COPY_NOTIFY",
    permittedOnFile(
      "ACCESS ADMIN_REVOKED BAD_STATEID DELEG_REVOKED EXPIRED GRACE INVAL IO ISDIR LOCKED",
      "NOTSUPP OLD_STATEID OPENMODE PNFS_IO_HOLE PNFS_NO_LAYOUT SYMLINK WRONG_TYPE",
    ),
  ),
  notSupported(
    2,
    "OP_LAYOUTERROR",
    permittedOnFile(
      "ADMIN_REVOKED BAD_STATEID DELEG_REVOKED EXPIRED GRACE INVAL ISDIR NOTSUPP NO_GRACE",
      "OLD_STATEID UNKNOWN_LAYOUTTYPE WRONG_CRED WRONG_TYPE",
    ),
  ),
  notSupported(
    2,
    "OP_LAYOUTSTATS",
    permittedOnFile(
      "ADMIN_REVOKED BAD_STATEID DELEG_REVOKED EXPIRED GRACE INVAL ISDIR NOTSUPP NO_GRACE",
      "OLD_STATEID UNKNOWN_LAYOUTTYPE WRONG_CRED WRONG_TYPE",
    ),
  ),
  notSupported(
    2,
    "OP_OFFLOAD_CANCEL",
    permitted("ADMIN_REVOKED BAD_STATEID COMPLETE_ALREADY EXPIRED GRACE NOTSUPP OLD_STATEID"),
  ),
  notSupported(
    2,
    "OP_OFFLOAD_STATUS",
    permitted("ADMIN_REVOKED BAD_STATEID COMPLETE_ALREADY EXPIRED GRACE NOTSUPP OLD_STATEID"),
  ),
  notSupported(
    2,
    "OP_WRITE_SAME",
    permittedOnFile(
      "ACCESS ADMIN_REVOKED BAD_STATEID DELEG_REVOKED DQUOT EXPIRED FBIG GRACE INVAL IO ISDIR",
      "LOCKED NOSPC NOTSUPP OLD_STATEID OPENMODE PNFS_IO_HOLE PNFS_NO_LAYOUT ROFS SYMLINK",
      "WRONG_TYPE",
    ),
  ),
  notSupported(
    2,
    "OP_CLONE",
    permittedOnFile(
      "ACCESS ADMIN_REVOKED BAD_STATEID DELEG_REVOKED DQUOT EXPIRED FBIG GRACE INVAL IO ISDIR",
      "NOSPC NOTSUPP OLD_STATEID OPENMODE ROFS SYMLINK WRONG_TYPE XDEV",
    ),
  ),
];
