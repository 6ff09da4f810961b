import * as attributes from "../../src/nfs4/wire/attribute-operations.ts";
import { ILLEGAL4res } from "../../src/nfs4/wire/compound.ts";
import * as directory from "../../src/nfs4/wire/directory.ts";
import * as filehandle from "../../src/nfs4/wire/filehandle.ts";
import * as io from "../../src/nfs4/wire/io.ts";
import * as lock from "../../src/nfs4/wire/lock.ts";
import * as open from "../../src/nfs4/wire/open.ts";
import type { nfs_opnum4 } from "../../src/nfs4/wire/operation.ts";
import * as security from "../../src/nfs4/wire/security.ts";
import * as session from "../../src/nfs4/wire/session.ts";
import { nfsstat4 } from "../../src/nfs4/wire/status.ts";
import * as xattr from "../../src/nfs4/wire/xattr.ts";
import { type Codec, struct, type TypeOf } from "../../src/xdr/codec.ts";

/** Arguments and results of every operation that the test client can send. */
export const operations = {
  ACCESS: [attributes.ACCESS4args, attributes.ACCESS4res],
  CLOSE: [open.CLOSE4args, open.CLOSE4res],
  COMMIT: [io.COMMIT4args, io.COMMIT4res],
  CREATE: [directory.CREATE4args, directory.CREATE4res],
  GETATTR: [attributes.GETATTR4args, attributes.GETATTR4res],
  GETFH: [filehandle.GETFH4args, filehandle.GETFH4res],
  LINK: [directory.LINK4args, directory.LINK4res],
  LOCK: [lock.LOCK4args, lock.LOCK4res],
  LOCKT: [lock.LOCKT4args, lock.LOCKT4res],
  LOCKU: [lock.LOCKU4args, lock.LOCKU4res],
  LOOKUP: [directory.LOOKUP4args, directory.LOOKUP4res],
  LOOKUPP: [directory.LOOKUPP4args, directory.LOOKUPP4res],
  NVERIFY: [attributes.NVERIFY4args, attributes.NVERIFY4res],
  OPEN: [open.OPEN4args, open.OPEN4res],
  OPEN_DOWNGRADE: [open.OPEN_DOWNGRADE4args, open.OPEN_DOWNGRADE4res],
  PUTFH: [filehandle.PUTFH4args, filehandle.PUTFH4res],
  PUTPUBFH: [filehandle.PUTPUBFH4args, filehandle.PUTPUBFH4res],
  PUTROOTFH: [filehandle.PUTROOTFH4args, filehandle.PUTROOTFH4res],
  READ: [io.READ4args, io.READ4res],
  READDIR: [directory.READDIR4args, directory.READDIR4res],
  READLINK: [directory.READLINK4args, directory.READLINK4res],
  REMOVE: [directory.REMOVE4args, directory.REMOVE4res],
  RENAME: [directory.RENAME4args, directory.RENAME4res],
  RESTOREFH: [filehandle.RESTOREFH4args, filehandle.RESTOREFH4res],
  SAVEFH: [filehandle.SAVEFH4args, filehandle.SAVEFH4res],
  SECINFO: [security.SECINFO4args, security.SECINFO4res],
  SETATTR: [attributes.SETATTR4args, attributes.SETATTR4res],
  VERIFY: [attributes.VERIFY4args, attributes.VERIFY4res],
  WRITE: [io.WRITE4args, io.WRITE4res],
  BACKCHANNEL_CTL: [session.BACKCHANNEL_CTL4args, session.BACKCHANNEL_CTL4res],
  BIND_CONN_TO_SESSION: [session.BIND_CONN_TO_SESSION4args, session.BIND_CONN_TO_SESSION4res],
  EXCHANGE_ID: [session.EXCHANGE_ID4args, session.EXCHANGE_ID4res],
  CREATE_SESSION: [session.CREATE_SESSION4args, session.CREATE_SESSION4res],
  DELEGRETURN: [open.DELEGRETURN4args, struct({ status: nfsstat4 })],
  DESTROY_SESSION: [session.DESTROY_SESSION4args, session.DESTROY_SESSION4res],
  DESTROY_CLIENTID: [session.DESTROY_CLIENTID4args, session.DESTROY_CLIENTID4res],
  RECLAIM_COMPLETE: [session.RECLAIM_COMPLETE4args, session.RECLAIM_COMPLETE4res],
  SEQUENCE: [session.SEQUENCE4args, session.SEQUENCE4res],
  FREE_STATEID: [open.FREE_STATEID4args, open.FREE_STATEID4res],
  TEST_STATEID: [open.TEST_STATEID4args, open.TEST_STATEID4res],
  SECINFO_NO_NAME: [security.SECINFO_NO_NAME4args, security.SECINFO_NO_NAME4res],
  SEEK: [io.SEEK4args, io.SEEK4res],
  READ_PLUS: [io.READ_PLUS4args, io.READ_PLUS4res],
  IO_ADVISE: [io.IO_ADVISE4args, io.IO_ADVISE4res],
  ALLOCATE: [io.ALLOCATE4args, io.ALLOCATE4res],
  DEALLOCATE: [io.DEALLOCATE4args, io.DEALLOCATE4res],
  COPY: [io.COPY4args, io.COPY4res],
  CLONE: [io.CLONE4args, io.CLONE4res],
  GETXATTR: [xattr.GETXATTR4args, xattr.GETXATTR4res],
  SETXATTR: [xattr.SETXATTR4args, xattr.SETXATTR4res],
  LISTXATTRS: [xattr.LISTXATTRS4args, xattr.LISTXATTRS4res],
  REMOVEXATTR: [xattr.REMOVEXATTR4args, xattr.REMOVEXATTR4res],
  ILLEGAL: [struct({}), ILLEGAL4res],
} as const satisfies Readonly<Record<string, readonly [Codec<unknown>, Codec<unknown>]>>;

/** Name of an operation without its `OP_`. */
export type OperationName = keyof typeof operations;

/** Arguments of an operation. */
export type ArgsOf<N extends OperationName> = TypeOf<(typeof operations)[N][0]>;

/** Result of an operation, whatever its status. */
export type ResultOf<N extends OperationName> = TypeOf<(typeof operations)[N][1]>;

type Statuses =
  `${"" | "sr_" | "sa_" | "rp_" | "ior_" | "eir_" | "csr_" | "bctsr_" | "tsr_" | "cr_" | "gxr_" | "sxr_" | "lxr_" | "rxr_"}status`;
type Succeeded = { [S in Statuses]: { readonly [K in S]: "NFS4_OK" } }[Statuses];
type Arm<T> = Extract<T, Succeeded>;

/** Result of an operation that succeeded. */
export type OkOf<N extends OperationName> = [Arm<ResultOf<N>>] extends [never]
  ? ResultOf<N>
  : Arm<ResultOf<N>>;

/** One operation of a compound to send. */
export interface Operation {
  readonly op: nfs_opnum4;
  readonly codec: Codec<unknown>;
  readonly args: unknown;
}

type Rest<A> = Record<string, never> extends A ? readonly [] : readonly [args: A];

/** An operation with its arguments. */
export function op<N extends OperationName>(name: N, ...args: Rest<ArgsOf<N>>): Operation {
  return {
    op: `OP_${name}`,
    codec: operations[name][0] as Codec<unknown>,
    args: args[0] ?? {},
  };
}

/** The status of a result: its first field, under whatever name. */
export function statusOf(result: unknown): nfsstat4 {
  const [status] = Object.values(result as Readonly<Record<string, unknown>>);
  return status as nfsstat4;
}
