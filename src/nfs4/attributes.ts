import type { Attributes, FileType, InodeNumber, Timespec } from "../vfs/attributes.ts";
import { maxLinks, type Space } from "../vfs/file-system.ts";
import type { XdrWriter } from "../xdr/writer.ts";
import { leaseSeconds, maxTransferBytes } from "./limits.ts";
import { type fattr4_name, fattr4_number } from "./wire/attribute.ts";
import { bitmapOf } from "./wire/bitmap.ts";
import {
  type bitmap4,
  change_attr_type4,
  fh_expire_type,
  fsid4,
  nfs_ftype4,
  nfstime4,
} from "./wire/types.ts";

/** Where the values of an object's attributes come from; each part is asked for only when it is needed. */
export interface AttributeSource {
  readonly inode: InodeNumber;
  readonly minorVersion: 1 | 2;
  /** @throws {FsError | Suspended} */
  attributes(): Attributes;
  space(): Space;
  filehandle(): Uint8Array;
  readonly fsid: { readonly major: bigint; readonly minor: bigint };
}

/** A row of the table of attributes (RFC 8881 §5, RFC 7862 §12). */
export interface AttributeRow {
  readonly name: fattr4_name;
  readonly number: number;
  /** The first minor version that has it. */
  readonly minorVersion: 1 | 2;
  /** Whether it needs the object's own attributes, so that it may fail or suspend. */
  readonly needsObject: boolean;
  /** Writes the value; absent when it can only be set. */
  readonly get: ((writer: XdrWriter, source: AttributeSource) => void) | undefined;
}

type Get = NonNullable<AttributeRow["get"]>;

const typeNames = {
  file: "NF4REG",
  directory: "NF4DIR",
  symlink: "NF4LNK",
  fifo: "NF4FIFO",
  socket: "NF4SOCK",
  blockDevice: "NF4BLK",
  characterDevice: "NF4CHR",
} as const satisfies Record<FileType, nfs_ftype4>;

const owners = new Map<number, Uint8Array>();

/** RFC 8881 §5.9: a number without a domain, which every client takes without an id mapper. */
function owner(id: number): Uint8Array {
  let text = owners.get(id);
  if (text === undefined) {
    text = Buffer.from(String(id));
    if (owners.size < 10_000) owners.set(id, text);
  }
  return text;
}

function time(writer: XdrWriter, { seconds, nanoseconds }: Timespec): void {
  nfstime4.encode(writer, { seconds: BigInt(seconds), nseconds: nanoseconds });
}

function words(writer: XdrWriter, bitmap: bitmap4): void {
  writer.u32(bitmap.length);
  for (const word of bitmap) writer.u32(word);
}

const constant = (name: fattr4_name, get: Get, minorVersion: 1 | 2 = 1): AttributeRow => ({
  name,
  number: fattr4_number[name],
  minorVersion,
  needsObject: false,
  get,
});

const object = (
  name: fattr4_name,
  get: (writer: XdrWriter, attributes: Attributes) => void,
): AttributeRow => ({
  name,
  number: fattr4_number[name],
  minorVersion: 1,
  needsObject: true,
  get: (writer, source) => get(writer, source.attributes()),
});

const setOnly = (name: fattr4_name): AttributeRow => ({
  name,
  number: fattr4_number[name],
  minorVersion: 1,
  needsObject: false,
  get: undefined,
});

const truth = (name: fattr4_name, value: boolean) => constant(name, (writer) => writer.bool(value));

/** Attributes that a client may set (RFC 8881 §5.5), by EXCLUSIVE4_1 too (RFC 8881 §5.8.1.14); attribute-changes.ts reads them. */
export const settableNames = [
  "FATTR4_SIZE",
  "FATTR4_MODE",
  "FATTR4_OWNER",
  "FATTR4_OWNER_GROUP",
  "FATTR4_TIME_ACCESS_SET",
  "FATTR4_TIME_MODIFY_SET",
] as const satisfies readonly fattr4_name[];

const settable = bitmapOf(settableNames.map((name) => fattr4_number[name]));

