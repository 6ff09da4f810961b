import { XdrError } from "../xdr/error.ts";
import { XdrReader } from "../xdr/reader.ts";
import { type AuthStatus, type Credential, decodeCredential } from "./credential.ts";
import { type RpcRecord, recordMark } from "./record.ts";

const messageType = { CALL: 0, REPLY: 1 } as const;
const replyStatus = { MSG_ACCEPTED: 0, MSG_DENIED: 1 } as const;
const rejectStatus = { RPC_MISMATCH: 0, AUTH_ERROR: 1 } as const;
const authStatus = { AUTH_BADCRED: 1, AUTH_BADVERF: 3 } as const satisfies Record<
  AuthStatus,
  number
>;
const acceptStatus = {
  SUCCESS: 0,
  PROG_UNAVAIL: 1,
  PROG_MISMATCH: 2,
  PROC_UNAVAIL: 3,
  GARBAGE_ARGS: 4,
  SYSTEM_ERR: 5,
} as const;
const rpcVersion = 2;

/** The header of a call (RFC 5531 §9), and the reader at its arguments. */
export interface CallHeader {
  readonly kind: "call";
  readonly xid: number;
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly credential: Credential;
  readonly args: XdrReader;
}

/** A call that is refused before anybody looks at its program. */
export type DeniedCall =
  | { readonly kind: "rpcMismatch"; readonly xid: number }
  | { readonly kind: "authError"; readonly xid: number; readonly status: AuthStatus };

/**
 * Reads the header of a record.
 * @throws {XdrError} when it is no call: the peer does not speak RPC, or answers what nobody asked.
 */
export function decodeCall(record: RpcRecord): CallHeader | DeniedCall {
  const args = new XdrReader(record.chunks);
  const xid = args.u32();
  if (args.u32() !== messageType.CALL) throw new XdrError("malformed", "Record is no call");
  // RFC 5531 §9: the rest of the header is only known for version 2.
  if (args.u32() !== rpcVersion) return { kind: "rpcMismatch", xid };
  const program = args.u32();
  const version = args.u32();
  const procedure = args.u32();
  const credential = decodeCredential(args);
  if (typeof credential === "string") return { kind: "authError", xid, status: credential };
  return { kind: "call", xid, program, version, procedure, credential, args };
}

/** What a reply says before its results. */
export type ReplyHeader =
  | { readonly kind: Exclude<keyof typeof acceptStatus, "PROG_MISMATCH"> }
  | { readonly kind: "PROG_MISMATCH"; readonly version: number }
  | { readonly kind: "RPC_MISMATCH" }
  | { readonly kind: "AUTH_ERROR"; readonly status: AuthStatus };

/** Record mark and header of a reply, for `resultBytes` of results that follow (RFC 5531 §9). The xid is the call's (RFC 8881 §2.10.6.1). */
export function encodeReply(xid: number, reply: ReplyHeader, resultBytes = 0): Buffer {
  const words = [xid, messageType.REPLY, ...bodyOf(reply)];
  const buffer = Buffer.allocUnsafe(4 + words.length * 4);
  buffer.writeUInt32BE(recordMark(words.length * 4 + resultBytes), 0);
  for (const [at, word] of words.entries()) buffer.writeUInt32BE(word, 4 + at * 4);
  return buffer;
}

function bodyOf(reply: ReplyHeader): readonly number[] {
  // The verifier of an accepted reply is AUTH_NONE, without a body.
  const accepted = [replyStatus.MSG_ACCEPTED, 0, 0];
  switch (reply.kind) {
    case "RPC_MISMATCH":
      return [replyStatus.MSG_DENIED, rejectStatus.RPC_MISMATCH, rpcVersion, rpcVersion];
    case "AUTH_ERROR":
      return [replyStatus.MSG_DENIED, rejectStatus.AUTH_ERROR, authStatus[reply.status]];
    case "PROG_MISMATCH":
      return [...accepted, acceptStatus.PROG_MISMATCH, reply.version, reply.version];
    case "SUCCESS":
    case "PROG_UNAVAIL":
    case "PROC_UNAVAIL":
    case "GARBAGE_ARGS":
    case "SYSTEM_ERR":
      return [...accepted, acceptStatus[reply.kind]];
  }
}
