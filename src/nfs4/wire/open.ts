// Transcribed from RFC 5662, RFC 7863 and RFC 8276; see LICENSE in this folder.
import {
  array,
  bool,
  enumeration,
  offset,
  otherwiseVoid,
  struct,
  type TypeOf,
  u32,
  union,
} from "../../xdr/codec.ts";
import { nfsstat4 } from "./status.ts";
import {
  bitmap4,
  change_info4,
  component4,
  fattr4,
  state_owner4,
  stateid4,
  utf8string,
  verifier4,
} from "./types.ts";

/** Values of `share_access`. */
export const share_access4 = {
  OPEN4_SHARE_ACCESS_READ: 0x1,
  OPEN4_SHARE_ACCESS_WRITE: 0x2,
  OPEN4_SHARE_ACCESS_BOTH: 0x3,
  OPEN4_SHARE_ACCESS_WANT_DELEG_MASK: 0xff00,
  OPEN4_SHARE_ACCESS_WANT_NO_PREFERENCE: 0x0000,
  OPEN4_SHARE_ACCESS_WANT_READ_DELEG: 0x0100,
  OPEN4_SHARE_ACCESS_WANT_WRITE_DELEG: 0x0200,
  OPEN4_SHARE_ACCESS_WANT_ANY_DELEG: 0x0300,
  OPEN4_SHARE_ACCESS_WANT_NO_DELEG: 0x0400,
  OPEN4_SHARE_ACCESS_WANT_CANCEL: 0x0500,
  OPEN4_SHARE_ACCESS_WANT_SIGNAL_DELEG_WHEN_RESRC_AVAIL: 0x10000,
  OPEN4_SHARE_ACCESS_WANT_PUSH_DELEG_WHEN_UNCONTENDED: 0x20000,
} as const;

/** Values of `share_deny`. */
export const share_deny4 = {
  OPEN4_SHARE_DENY_NONE: 0x0,
  OPEN4_SHARE_DENY_READ: 0x1,
  OPEN4_SHARE_DENY_WRITE: 0x2,
  OPEN4_SHARE_DENY_BOTH: 0x3,
} as const;

/** Bits of `rflags`. */
export const open_result4 = {
  OPEN4_RESULT_CONFIRM: 0x02,
  OPEN4_RESULT_LOCKTYPE_POSIX: 0x04,
  OPEN4_RESULT_PRESERVE_UNLINKED: 0x08,
  OPEN4_RESULT_MAY_NOTIFY_LOCK: 0x20,
} as const;

/** `enum createmode4`. */
export const createmode4 = enumeration({
  UNCHECKED4: 0,
  GUARDED4: 1,
  EXCLUSIVE4: 2,
  EXCLUSIVE4_1: 3,
});

/** `union createhow4`. */
export const createhow4 = union("mode", createmode4, {
  UNCHECKED4: { createattrs: fattr4 },
  GUARDED4: { createattrs: fattr4 },
  EXCLUSIVE4: { createverf: verifier4 },
  EXCLUSIVE4_1: { ch_createboth: struct({ cva_verf: verifier4, cva_attrs: fattr4 }) },
});

/** `union createhow4`: how OPEN creates. */
export type createhow4 = TypeOf<typeof createhow4>;

/** `enum opentype4`. */
export const opentype4 = enumeration({ OPEN4_NOCREATE: 0, OPEN4_CREATE: 1 });

/** `union openflag4`. */
export const openflag4 = union(
  "opentype",
  opentype4,
  { OPEN4_CREATE: { how: createhow4 } },
  otherwiseVoid,
);

/** `enum open_delegation_type4`. */
export const open_delegation_type4 = enumeration({
  OPEN_DELEGATE_NONE: 0,
  OPEN_DELEGATE_READ: 1,
  OPEN_DELEGATE_WRITE: 2,
  OPEN_DELEGATE_NONE_EXT: 3,
});

/** `enum open_claim_type4`. */
export const open_claim_type4 = enumeration({
  CLAIM_NULL: 0,
  CLAIM_PREVIOUS: 1,
  CLAIM_DELEGATE_CUR: 2,
  CLAIM_DELEGATE_PREV: 3,
  CLAIM_FH: 4,
  CLAIM_DELEG_CUR_FH: 5,
  CLAIM_DELEG_PREV_FH: 6,
});

/** `union open_claim4`. */
export const open_claim4 = union("claim", open_claim_type4, {
  CLAIM_NULL: { file: component4 },
  CLAIM_PREVIOUS: { delegate_type: open_delegation_type4 },
  CLAIM_DELEGATE_CUR: {
    delegate_cur_info: struct({ delegate_stateid: stateid4, file: component4 }),
  },
  CLAIM_DELEGATE_PREV: { file_delegate_prev: component4 },
  CLAIM_FH: {},
  CLAIM_DELEG_PREV_FH: {},
  CLAIM_DELEG_CUR_FH: { oc_delegate_stateid: stateid4 },
});

