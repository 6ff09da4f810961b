import { bitmapOf, bitsOf } from "../../src/nfs4/wire/bitmap.ts";
import { nfsstat4 } from "../../src/nfs4/wire/status.ts";
import {
  bitmap4,
  change_attr_type4,
  type fattr4,
  fsid4,
  nfs_fh4,
  nfs_ftype4,
  nfstime4,
  settime4,
  specdata4,
} from "../../src/nfs4/wire/types.ts";
import { array, bool, type Codec, type TypeOf, text, u32, u64 } from "../../src/xdr/codec.ts";
import { XdrReader } from "../../src/xdr/reader.ts";
import { XdrWriter } from "../../src/xdr/writer.ts";

/** Attributes that the test client understands, written from RFC 8881 §5 and apart from the server's table. */
const attributes = {
  supported_attrs: [0, bitmap4],
  type: [1, nfs_ftype4],
  fh_expire_type: [2, u32],
  change: [3, u64],
  size: [4, u64],
  link_support: [5, bool],
  symlink_support: [6, bool],
  named_attr: [7, bool],
  fsid: [8, fsid4],
  unique_handles: [9, bool],
  lease_time: [10, u32],
  rdattr_error: [11, nfsstat4],
  aclsupport: [13, u32],
  cansettime: [15, bool],
  case_insensitive: [16, bool],
  case_preserving: [17, bool],
  chown_restricted: [18, bool],
  filehandle: [19, nfs_fh4],
  fileid: [20, u64],
  files_avail: [21, u64],
  files_free: [22, u64],
  files_total: [23, u64],
  homogeneous: [26, bool],
  maxfilesize: [27, u64],
  maxlink: [28, u32],
  maxname: [29, u32],
  maxread: [30, u64],
  maxwrite: [31, u64],
  mode: [33, u32],
  no_trunc: [34, bool],
  numlinks: [35, u32],
  owner: [36, text()],
  owner_group: [37, text()],
  rawdev: [41, specdata4],
  space_avail: [42, u64],
  space_free: [43, u64],
  space_total: [44, u64],
  space_used: [45, u64],
  time_access: [47, nfstime4],
  time_access_set: [48, settime4],
  time_create: [50, nfstime4],
  time_delta: [51, nfstime4],
  time_metadata: [52, nfstime4],
  time_modify: [53, nfstime4],
  time_modify_set: [54, settime4],
  mounted_on_fileid: [55, u64],
  fs_layout_types: [62, array(u32)],
  layout_blksize: [65, u32],
  suppattr_exclcreat: [75, bitmap4],
  clone_blksize: [77, u32],
  change_attr_type: [79, change_attr_type4],
  xattr_support: [82, bool],
} as const satisfies Readonly<Record<string, readonly [number, Codec<unknown>]>>;

/** Name of an attribute, as in RFC 8881 §5.7. */
export type AttributeName = keyof typeof attributes;

/** Values of some attributes. */
export type AttributeValues = {
  readonly [N in AttributeName]?: TypeOf<(typeof attributes)[N][1]>;
};

const all = Object.entries(attributes).map(([name, [number, codec]]) => ({
  name,
  number: number as number,
  codec: codec as Codec<unknown>,
}));

/** A bitmap that asks for the named attributes. */
export function ask(...names: readonly AttributeName[]): bitmap4 {
  return bitmapOf(names.map((name) => attributes[name][0]));
}

/** A `fattr4` with the given values. */
export function encodeAttributes(values: AttributeValues): fattr4 {
  const given = all.filter(({ name }) => name in values).sort((a, b) => a.number - b.number);
  const writer = new XdrWriter();
  for (const { name, codec } of given) codec.encode(writer, values[name as AttributeName]);
  return { attrmask: bitmapOf(given.map(({ number }) => number)), attr_vals: writer.toBuffer() };
}

/** The values in a `fattr4`. Throws for an attribute the client does not know, or bytes left over. */
export function decodeAttributes(fattr: fattr4): AttributeValues {
  const reader = new XdrReader(fattr.attr_vals);
  const values: Record<string, unknown> = {};
  for (const bit of bitsOf(fattr.attrmask)) {
    const attribute = all.find(({ number }) => number === bit);
    if (attribute === undefined) throw new Error(`Unknown attribute ${bit}`);
    values[attribute.name] = attribute.codec.decode(reader);
  }
  reader.end();
  return values as AttributeValues;
}
