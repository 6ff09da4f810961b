import { XdrError } from "../xdr/error.ts";
import { XdrReader } from "../xdr/reader.ts";
import { authsys_parms } from "./auth-sys.ts";

/** Numbers of the flavors that are named here (RFC 5531 §8.2). */
export const authFlavor = { AUTH_NONE: 0, AUTH_SYS: 1 } as const;

/** Who calls: nobody in particular, or whom the client's machine names. */
export type Credential =
  | { readonly flavor: "AUTH_NONE" }
  | ({ readonly flavor: "AUTH_SYS" } & authsys_parms);

/** Why a credential was refused: `enum auth_stat` of RFC 5531. */
export type AuthStatus = "AUTH_BADCRED" | "AUTH_BADVERF";

const anonymous: Credential = { flavor: "AUTH_NONE" };
const maxBodyBytes = 400;

/** Credentials by their bytes: a client's machine sends the same few with every call. */
const known = new Map<string, Credential>();
const keptCredentials = 500;

/**
 * Reads a credential and its verifier.
 * @throws {XdrError} when the bytes are no `opaque_auth` at all, so that nothing after them can be read.
 */
export function decodeCredential(reader: XdrReader): Credential | AuthStatus {
  const flavor = reader.u32();
  const body = reader.opaque(maxBodyBytes);
  const verifierFlavor = reader.u32();
  reader.opaque(maxBodyBytes);
  const credential = credentialOf(flavor, body);
  // RFC 5531 §8.2: the verifier that goes with both flavors is AUTH_NONE.
  if (typeof credential !== "string" && verifierFlavor !== authFlavor.AUTH_NONE) {
    return "AUTH_BADVERF";
  }
  return credential;
}

function credentialOf(flavor: number, body: Uint8Array): Credential | AuthStatus {
  // RFC 5531 §10: always there.
  if (flavor === authFlavor.AUTH_NONE) return anonymous;
  // RFC 9289 §4.1: a server without TLS answers the AUTH_TLS probe like any flavor that it does not know.
  if (flavor !== authFlavor.AUTH_SYS) return "AUTH_BADCRED";
  const key = Buffer.from(body.buffer, body.byteOffset, body.length).toString("latin1");
  const same = known.get(key);
  if (same !== undefined) return same;
  try {
    const reader = new XdrReader(body);
    const parameters = authsys_parms.decode(reader);
    reader.end();
    const credential: Credential = { flavor: "AUTH_SYS", ...parameters };
    if (known.size >= keptCredentials) known.clear();
    known.set(key, credential);
    return credential;
  } catch (error) {
    if (error instanceof XdrError) return "AUTH_BADCRED";
    throw error;
  }
}
