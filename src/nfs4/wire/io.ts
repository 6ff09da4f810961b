// Transcribed from RFC 5662, RFC 7863 and RFC 8276; see LICENSE in this folder.
import {
  array,
  bool,
  clampedOffset,
  enumeration,
  offset,
  opaqueChunks,
  otherwiseVoid,
  struct,
  type TypeOf,
  u32,
  u64,
  union,
} from "../../xdr/codec.ts";
import { nfsstat4 } from "./status.ts";
import { bitmap4, netaddr4, stateid4, utf8string, verifier4 } from "./types.ts";

/** `enum stable_how4`. */
export const stable_how4 = enumeration({ UNSTABLE4: 0, DATA_SYNC4: 1, FILE_SYNC4: 2 });

/** How much of a write is on stable storage when it is answered. */
export type stable_how4 = TypeOf<typeof stable_how4>;

/** Arguments of READ (RFC 8881 §18.22). */
export const READ4args = struct({ stateid: stateid4, offset: clampedOffset, count: u32 });

/** Result of READ; `data` in pieces. */
export const READ4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ eof: bool, data: opaqueChunks() }) } },
  otherwiseVoid,
);

/** Arguments of WRITE (RFC 8881 §18.32); `data` as the pieces in which it arrived, views of the request. */
export const WRITE4args = struct({
  stateid: stateid4,
  offset: offset,
  stable: stable_how4,
  data: opaqueChunks(),
});

/** Result of WRITE. */
export const WRITE4res = union(
  "status",
  nfsstat4,
  {
    NFS4_OK: { resok4: struct({ count: u32, committed: stable_how4, writeverf: verifier4 }) },
  },
  otherwiseVoid,
);

/** Arguments of COMMIT (RFC 8881 §18.3). */
export const COMMIT4args = struct({ offset: u64, count: u32 });

/** Result of COMMIT. */
export const COMMIT4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ writeverf: verifier4 }) } },
  otherwiseVoid,
);

/** `enum data_content4`. */
export const data_content4 = enumeration({ NFS4_CONTENT_DATA: 0, NFS4_CONTENT_HOLE: 1 });

/** `enum data_content4`, as a type. */
export type data_content4 = TypeOf<typeof data_content4>;

/** Arguments of SEEK (RFC 7862 §15.11); `sa_what` is a number, since an unknown one is UNION_NOTSUPP. */
export const SEEK4args = struct({ sa_stateid: stateid4, sa_offset: clampedOffset, sa_what: u32 });

/** Result of SEEK. */
export const SEEK4res = union(
  "sa_status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ sr_eof: bool, sr_offset: offset }) } },
  otherwiseVoid,
);

/** Arguments of READ_PLUS (RFC 7862 §15.10). */
export const READ_PLUS4args = struct({
  rpa_stateid: stateid4,
  rpa_offset: clampedOffset,
  rpa_count: u32,
});

/** `union read_plus_content`; `d_data` in pieces. */
export const read_plus_content = union("rpc_content", data_content4, {
  NFS4_CONTENT_DATA: { rpc_data: struct({ d_offset: offset, d_data: opaqueChunks() }) },
  NFS4_CONTENT_HOLE: { rpc_hole: struct({ di_offset: offset, di_length: offset }) },
});

/** A range of a file, as data or as a hole. */
export type read_plus_content = TypeOf<typeof read_plus_content>;

/** Result of READ_PLUS. */
export const READ_PLUS4res = union(
  "rp_status",
  nfsstat4,
  { NFS4_OK: { rp_resok4: struct({ rpr_eof: bool, rpr_contents: array(read_plus_content) }) } },
  otherwiseVoid,
);

/** Arguments of IO_ADVISE (RFC 7862 §15.5). */
export const IO_ADVISE4args = struct({
  iaa_stateid: stateid4,
  iaa_offset: clampedOffset,
  iaa_count: clampedOffset,
  iaa_hints: bitmap4,
});

/** Result of IO_ADVISE. */
export const IO_ADVISE4res = union(
  "ior_status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ ior_hints: bitmap4 }) } },
  otherwiseVoid,
);

/** Arguments of ALLOCATE (RFC 7862 §15.1). */
export const ALLOCATE4args = struct({ aa_stateid: stateid4, aa_offset: offset, aa_length: offset });

/** Result of ALLOCATE. */
export const ALLOCATE4res = struct({ ar_status: nfsstat4 });

/** Arguments of DEALLOCATE (RFC 7862 §15.4). */
export const DEALLOCATE4args = struct({
  da_stateid: stateid4,
  da_offset: clampedOffset,
  da_length: clampedOffset,
});

/** Result of DEALLOCATE. */
export const DEALLOCATE4res = struct({ dr_status: nfsstat4 });

/** `union netloc4`. */
export const netloc4 = union("nl_type", enumeration({ NL4_NAME: 1, NL4_URL: 2, NL4_NETADDR: 3 }), {
  NL4_NAME: { nl_name: utf8string },
  NL4_URL: { nl_url: utf8string },
  NL4_NETADDR: { nl_addr: netaddr4 },
});

/** Arguments of COPY (RFC 7862 §15.2). */
export const COPY4args = struct({
  ca_src_stateid: stateid4,
  ca_dst_stateid: stateid4,
  ca_src_offset: clampedOffset,
  ca_dst_offset: offset,
  ca_count: clampedOffset,
  ca_consecutive: bool,
  ca_synchronous: bool,
  ca_source_server: array(netloc4),
});

/** `struct copy_requirements4`. */
export const copy_requirements4 = struct({ cr_consecutive: bool, cr_synchronous: bool });

/** `struct write_response4`; a callback id only when the work goes on. */
export const write_response4 = struct({
  wr_callback_id: array(stateid4, 1),
  wr_count: offset,
  wr_committed: stable_how4,
  wr_writeverf: verifier4,
});

/** Result of COPY. */
export const COPY4res = union(
  "cr_status",
  nfsstat4,
  {
    NFS4_OK: {
      cr_resok4: struct({ cr_response: write_response4, cr_requirements: copy_requirements4 }),
    },
    NFS4ERR_OFFLOAD_NO_REQS: { cr_requirements: copy_requirements4 },
  },
  otherwiseVoid,
);

/** Arguments of CLONE (RFC 7862 §15.13). */
export const CLONE4args = struct({
  cl_src_stateid: stateid4,
  cl_dst_stateid: stateid4,
  cl_src_offset: offset,
  cl_dst_offset: offset,
  cl_count: offset,
});

/** Result of CLONE. */
export const CLONE4res = struct({ cl_status: nfsstat4 });
