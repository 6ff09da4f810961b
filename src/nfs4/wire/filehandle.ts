// Transcribed from RFC 5662, RFC 7863 and RFC 8276; see LICENSE in this folder.
import { otherwiseVoid, struct, union } from "../../xdr/codec.ts";
import { nfsstat4 } from "./status.ts";
import { nfs_fh4 } from "./types.ts";

/** Arguments of PUTFH (RFC 8881 §18.19). */
export const PUTFH4args = struct({ object: nfs_fh4 });

/** Result of PUTFH. */
export const PUTFH4res = struct({ status: nfsstat4 });

/** PUTPUBFH has no arguments (RFC 8881 §18.20). */
export const PUTPUBFH4args = struct({});

/** Result of PUTPUBFH. */
export const PUTPUBFH4res = struct({ status: nfsstat4 });

/** PUTROOTFH has no arguments (RFC 8881 §18.21). */
export const PUTROOTFH4args = struct({});

/** Result of PUTROOTFH. */
export const PUTROOTFH4res = struct({ status: nfsstat4 });

/** GETFH has no arguments (RFC 8881 §18.8). */
export const GETFH4args = struct({});

/** Result of GETFH. */
export const GETFH4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ object: nfs_fh4 }) } },
  otherwiseVoid,
);

/** SAVEFH has no arguments (RFC 8881 §18.28). */
export const SAVEFH4args = struct({});

/** Result of SAVEFH. */
export const SAVEFH4res = struct({ status: nfsstat4 });

/** RESTOREFH has no arguments (RFC 8881 §18.27). */
export const RESTOREFH4args = struct({});

/** Result of RESTOREFH. */
export const RESTOREFH4res = struct({ status: nfsstat4 });
