import type { Credential } from "../rpc/credential.ts";
import type { Caller } from "../vfs/call.ts";

/** Who an unauthenticated request runs as. */
const nobody: Caller = { uid: 65534, gid: 65534, groups: [] };

/** The identity that a request's file operations run under. */
export function callerOf(credential: Credential): Caller {
  switch (credential.flavor) {
    case "AUTH_NONE":
      return nobody;
    case "AUTH_SYS":
      return { uid: credential.uid, gid: credential.gid, groups: credential.gids };
  }
}

/** The principal of a request, which owns client IDs (RFC 8881 §2.4.2): flavour and uid. */
export function principalOf(credential: Credential): string {
  return credential.flavor === "AUTH_NONE" ? "none" : `sys:${credential.uid}`;
}
