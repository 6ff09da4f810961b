// Transcribed from RFC 5662, RFC 7863 and RFC 8276; see LICENSE in this folder.
import {
  array,
  bool,
  enumeration,
  opaque,
  otherwiseVoid,
  struct,
  type TypeOf,
  u32,
  union,
} from "../../xdr/codec.ts";
import { callback_sec_parms4 } from "./security.ts";
import { nfsstat4 } from "./status.ts";
import {
  bitmap4,
  client_owner4,
  clientid4,
  NFS4_OPAQUE_LIMIT,
  nfs_impl_id4,
  server_owner4,
  sessionid4,
} from "./types.ts";

/** Arguments of BACKCHANNEL_CTL (RFC 8881 §18.33). */
export const BACKCHANNEL_CTL4args = struct({
  bca_cb_program: u32,
  bca_sec_parms: array(callback_sec_parms4),
});

/** Result of BACKCHANNEL_CTL. */
export const BACKCHANNEL_CTL4res = struct({ bcr_status: nfsstat4 });

/** `enum channel_dir_from_client4`. */
export const channel_dir_from_client4 = enumeration({
  CDFC4_FORE: 0x1,
  CDFC4_BACK: 0x2,
  CDFC4_FORE_OR_BOTH: 0x3,
  CDFC4_BACK_OR_BOTH: 0x7,
});

/** `enum channel_dir_from_server4`. */
export const channel_dir_from_server4 = enumeration({
  CDFS4_FORE: 0x1,
  CDFS4_BACK: 0x2,
  CDFS4_BOTH: 0x3,
});

/** Arguments of BIND_CONN_TO_SESSION (RFC 8881 §18.34). */
export const BIND_CONN_TO_SESSION4args = struct({
  bctsa_sessid: sessionid4,
  bctsa_dir: channel_dir_from_client4,
  bctsa_use_conn_in_rdma_mode: bool,
});

/** Result of BIND_CONN_TO_SESSION. */
export const BIND_CONN_TO_SESSION4res = union(
  "bctsr_status",
  nfsstat4,
  {
    NFS4_OK: {
      bctsr_resok4: struct({
        bctsr_sessid: sessionid4,
        bctsr_dir: channel_dir_from_server4,
        bctsr_use_conn_in_rdma_mode: bool,
      }),
    },
  },
  otherwiseVoid,
);

/** Bits of `eia_flags` and `eir_flags`, with that of RFC 7863. */
export const exchgid4_flag = {
  EXCHGID4_FLAG_SUPP_MOVED_REFER: 0x0000_0001,
  EXCHGID4_FLAG_SUPP_MOVED_MIGR: 0x0000_0002,
  EXCHGID4_FLAG_SUPP_FENCE_OPS: 0x0000_0004,
  EXCHGID4_FLAG_BIND_PRINC_STATEID: 0x0000_0100,
  EXCHGID4_FLAG_USE_NON_PNFS: 0x0001_0000,
  EXCHGID4_FLAG_USE_PNFS_MDS: 0x0002_0000,
  EXCHGID4_FLAG_USE_PNFS_DS: 0x0004_0000,
  EXCHGID4_FLAG_MASK_PNFS: 0x0007_0000,
  EXCHGID4_FLAG_UPD_CONFIRMED_REC_A: 0x4000_0000,
  EXCHGID4_FLAG_CONFIRMED_R: 0x8000_0000,
} as const;

/** `struct state_protect_ops4`. */
export const state_protect_ops4 = struct({ spo_must_enforce: bitmap4, spo_must_allow: bitmap4 });

/** `enum state_protect_how4`. */
export const state_protect_how4 = enumeration({ SP4_NONE: 0, SP4_MACH_CRED: 1, SP4_SSV: 2 });

/** `union state_protect4_a`. */
export const state_protect4_a = union("spa_how", state_protect_how4, {
  SP4_NONE: {},
  SP4_MACH_CRED: { spa_mach_ops: state_protect_ops4 },
  SP4_SSV: {
    spa_ssv_parms: struct({
      ssp_ops: state_protect_ops4,
      ssp_hash_algs: array(opaque()),
      ssp_encr_algs: array(opaque()),
      ssp_window: u32,
      ssp_num_gss_handles: u32,
    }),
  },
});

/** Arguments of EXCHANGE_ID (RFC 8881 §18.35). */
export const EXCHANGE_ID4args = struct({
  eia_clientowner: client_owner4,
  eia_flags: u32,
  eia_state_protect: state_protect4_a,
  eia_client_impl_id: array(nfs_impl_id4, 1),
});

/** `union state_protect4_r`. */
export const state_protect4_r = union("spr_how", state_protect_how4, {
  SP4_NONE: {},
  SP4_MACH_CRED: { spr_mach_ops: state_protect_ops4 },
  SP4_SSV: {
    spr_ssv_info: struct({
      spi_ops: state_protect_ops4,
      spi_hash_alg: u32,
      spi_encr_alg: u32,
      spi_ssv_len: u32,
      spi_window: u32,
      spi_handles: array(opaque()),
    }),
  },
});

/** `struct EXCHANGE_ID4resok`. */
export const EXCHANGE_ID4resok = struct({
  eir_clientid: clientid4,
  eir_sequenceid: u32,
  eir_flags: u32,
  eir_state_protect: state_protect4_r,
  eir_server_owner: server_owner4,
  eir_server_scope: opaque(NFS4_OPAQUE_LIMIT),
  eir_server_impl_id: array(nfs_impl_id4, 1),
});

