// Transcribed from RFC 5662, RFC 7863 and RFC 8276; see LICENSE in this folder.
import {
  array,
  bool,
  enumeration,
  offset,
  opaqueChunks,
  otherwiseVoid,
  struct,
  type TypeOf,
  u32,
  union,
} from "../../xdr/codec.ts";
import { nfsstat4 } from "./status.ts";
import { netaddr4, stateid4, utf8string, verifier4 } from "./types.ts";

/** `enum stable_how4`. */
export const stable_how4 = enumeration({ UNSTABLE4: 0, DATA_SYNC4: 1, FILE_SYNC4: 2 });

/** How much of a write is on stable storage when it is answered. */
export type stable_how4 = TypeOf<typeof stable_how4>;

/** Arguments of READ (RFC 8881 §18.22). */
export const READ4args = struct({ stateid: stateid4, offset: offset, count: u32 });

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
export const COMMIT4args = struct({ offset: offset, count: u32 });

/** Result of COMMIT. */
export const COMMIT4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ writeverf: verifier4 }) } },
  otherwiseVoid,
);

/** `enum data_content4`. */
export const data_content4 = enumeration({ NFS4_CONTENT_DATA: 0, NFS4_CONTENT_HOLE: 1 });

/** Arguments of SEEK (RFC 7862 §15.11). */
export const SEEK4args = struct({
  sa_stateid: stateid4,
  sa_offset: offset,
  sa_what: data_content4,
});

/** Result of SEEK. */
export const SEEK4res = union(
  "sa_status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ sr_eof: bool, sr_offset: offset }) } },
  otherwiseVoid,
);

/** Arguments of ALLOCATE (RFC 7862 §15.1). */
export const ALLOCATE4args = struct({ aa_stateid: stateid4, aa_offset: offset, aa_length: offset });

/** Result of ALLOCATE. */
export const ALLOCATE4res = struct({ ar_status: nfsstat4 });

/** Arguments of DEALLOCATE (RFC 7862 §15.4). */
export const DEALLOCATE4args = struct({
  da_stateid: stateid4,
  da_offset: offset,
  da_length: offset,
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
  ca_src_offset: offset,
  ca_dst_offset: offset,
  ca_count: offset,
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
