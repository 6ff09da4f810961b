// Transcribed from RFC 5662, RFC 7863 and RFC 8276; see LICENSE in this folder.

import { authsys_parms } from "../../rpc/auth-sys.ts";
import {
  array,
  enumeration,
  opaque,
  otherwiseVoid,
  struct,
  type TypeOf,
  u32,
  union,
} from "../../xdr/codec.ts";
import { nfsstat4 } from "./status.ts";
import { component4 } from "./types.ts";

/** `enum rpc_gss_svc_t` of RFC 2203. */
export const rpc_gss_svc_t = enumeration({
  RPC_GSS_SVC_NONE: 1,
  RPC_GSS_SVC_INTEGRITY: 2,
  RPC_GSS_SVC_PRIVACY: 3,
});

/** `union secinfo4`; the flavors are those of RFC 5531: 0 is AUTH_NONE, 1 AUTH_SYS, 6 RPCSEC_GSS. */
export const secinfo4 = union(
  "flavor",
  u32,
  { 6: { flavor_info: struct({ oid: opaque(), qop: u32, service: rpc_gss_svc_t }) } },
  otherwiseVoid,
);

/** Arguments of SECINFO (RFC 8881 §18.29). */
export const SECINFO4args = struct({ name: component4 });

/** Result of SECINFO and of SECINFO_NO_NAME. */
export const SECINFO4res = union(
  "status",
  nfsstat4,
  { NFS4_OK: { resok4: array(secinfo4) } },
  otherwiseVoid,
);

/** `enum secinfo_style4`: the whole argument of SECINFO_NO_NAME (RFC 8881 §18.45). */
export const SECINFO_NO_NAME4args = enumeration({
  SECINFO_STYLE4_CURRENT_FH: 0,
  SECINFO_STYLE4_PARENT: 1,
});

/** Result of SECINFO_NO_NAME. */
export const SECINFO_NO_NAME4res = SECINFO4res;

/** `union callback_sec_parms4`; flavors 0 AUTH_NONE, 1 AUTH_SYS and 6 RPCSEC_GSS. */
export const callback_sec_parms4 = union("cb_secflavor", u32, {
  0: {},
  1: { cbsp_sys_cred: authsys_parms },
  6: {
    cbsp_gss_handles: struct({
      gcbp_service: rpc_gss_svc_t,
      gcbp_handle_from_server: opaque(),
      gcbp_handle_from_client: opaque(),
    }),
  },
});

/** `union callback_sec_parms4`: how the server authenticates itself in callbacks. */
export type callback_sec_parms4 = TypeOf<typeof callback_sec_parms4>;