/** Result of EXCHANGE_ID. */
export const EXCHANGE_ID4res = union(
  "eir_status",
  nfsstat4,
  { NFS4_OK: { eir_resok4: EXCHANGE_ID4resok } },
  otherwiseVoid,
);

/** `struct channel_attrs4`. */
export const channel_attrs4 = struct({
  ca_headerpadsize: u32,
  ca_maxrequestsize: u32,
  ca_maxresponsesize: u32,
  ca_maxresponsesize_cached: u32,
  ca_maxoperations: u32,
  ca_maxrequests: u32,
  ca_rdma_ird: array(u32, 1),
});

/** `struct channel_attrs4`: the limits of one direction of a session. */
export type channel_attrs4 = TypeOf<typeof channel_attrs4>;

/** Bits of `csa_flags` and `csr_flags`. */
export const create_session4_flag = {
  CREATE_SESSION4_FLAG_PERSIST: 0x1,
  CREATE_SESSION4_FLAG_CONN_BACK_CHAN: 0x2,
  CREATE_SESSION4_FLAG_CONN_RDMA: 0x4,
} as const;

/** Arguments of CREATE_SESSION (RFC 8881 §18.36). */
export const CREATE_SESSION4args = struct({
  csa_clientid: clientid4,
  csa_sequence: u32,
  csa_flags: u32,
  csa_fore_chan_attrs: channel_attrs4,
  csa_back_chan_attrs: channel_attrs4,
  csa_cb_program: u32,
  csa_sec_parms: array(callback_sec_parms4),
});

/** `struct CREATE_SESSION4resok`. */
export const CREATE_SESSION4resok = struct({
  csr_sessionid: sessionid4,
  csr_sequence: u32,
  csr_flags: u32,
  csr_fore_chan_attrs: channel_attrs4,
  csr_back_chan_attrs: channel_attrs4,
});

/** Result of CREATE_SESSION. */
export const CREATE_SESSION4res = union(
  "csr_status",
  nfsstat4,
  { NFS4_OK: { csr_resok4: CREATE_SESSION4resok } },
  otherwiseVoid,
);

/** Arguments of DESTROY_SESSION (RFC 8881 §18.37). */
export const DESTROY_SESSION4args = struct({ dsa_sessionid: sessionid4 });

/** Result of DESTROY_SESSION. */
export const DESTROY_SESSION4res = struct({ dsr_status: nfsstat4 });

/** Arguments of DESTROY_CLIENTID (RFC 8881 §18.50). */
export const DESTROY_CLIENTID4args = struct({ dca_clientid: clientid4 });

/** Result of DESTROY_CLIENTID. */
export const DESTROY_CLIENTID4res = struct({ dcr_status: nfsstat4 });

/** Arguments of RECLAIM_COMPLETE (RFC 8881 §18.51). */
export const RECLAIM_COMPLETE4args = struct({ rca_one_fs: bool });

/** Result of RECLAIM_COMPLETE. */
export const RECLAIM_COMPLETE4res = struct({ rcr_status: nfsstat4 });

/** Arguments of SEQUENCE (RFC 8881 §18.46). */
export const SEQUENCE4args = struct({
  sa_sessionid: sessionid4,
  sa_sequenceid: u32,
  sa_slotid: u32,
  sa_highest_slotid: u32,
  sa_cachethis: bool,
});

/** `struct SEQUENCE4args`. */
export type SEQUENCE4args = TypeOf<typeof SEQUENCE4args>;

/** Bits of `sr_status_flags`. */
export const seq4_status = {
  SEQ4_STATUS_CB_PATH_DOWN: 0x0001,
  SEQ4_STATUS_CB_GSS_CONTEXTS_EXPIRING: 0x0002,
  SEQ4_STATUS_CB_GSS_CONTEXTS_EXPIRED: 0x0004,
  SEQ4_STATUS_EXPIRED_ALL_STATE_REVOKED: 0x0008,
  SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED: 0x0010,
  SEQ4_STATUS_ADMIN_STATE_REVOKED: 0x0020,
  SEQ4_STATUS_RECALLABLE_STATE_REVOKED: 0x0040,
  SEQ4_STATUS_LEASE_MOVED: 0x0080,
  SEQ4_STATUS_RESTART_RECLAIM_NEEDED: 0x0100,
  SEQ4_STATUS_CB_PATH_DOWN_SESSION: 0x0200,
  SEQ4_STATUS_BACKCHANNEL_FAULT: 0x0400,
  SEQ4_STATUS_DEVID_CHANGED: 0x0800,
  SEQ4_STATUS_DEVID_DELETED: 0x1000,
} as const;

/** `struct SEQUENCE4resok`. */
export const SEQUENCE4resok = struct({
  sr_sessionid: sessionid4,
  sr_sequenceid: u32,
  sr_slotid: u32,
  sr_highest_slotid: u32,
  sr_target_highest_slotid: u32,
  sr_status_flags: u32,
});

/** Result of SEQUENCE. */
export const SEQUENCE4res = union(
  "sr_status",
  nfsstat4,
  { NFS4_OK: { sr_resok4: SEQUENCE4resok } },
  otherwiseVoid,
);
