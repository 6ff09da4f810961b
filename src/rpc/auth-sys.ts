import { array, struct, type TypeOf, text, u32 } from "../xdr/codec.ts";

/** `struct authsys_parms` of RFC 5531 §8.2 and its appendix A. */
export const authsys_parms = struct({
  stamp: u32,
  machinename: text(255),
  uid: u32,
  gid: u32,
  gids: array(u32, 16),
});

/** `struct authsys_parms`: who calls, as the client's machine says. */
export type authsys_parms = TypeOf<typeof authsys_parms>;