/** All attributes that this server has, the required ones among them (RFC 8881 §5.1, §5.6), in the order of their numbers. */
export const attributeRows: readonly AttributeRow[] = [
  constant("FATTR4_SUPPORTED_ATTRS", (writer, { minorVersion }) =>
    words(writer, supportedAttributes(minorVersion)),
  ),
  object("FATTR4_TYPE", (writer, { type }) => nfs_ftype4.encode(writer, typeNames[type])),
  // RFC 8881 §4.2.3.
  constant("FATTR4_FH_EXPIRE_TYPE", (writer) => writer.u32(fh_expire_type.FH4_PERSISTENT)),
  object("FATTR4_CHANGE", (writer, { change }) => writer.offset(change)),
  object("FATTR4_SIZE", (writer, { sizeBytes }) => writer.offset(sizeBytes)),
  truth("FATTR4_LINK_SUPPORT", true),
  truth("FATTR4_SYMLINK_SUPPORT", true),
  truth("FATTR4_NAMED_ATTR", false),
  constant("FATTR4_FSID", (writer, { fsid }) => fsid4.encode(writer, fsid)),
  truth("FATTR4_UNIQUE_HANDLES", true),
  constant("FATTR4_LEASE_TIME", (writer) => writer.u32(leaseSeconds)),
  constant("FATTR4_RDATTR_ERROR", (writer) => writer.u32(0)),
  constant("FATTR4_ACLSUPPORT", (writer) => writer.u32(0)),
  truth("FATTR4_CANSETTIME", true),
  truth("FATTR4_CASE_INSENSITIVE", false),
  truth("FATTR4_CASE_PRESERVING", true),
  truth("FATTR4_CHOWN_RESTRICTED", true),
  constant("FATTR4_FILEHANDLE", (writer, source) => writer.opaque(source.filehandle())),
  constant("FATTR4_FILEID", (writer, { inode }) => writer.offset(inode)),
  constant("FATTR4_FILES_AVAIL", (writer, source) => writer.offset(source.space().freeFiles)),
  constant("FATTR4_FILES_FREE", (writer, source) => writer.offset(source.space().freeFiles)),
  constant("FATTR4_FILES_TOTAL", (writer, source) => writer.offset(source.space().totalFiles)),
  truth("FATTR4_HOMOGENEOUS", true),
  constant("FATTR4_MAXFILESIZE", (writer) => writer.offset(Number.MAX_SAFE_INTEGER)),
  constant("FATTR4_MAXLINK", (writer) => writer.u32(maxLinks)),
  constant("FATTR4_MAXNAME", (writer) => writer.u32(255)),
  constant("FATTR4_MAXREAD", (writer) => writer.offset(maxTransferBytes)),
  constant("FATTR4_MAXWRITE", (writer) => writer.offset(maxTransferBytes)),
  object("FATTR4_MODE", (writer, { mode }) => writer.u32(mode)),
  truth("FATTR4_NO_TRUNC", true),
  object("FATTR4_NUMLINKS", (writer, { linkCount }) => writer.u32(linkCount)),
  object("FATTR4_OWNER", (writer, { uid }) => writer.opaque(owner(uid))),
  object("FATTR4_OWNER_GROUP", (writer, { gid }) => writer.opaque(owner(gid))),
  object("FATTR4_RAWDEV", (writer, { device }) => {
    writer.u32(device?.major ?? 0);
    writer.u32(device?.minor ?? 0);
  }),
  constant("FATTR4_SPACE_AVAIL", (writer, source) => writer.offset(source.space().freeBytes)),
  constant("FATTR4_SPACE_FREE", (writer, source) => writer.offset(source.space().freeBytes)),
  constant("FATTR4_SPACE_TOTAL", (writer, source) => writer.offset(source.space().totalBytes)),
  object("FATTR4_SPACE_USED", (writer, { usedBytes }) => writer.offset(usedBytes)),
  object("FATTR4_TIME_ACCESS", (writer, { accessTime }) => time(writer, accessTime)),
  setOnly("FATTR4_TIME_ACCESS_SET"),
  constant("FATTR4_TIME_DELTA", (writer) => time(writer, { seconds: 0, nanoseconds: 1 })),
  object("FATTR4_TIME_METADATA", (writer, { changeTime }) => time(writer, changeTime)),
  object("FATTR4_TIME_MODIFY", (writer, { modifyTime }) => time(writer, modifyTime)),
  setOnly("FATTR4_TIME_MODIFY_SET"),
  constant("FATTR4_MOUNTED_ON_FILEID", (writer, { inode }) => writer.offset(inode)),
  // No layouts.
  constant("FATTR4_FS_LAYOUT_TYPES", (writer) => writer.u32(0)),
  constant("FATTR4_SUPPATTR_EXCLCREAT", (writer) => words(writer, settable)),
  // RFC 7862 §12.2.3.
  constant(
    "FATTR4_CHANGE_ATTR_TYPE",
    (writer) => change_attr_type4.encode(writer, "NFS4_CHANGE_TYPE_IS_MONOTONIC_INCR"),
    2,
  ),
  // RFC 8276 §8.2.1.
  constant("FATTR4_XATTR_SUPPORT", (writer) => writer.bool(true), 2),
];

const rowsOf = {
  1: attributeRows.filter(({ minorVersion }) => minorVersion === 1),
  2: attributeRows,
} as const;
const supported = {
  1: bitmapOf(rowsOf[1].map(({ number }) => number)),
  2: bitmapOf(rowsOf[2].map(({ number }) => number)),
} as const;
const rowByNumber = new Map(attributeRows.map((row) => [row.number, row]));

/** The attributes of a minor version, as a bitmap (RFC 8881 §5.8.1.1). */
export function supportedAttributes(minorVersion: 1 | 2): bitmap4 {
  return supported[minorVersion];
}

/** The row of an attribute that this minor version has. */
export function attributeRow(number: number, minorVersion: 1 | 2): AttributeRow | undefined {
  const row = rowByNumber.get(number);
  return row !== undefined && row.minorVersion <= minorVersion ? row : undefined;
}

/** Rows of the bits of a request that can be read, in order; what is not supported is left out (RFC 8881 §18.7.3). */
export function readableRows(request: bitmap4, minorVersion: 1 | 2): readonly AttributeRow[] {
  return rowsOf[minorVersion].filter(
    ({ number, get }) =>
      get !== undefined && (((request[number >>> 5] ?? 0) >>> (number & 31)) & 1) === 1,
  );
}
