import type { XdrReader } from "../xdr/reader.ts";
import type { Credential } from "./credential.ts";

/** The connection of a call, as a program sees it: a stable identity to bind sessions to. */
export interface RpcPeer {
  /** Unique while this process lives. */
  readonly id: number;
  readonly closed: boolean;
  /** Calls `run` once when the connection is gone; at once when it is already. */
  onClose(run: () => void): void;
  /** Ends the connection at once, with what is in progress and unsent on it. The reason is logged. */
  close(reason: string): void;
}

/** One call, its header already checked. */
export interface RpcCall {
  readonly xid: number;
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly credential: Credential;
  /** The arguments: views of the received bytes, valid until the reply is given. */
  readonly args: XdrReader;
  /** Bytes of the whole record, call header included: what RFC 8881 §2.10.6.4 calls the size of a request. */
  readonly recordBytes: number;
  readonly connection: RpcPeer;
}

/** Bytes of a reply before its results: what counts, with the results, against the maximum response size. */
export const replyHeaderBytes = 24;

/** What a program answers. */
export type RpcReply =
  | {
      readonly kind: "success";
      /** The results in XDR, in order; not changed by anybody until `onSent`. */
      readonly results: readonly Uint8Array[];
      /** Called once, when the results are no longer needed: they were sent, or the connection is gone. */
      readonly onSent?: () => void;
    }
  /** PROC_UNAVAIL. */
  | { readonly kind: "procedureUnavailable" }
  /** GARBAGE_ARGS; also when the program throws an XdrError. */
  | { readonly kind: "garbageArguments" }
  /** SYSTEM_ERR; also when the program throws anything else. */
  | { readonly kind: "systemError" }
  /** No reply: the server stops, and its connections end. */
  | { readonly kind: "none" };

/** A remote program: what is behind the connections. */
export interface RpcProgram {
  readonly program: number;
  /** The only version served. */
  readonly version: number;
  /**
   * Answers a call. Calls of a connection come in the order of arrival and do not wait for each other;
   * replies may come in any order. What it throws is logged and answered, see {@link RpcReply}.
   */
  handle(call: RpcCall): Promise<RpcReply> | RpcReply;
}