/** `union open_claim4`: what OPEN names its file by, and with which right. */
export type open_claim4 = TypeOf<typeof open_claim4>;

/** Arguments of OPEN (RFC 8881 §18.16). */
export const OPEN4args = struct({
  seqid: u32,
  share_access: u32,
  share_deny: u32,
  owner: state_owner4,
  openhow: openflag4,
  claim: open_claim4,
});

/** `struct nfsace4`. */
export const nfsace4 = struct({ type: u32, flag: u32, access_mask: u32, who: utf8string });

/** `union nfs_space_limit4`. */
export const nfs_space_limit4 = union(
  "limitby",
  enumeration({ NFS_LIMIT_SIZE: 1, NFS_LIMIT_BLOCKS: 2 }),
  {
    NFS_LIMIT_SIZE: { filesize: offset },
    NFS_LIMIT_BLOCKS: { mod_blocks: struct({ num_blocks: u32, bytes_per_block: u32 }) },
  },
);

/** `enum why_no_delegation4`. */
export const why_no_delegation4 = enumeration({
  WND4_NOT_WANTED: 0,
  WND4_CONTENTION: 1,
  WND4_RESOURCE: 2,
  WND4_NOT_SUPP_FTYPE: 3,
  WND4_WRITE_DELEG_NOT_SUPP_FTYPE: 4,
  WND4_NOT_SUPP_UPGRADE: 5,
  WND4_NOT_SUPP_DOWNGRADE: 6,
  WND4_CANCELLED: 7,
  WND4_IS_DIR: 8,
});

/** `union open_none_delegation4`. */
export const open_none_delegation4 = union(
  "ond_why",
  why_no_delegation4,
  {
    WND4_CONTENTION: { ond_server_will_push_deleg: bool },
    WND4_RESOURCE: { ond_server_will_signal_avail: bool },
  },
  otherwiseVoid,
);

/** `union open_delegation4`. */
export const open_delegation4 = union("delegation_type", open_delegation_type4, {
  OPEN_DELEGATE_NONE: {},
  OPEN_DELEGATE_READ: {
    read: struct({ stateid: stateid4, recall: bool, permissions: nfsace4 }),
  },
  OPEN_DELEGATE_WRITE: {
    write: struct({
      stateid: stateid4,
      recall: bool,
      space_limit: nfs_space_limit4,
      permissions: nfsace4,
    }),
  },
  OPEN_DELEGATE_NONE_EXT: { od_whynone: open_none_delegation4 },
});

/** What an OPEN says of delegations. */
export type open_delegation4 = TypeOf<typeof open_delegation4>;

/** `struct OPEN4resok`. */
export const OPEN4resok = struct({
  stateid: stateid4,
  cinfo: change_info4,
  rflags: u32,
  attrset: bitmap4,
  delegation: open_delegation4,
});

/** Result of OPEN. */
export const OPEN4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: OPEN4resok } },
  otherwiseVoid,
);

/** Arguments of OPEN_DOWNGRADE (RFC 8881 §18.18). */
export const OPEN_DOWNGRADE4args = struct({
  open_stateid: stateid4,
  seqid: u32,
  share_access: u32,
  share_deny: u32,
});

/** Result of OPEN_DOWNGRADE. */
export const OPEN_DOWNGRADE4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ open_stateid: stateid4 }) } },
  otherwiseVoid,
);

/** Arguments of CLOSE (RFC 8881 §18.2). */
export const CLOSE4args = struct({ seqid: u32, open_stateid: stateid4 });

/** Result of CLOSE. */
export const CLOSE4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { open_stateid: stateid4 } },
  otherwiseVoid,
);

/** Arguments of DELEGRETURN (RFC 8881 §18.6). */
export const DELEGRETURN4args = struct({ deleg_stateid: stateid4 });

/** Arguments of TEST_STATEID (RFC 8881 §18.48). */
export const TEST_STATEID4args = struct({ ts_stateids: array(stateid4) });

/** Result of TEST_STATEID. */
export const TEST_STATEID4res = union(
  "tsr_status",
  nfsstat4,
  { NFS4_OK: { tsr_resok4: struct({ tsr_status_codes: array(nfsstat4) }) } },
  otherwiseVoid,
);

/** Arguments of FREE_STATEID (RFC 8881 §18.38). */
export const FREE_STATEID4args = struct({ fsa_stateid: stateid4 });

/** Result of FREE_STATEID. */
export const FREE_STATEID4res = struct({ fsr_status: nfsstat4 });
