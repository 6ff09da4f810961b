import { XdrError } from "../xdr/error.ts";
import { XdrReader } from "../xdr/reader.ts";
import { type AttributeSource, attributeRow } from "./attributes.ts";
import { encodeAttributes, planAttributes } from "./encode-attributes.ts";
import { NfsError } from "./status.ts";
import { type fattr4_name, fattr4_number } from "./wire/attribute.ts";
import { attributeBitmap, bitsOf } from "./wire/bitmap.ts";
import { bitmap4, type fattr4 } from "./wire/types.ts";

const bitmap = (reader: XdrReader): void => void bitmap4.decode(reader);
const opaque = (reader: XdrReader): void => void reader.opaque(1024);

/** How values are read whose length is not always the same. */
const ofAnyLength: Partial<Record<fattr4_name, (reader: XdrReader) => void>> = {
  FATTR4_SUPPORTED_ATTRS: bitmap,
  FATTR4_SUPPATTR_EXCLCREAT: bitmap,
  FATTR4_FS_LAYOUT_TYPES: bitmap,
  FATTR4_FILEHANDLE: opaque,
  FATTR4_OWNER: opaque,
  FATTR4_OWNER_GROUP: opaque,
};

function readMode(reader: XdrReader): void {
  const mode = reader.u32();
  // RFC 8881 §6.2.4: no other bits than these, in VERIFY and NVERIFY neither.
  if (mode > 0o7777) throw new NfsError("NFS4ERR_INVAL", `Mode ${mode.toString(8)}`);
}

/**
 * Whether an object has exactly the given values (RFC 8881 §18.31.3).
 * @throws {NfsError} ATTRNOTSUPP, INVAL, BADXDR; {FsError | Suspended} what the attributes throw.
 */
export function hasAttributes(
  wanted: fattr4,
  minorVersion: 1 | 2,
  source: AttributeSource,
): boolean {
  const rows = bitsOf(wanted.attrmask).map((number) => {
    const row = attributeRow(number, minorVersion);
    if (row === undefined) {
      throw new NfsError("NFS4ERR_ATTRNOTSUPP", `Attribute ${number} is not supported`);
    }
    // RFC 8881 §18.31.3: neither what can only be set nor rdattr_error.
    if (row.get === undefined || number === fattr4_number.FATTR4_RDATTR_ERROR) {
      throw new NfsError("NFS4ERR_INVAL", `Attribute ${number} cannot be compared`);
    }
    return row;
  });
  // The filehandle must name something, whatever is compared.
  source.attributes();
  const reader = new XdrReader(wanted.attr_vals);
  try {
    for (const { name } of rows) {
      const read = ofAnyLength[name];
      if (name === "FATTR4_MODE") readMode(reader);
      else if (read !== undefined) read(reader);
      else {
        const own = planAttributes(attributeBitmap(name), minorVersion);
        reader.fixed(encodeAttributes(own, source).attr_vals.length);
      }
    }
    reader.end();
  } catch (error) {
    if (!(error instanceof XdrError)) throw error;
    throw new NfsError("NFS4ERR_BADXDR", `Values of attributes: ${error.message}`);
  }
  const plan = planAttributes(wanted.attrmask, minorVersion);
  return Buffer.compare(encodeAttributes(plan, source).attr_vals, wanted.attr_vals) === 0;
}
