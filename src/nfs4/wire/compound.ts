// Transcribed from RFC 5662, RFC 7863 and RFC 8276; see LICENSE in this folder.
import { struct, type TypeOf, u32 } from "../../xdr/codec.ts";
import { nfsstat4 } from "./status.ts";
import { utf8string } from "./types.ts";

/** The ONC RPC program, its version and its two procedures. */
export const NFS4_PROGRAM = { program: 100003, version: 4, NULL: 0, COMPOUND: 1 } as const;

/**
 * The start of `struct COMPOUND4args`: what comes before the operations. `count` of them follow, each an
 * `nfs_opnum4` as `u32` (unknown numbers are OP_ILLEGAL, not malformed) and the arguments of that operation.
 */
export const COMPOUND4args_header = struct({ tag: utf8string, minorversion: u32, count: u32 });

/** The start of `struct COMPOUND4args`. */
export type COMPOUND4args_header = TypeOf<typeof COMPOUND4args_header>;

/**
 * The start of `struct COMPOUND4res`. `count` results follow, each an `nfs_opnum4` and the result of that
 * operation; status and count are patched when they are known.
 */
export const COMPOUND4res_header = struct({ status: nfsstat4, tag: utf8string, count: u32 });

/** The start of `struct COMPOUND4res`. */
export type COMPOUND4res_header = TypeOf<typeof COMPOUND4res_header>;

/** Result of an operation that does not exist (RFC 8881 §18.52). */
export const ILLEGAL4res = struct({ status: nfsstat4 });
