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
  u64,
  union,
} from "../../xdr/codec.ts";
import { nfsstat4 } from "./status.ts";
import { change_info4, component4 } from "./types.ts";

/** Arguments of GETXATTR (RFC 8276 §8.4.1). */
export const GETXATTR4args = struct({ gxa_name: component4 });

/** Result of GETXATTR. */
export const GETXATTR4res = union(
  "gxr_status",
  nfsstat4,
  { NFS4_OK: { gxr_value: opaque() } },
  otherwiseVoid,
);

/** `enum setxattr_option4`. */
export const setxattr_option4 = enumeration({
  SETXATTR4_EITHER: 0,
  SETXATTR4_CREATE: 1,
  SETXATTR4_REPLACE: 2,
});

/** How an extended attribute is set. */
export type setxattr_option4 = TypeOf<typeof setxattr_option4>;

/** Arguments of SETXATTR (RFC 8276 §8.4.2). */
export const SETXATTR4args = struct({
  sxa_option: setxattr_option4,
  sxa_key: component4,
  sxa_value: opaque(),
});

/** Result of SETXATTR. */
export const SETXATTR4res = union(
  "sxr_status",
  nfsstat4,
  { NFS4_OK: { sxr_info: change_info4 } },
  otherwiseVoid,
);

/** Arguments of LISTXATTRS (RFC 8276 §8.4.3). */
export const LISTXATTRS4args = struct({ lxa_cookie: u64, lxa_maxcount: u32 });

/** Result of LISTXATTRS. */
export const LISTXATTRS4res = union(
  "lxr_status",
  nfsstat4,
  {
    NFS4_OK: {
      lxr_value: struct({ lxr_cookie: u64, lxr_names: array(component4), lxr_eof: bool }),
    },
  },
  otherwiseVoid,
);

/** Arguments of REMOVEXATTR (RFC 8276 §8.4.4). */
export const REMOVEXATTR4args = struct({ rxa_name: component4 });

/** Result of REMOVEXATTR. */
export const REMOVEXATTR4res = union(
  "rxr_status",
  nfsstat4,
  { NFS4_OK: { rxr_info: change_info4 } },
  otherwiseVoid,
);
