// Transcribed from RFC 5662, RFC 7863 and RFC 8276; see LICENSE in this folder.
import {
  bool,
  linkedList,
  otherwiseVoid,
  struct,
  type TypeOf,
  u32,
  u64,
  union,
} from "../../xdr/codec.ts";
import { nfsstat4 } from "./status.ts";
import {
  bitmap4,
  change_info4,
  component4,
  fattr4,
  nfs_ftype4,
  specdata4,
  utf8string,
  verifier4,
} from "./types.ts";

/** `union createtype4`. */
export const createtype4 = union(
  "type",
  nfs_ftype4,
  {
    NF4LNK: { linkdata: utf8string },
    NF4BLK: { devdata: specdata4 },
    NF4CHR: { devdata: specdata4 },
  },
  otherwiseVoid,
);

/** Arguments of CREATE (RFC 8881 §18.4). */
export const CREATE4args = struct({
  objtype: createtype4,
  objname: component4,
  createattrs: fattr4,
});

/** Result of CREATE. */
export const CREATE4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ cinfo: change_info4, attrset: bitmap4 }) } },
  otherwiseVoid,
);

/** Arguments of LINK (RFC 8881 §18.9). */
export const LINK4args = struct({ newname: component4 });

/** Result of LINK. */
export const LINK4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ cinfo: change_info4 }) } },
  otherwiseVoid,
);

/** Arguments of LOOKUP (RFC 8881 §18.13). */
export const LOOKUP4args = struct({ objname: component4 });

/** Result of LOOKUP. */
export const LOOKUP4res = struct({ status: nfsstat4 });

/** LOOKUPP has no arguments (RFC 8881 §18.14). */
export const LOOKUPP4args = struct({});

/** Result of LOOKUPP. */
export const LOOKUPP4res = struct({ status: nfsstat4 });

/** Arguments of READDIR (RFC 8881 §18.23). */
export const READDIR4args = struct({
  cookie: u64,
  cookieverf: verifier4,
  dircount: u32,
  maxcount: u32,
  attr_request: bitmap4,
});

/** `struct entry4` without `nextentry`: see {@link dirlist4}. */
export const entry4 = struct({ cookie: u64, name: component4, attrs: fattr4 });

/** `struct entry4` without `nextentry`. */
export type entry4 = TypeOf<typeof entry4>;

/** `struct dirlist4`: on the wire TRUE before each entry, FALSE after the last, then `eof`. */
export const dirlist4 = struct({ entries: linkedList(entry4), eof: bool });

/** Result of READDIR. */
export const READDIR4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ cookieverf: verifier4, reply: dirlist4 }) } },
  otherwiseVoid,
);

/** READLINK has no arguments (RFC 8881 §18.24). */
export const READLINK4args = struct({});

/** Result of READLINK. */
export const READLINK4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ link: utf8string }) } },
  otherwiseVoid,
);

/** Arguments of REMOVE (RFC 8881 §18.25). */
export const REMOVE4args = struct({ target: component4 });

/** Result of REMOVE. */
export const REMOVE4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ cinfo: change_info4 }) } },
  otherwiseVoid,
);

/** Arguments of RENAME (RFC 8881 §18.26). */
export const RENAME4args = struct({ oldname: component4, newname: component4 });

/** Result of RENAME. */
export const RENAME4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ source_cinfo: change_info4, target_cinfo: change_info4 }) } },
  otherwiseVoid,
);
