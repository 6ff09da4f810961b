// Transcribed from RFC 5662, RFC 7863 and RFC 8276; see LICENSE in this folder.
import { otherwiseVoid, struct, u32, union } from "../../xdr/codec.ts";
import { nfsstat4 } from "./status.ts";
import { bitmap4, fattr4, stateid4 } from "./types.ts";

/** Bits of ACCESS, with those of RFC 8276. */
export const access4 = {
  ACCESS4_READ: 0x001,
  ACCESS4_LOOKUP: 0x002,
  ACCESS4_MODIFY: 0x004,
  ACCESS4_EXTEND: 0x008,
  ACCESS4_DELETE: 0x010,
  ACCESS4_EXECUTE: 0x020,
  ACCESS4_XAREAD: 0x040,
  ACCESS4_XAWRITE: 0x080,
  ACCESS4_XALIST: 0x100,
} as const;

/** Arguments of ACCESS (RFC 8881 §18.1). */
export const ACCESS4args = struct({ access: u32 });

/** Result of ACCESS. */
export const ACCESS4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ supported: u32, access: u32 }) } },
  otherwiseVoid,
);

/** Arguments of GETATTR (RFC 8881 §18.7). */
export const GETATTR4args = struct({ attr_request: bitmap4 });

/** Result of GETATTR. */
export const GETATTR4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: struct({ obj_attributes: fattr4 }) } },
  otherwiseVoid,
);

/** Arguments of SETATTR (RFC 8881 §18.30). */
export const SETATTR4args = struct({ stateid: stateid4, obj_attributes: fattr4 });

/** Result of SETATTR; `attrsset` is there with every status. */
export const SETATTR4res = struct({ status: nfsstat4, attrsset: bitmap4 });

/** Arguments of VERIFY (RFC 8881 §18.31). */
export const VERIFY4args = struct({ obj_attributes: fattr4 });

/** Result of VERIFY. */
export const VERIFY4res = struct({ status: nfsstat4 });

/** Arguments of NVERIFY (RFC 8881 §18.15). */
export const NVERIFY4args = struct({ obj_attributes: fattr4 });

/** Result of NVERIFY. */
export const NVERIFY4res = struct({ status: nfsstat4 });
