// Transcribed from RFC 5662, RFC 7863 and RFC 8276; see LICENSE in this folder.
import {
  array,
  bool,
  enumeration,
  fixedOpaque,
  i64,
  opaque,
  otherwiseVoid,
  struct,
  type TypeOf,
  text,
  u32,
  u64,
  union,
} from "../../xdr/codec.ts";

/** `const NFS4_FHSIZE`: the longest filehandle, in bytes. */
export const NFS4_FHSIZE = 128;

/** `const NFS4_OPAQUE_LIMIT`: the longest owner, in bytes. */
export const NFS4_OPAQUE_LIMIT = 1024;

/** Changes of an object; never reused. */
export const changeid4 = u64;

/** The server's short name of a client. */
export const clientid4 = u64;

/** `typedef opaque nfs_fh4<NFS4_FHSIZE>`. */
export const nfs_fh4 = opaque(NFS4_FHSIZE);

/** `typedef opaque sessionid4[16]`. */
export const sessionid4 = fixedOpaque(16);

/** `typedef opaque verifier4[8]`. */
export const verifier4 = fixedOpaque(8);

/** `typedef opaque utf8string<>`, as bytes: who reads it says what invalid UTF-8 means. */
export const utf8string = opaque();

/** `typedef utf8str_cs component4`: one name of a path, as bytes. */
export const component4 = utf8string;

/** `typedef uint32_t bitmap4<>`: bit n is bit n mod 32 of word n div 32. */
export const bitmap4 = array(u32);

/** A `bitmap4` as its words; see bitmap.ts. */
export type bitmap4 = TypeOf<typeof bitmap4>;

/** `struct nfstime4`. */
export const nfstime4 = struct({ seconds: i64, nseconds: u32 });

/** `struct nfstime4`: seconds since the Unix epoch and nanoseconds. */
export type nfstime4 = TypeOf<typeof nfstime4>;

/** `struct stateid4`. */
export const stateid4 = struct({ seqid: u32, other: fixedOpaque(12) });

/** `struct stateid4`; `other` is a view of the request. */
export type stateid4 = TypeOf<typeof stateid4>;

/** `struct fattr4`. */
export const fattr4 = struct({ attrmask: bitmap4, attr_vals: opaque() });

/** `struct fattr4`: which attributes, and their values one after the other. */
export type fattr4 = TypeOf<typeof fattr4>;

/** `struct change_info4`. */
export const change_info4 = struct({ atomic: bool, before: changeid4, after: changeid4 });

/** `struct change_info4`: a directory's change attribute around an operation. */
export type change_info4 = TypeOf<typeof change_info4>;

/** `struct netaddr4`. */
export const netaddr4 = struct({ na_r_netid: text(), na_r_addr: text() });

/** `struct nfs_impl_id4`. */
export const nfs_impl_id4 = struct({
  nii_domain: utf8string,
  nii_name: utf8string,
  nii_date: nfstime4,
});

/** `struct client_owner4`. */
export const client_owner4 = struct({
  co_verifier: verifier4,
  co_ownerid: opaque(NFS4_OPAQUE_LIMIT),
});

/** `struct server_owner4`. */
export const server_owner4 = struct({ so_minor_id: u64, so_major_id: opaque(NFS4_OPAQUE_LIMIT) });

/** `struct state_owner4`, which is also `open_owner4` and `lock_owner4`. */
export const state_owner4 = struct({ clientid: clientid4, owner: opaque(NFS4_OPAQUE_LIMIT) });

/** `struct state_owner4`: who opens or locks, within a client. */
export type state_owner4 = TypeOf<typeof state_owner4>;

/** `enum nfs_ftype4`. */
export const nfs_ftype4 = enumeration({
  NF4REG: 1,
  NF4DIR: 2,
  NF4BLK: 3,
  NF4CHR: 4,
  NF4LNK: 5,
  NF4SOCK: 6,
  NF4FIFO: 7,
  NF4ATTRDIR: 8,
  NF4NAMEDATTR: 9,
});

/** The name of a file type. */
export type nfs_ftype4 = TypeOf<typeof nfs_ftype4>;

/** `enum time_how4`. */
export const time_how4 = enumeration({ SET_TO_SERVER_TIME4: 0, SET_TO_CLIENT_TIME4: 1 });

/** `union settime4`. */
export const settime4 = union(
  "set_it",
  time_how4,
  { SET_TO_CLIENT_TIME4: { time: nfstime4 } },
  otherwiseVoid,
);

/** `union settime4`: a time to set, the server's or a given one. */
export type settime4 = TypeOf<typeof settime4>;

/** `struct fsid4`. */
export const fsid4 = struct({ major: u64, minor: u64 });

/** `struct specdata4`. */
export const specdata4 = struct({ specdata1: u32, specdata2: u32 });

/** `struct mode_masked4`. */
export const mode_masked4 = struct({ mm_value_to_set: u32, mm_mask_bits: u32 });

/** `struct fs_locations4`. */
export const fs_locations4 = struct({
  fs_root: array(component4),
  locations: array(struct({ server: array(utf8string), rootpath: array(component4) })),
});

/** `enum change_attr_type4` of RFC 7863. */
export const change_attr_type4 = enumeration({
  NFS4_CHANGE_TYPE_IS_MONOTONIC_INCR: 0,
  NFS4_CHANGE_TYPE_IS_VERSION_COUNTER: 1,
  NFS4_CHANGE_TYPE_IS_VERSION_COUNTER_NOPNFS: 2,
  NFS4_CHANGE_TYPE_IS_TIME_METADATA: 3,
  NFS4_CHANGE_TYPE_IS_UNDEFINED: 4,
});

/** Values of the attribute fh_expire_type. */
export const fh_expire_type = {
  FH4_PERSISTENT: 0x0,
  FH4_NOEXPIRE_WITH_OPEN: 0x1,
  FH4_VOLATILE_ANY: 0x2,
  FH4_VOL_MIGRATION: 0x4,
  FH4_VOL_RENAME: 0x8,
} as const;
