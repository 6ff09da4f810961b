// Transcribed from RFC 5662, RFC 7863 and RFC 8276; see LICENSE in this folder.
import {
  bool,
  enumeration,
  otherwiseVoid,
  struct,
  type TypeOf,
  u32,
  u64,
  union,
} from "../../xdr/codec.ts";
import { nfsstat4 } from "./status.ts";
import { state_owner4, stateid4 } from "./types.ts";

/** `enum nfs_lock_type4`. */
export const nfs_lock_type4 = enumeration({ READ_LT: 1, WRITE_LT: 2, READW_LT: 3, WRITEW_LT: 4 });

/** The kind of a lock; READW_LT and WRITEW_LT say that the client would wait. */
export type nfs_lock_type4 = TypeOf<typeof nfs_lock_type4>;

/** `struct open_to_lock_owner4`. */
export const open_to_lock_owner4 = struct({
  open_seqid: u32,
  open_stateid: stateid4,
  lock_seqid: u32,
  lock_owner: state_owner4,
});

/** `struct exist_lock_owner4`. */
export const exist_lock_owner4 = struct({ lock_stateid: stateid4, lock_seqid: u32 });

/** `union locker4`: `{new_lock_owner: true, open_owner} | {new_lock_owner: false, lock_owner}`. */
export const locker4 = union("new_lock_owner", bool, {
  true: { open_owner: open_to_lock_owner4 },
  false: { lock_owner: exist_lock_owner4 },
});

/** Arguments of LOCK (RFC 8881 §18.10). A length of all ones reaches to the end of the file. */
export const LOCK4args = struct({
  locktype: nfs_lock_type4,
  reclaim: bool,
  offset: u64,
  length: u64,
  locker: locker4,
});

/** `struct LOCK4denied`. */
export const LOCK4denied = struct({
  offset: u64,
  length: u64,
  locktype: nfs_lock_type4,
  owner: state_owner4,
});

/** `struct LOCK4denied`: the lock in the way. */
export type LOCK4denied = TypeOf<typeof LOCK4denied>;

/** Result of LOCK. */
export const LOCK4res = union(
  "status",
  nfsstat4,
  {
    NFS4_OK: { resok4: struct({ lock_stateid: stateid4 }) },
    NFS4ERR_DENIED: { denied: LOCK4denied },
  },
  otherwiseVoid,
);

/** Arguments of LOCKT (RFC 8881 §18.11). */
export const LOCKT4args = struct({
  locktype: nfs_lock_type4,
  offset: u64,
  length: u64,
  owner: state_owner4,
});

/** Result of LOCKT. */
export const LOCKT4res = union(
  "status",
  nfsstat4,
  { NFS4ERR_DENIED: { denied: LOCK4denied } },
  otherwiseVoid,
);

/** Arguments of LOCKU (RFC 8881 §18.12). */
export const LOCKU4args = struct({
  locktype: nfs_lock_type4,
  seqid: u32,
  lock_stateid: stateid4,
  offset: u64,
  length: u64,
});

/** Result of LOCKU. */
export const LOCKU4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { lock_stateid: stateid4 } },
  otherwiseVoid,
);
