// RFC 8881 §18.33, §18.34, §18.37, §18.50, §18.51: the life of sessions and client IDs after their creation.
import { operation, sessionOf } from "../operation.ts";
import { permitted, permittedOnFile } from "../permitted.ts";
import { NfsError } from "../status.ts";
import type { callback_sec_parms4 } from "../wire/security.ts";
import {
  BACKCHANNEL_CTL4args,
  BACKCHANNEL_CTL4res,
  BIND_CONN_TO_SESSION4args,
  BIND_CONN_TO_SESSION4res,
  channel_dir_from_server4,
  DESTROY_CLIENTID4args,
  DESTROY_CLIENTID4res,
  DESTROY_SESSION4args,
  DESTROY_SESSION4res,
  RECLAIM_COMPLETE4args,
  RECLAIM_COMPLETE4res,
} from "../wire/session.ts";

/**
 * RFC 8881 §18.33.3, §18.36.3: a handle of RPCSEC_GSS is one that the server knows, and it knows none.
 * @throws {NfsError} NOENT.
 */
export function requireKnownHandles(parameters: readonly callback_sec_parms4[]): void {
  if (parameters.some((each) => each.cb_secflavor === 6)) {
    throw new NfsError("NFS4ERR_NOENT", "Unknown handle of RPCSEC_GSS");
  }
}

/** RFC 8881 §18.33. No callbacks are sent, so there is nothing to set. */
export const backchannelCtl = operation({
  name: "OP_BACKCHANNEL_CTL",
  args: BACKCHANNEL_CTL4args,
  result: BACKCHANNEL_CTL4res,
  errors: permitted("INVAL NOENT"),
  mutates: true,
  run(args) {
    requireKnownHandles(args.bca_sec_parms);
    return { bcr_status: "NFS4_OK" } as const;
  },
});

/** What each wish asks for, and what else it is content with (RFC 8881 §18.34.3); the first choice first. */
const choices = {
  CDFC4_FORE: ["CDFS4_FORE"],
  CDFC4_BACK: ["CDFS4_BACK"],
  CDFC4_FORE_OR_BOTH: ["CDFS4_FORE", "CDFS4_BOTH"],
  CDFC4_BACK_OR_BOTH: ["CDFS4_BOTH", "CDFS4_BACK"],
} as const;

/** RFC 8881 §18.34. Every connection may carry every session (SP4_NONE); no callback is ever sent on one. */
export const bindConnToSession = operation({
  name: "OP_BIND_CONN_TO_SESSION",
  args: BIND_CONN_TO_SESSION4args,
  result: BIND_CONN_TO_SESSION4res,
  errors: permitted("BADSESSION BAD_SESSION_DIGEST INVAL NOT_ONLY_OP"),
  standsAlone: true,
  run(args, context) {
    // RFC 8881 §18.34.3: never after SEQUENCE.
    if (context.session !== undefined) {
      throw new NfsError("NFS4ERR_NOT_ONLY_OP", "BIND_CONN_TO_SESSION after SEQUENCE");
    }
    const session = context.state.sessions.get(args.bctsa_sessid);
    if (session === undefined) throw new NfsError("NFS4ERR_BADSESSION", "Unknown session");
    const { channels } = session;
    const [wanted] = choices[args.bctsa_dir];
    channels.associate(context.connection, channel_dir_from_server4.numberOf(wanted));
    const direction = channel_dir_from_server4.nameOf(channels.of(context.connection));
    // RFC 8881 §18.34.3: an association stays what it is.
    const isWanted = choices[args.bctsa_dir].some((choice) => choice === direction);
    if (direction === undefined || !isWanted) {
      throw new NfsError("NFS4ERR_INVAL", `Connection carries ${direction} already`);
    }
    return {
      bctsr_status: "NFS4_OK",
      bctsr_resok4: {
        bctsr_sessid: args.bctsa_sessid,
        bctsr_dir: direction,
        bctsr_use_conn_in_rdma_mode: false,
      },
    } as const;
  },
});

/** RFC 8881 §18.37. */
export const destroySession = operation({
  name: "OP_DESTROY_SESSION",
  args: DESTROY_SESSION4args,
  result: DESTROY_SESSION4res,
  errors: permitted(
    "BACK_CHAN_BUSY BADSESSION CB_PATH_DOWN CONN_NOT_BOUND_TO_SESSION NOT_ONLY_OP STALE_CLIENTID WRONG_CRED",
  ),
  mutates: true,
  standsAlone: true,
  run(args, context) {
    const session = context.state.sessions.get(args.dsa_sessionid);
    if (session === undefined) throw new NfsError("NFS4ERR_BADSESSION", "Unknown session");
    const { channels } = session;
    // RFC 8881 §18.37.3: by one of the session's own connections. When it has none any more, SP4_NONE lets any in.
    if (!channels.isEmpty && channels.of(context.connection) === 0) {
      throw new NfsError("NFS4ERR_CONN_NOT_BOUND_TO_SESSION", "Not a connection of the session");
    }
    // RFC 8881 §18.37.3: on the session's own slot it is the last operation.
    if (session === context.session && !context.isLast) {
      throw new NfsError("NFS4ERR_NOT_ONLY_OP", "Operations after the end of the session");
    }
    context.state.sessions.destroy(session);
    return { dsr_status: "NFS4_OK" } as const;
  },
});

/** RFC 8881 §18.50. */
export const destroyClientid = operation({
  name: "OP_DESTROY_CLIENTID",
  args: DESTROY_CLIENTID4args,
  result: DESTROY_CLIENTID4res,
  errors: permitted("CLIENTID_BUSY NOT_ONLY_OP STALE_CLIENTID WRONG_CRED"),
  mutates: true,
  standsAlone: true,
  run(args, context) {
    const { state } = context;
    const client = state.clients.get(args.dca_clientid);
    if (client === undefined) {
      throw new NfsError("NFS4ERR_STALE_CLIENTID", `Unknown client ID ${args.dca_clientid}`);
    }
    // RFC 8881 §18.50.3: not while sessions or state hang on it.
    if (
      state.sessions.ofClient(client.clientId).length > 0 ||
      (state.opens.ofClient(client.clientId).length > 0 && !state.leases.isExpired(client.clientId))
    ) {
      throw new NfsError("NFS4ERR_CLIENTID_BUSY", `Client ID ${client.clientId} is in use`);
    }
    state.dropClient(client);
    return { dcr_status: "NFS4_OK" } as const;
  },
});

/** RFC 8881 §18.51. */
export const reclaimComplete = operation({
  name: "OP_RECLAIM_COMPLETE",
  args: RECLAIM_COMPLETE4args,
  result: RECLAIM_COMPLETE4res,
  errors: permittedOnFile("COMPLETE_ALREADY INVAL WRONG_CRED WRONG_TYPE"),
  mutates: true,
  run(args, context) {
    const client = context.state.clientOf(sessionOf(context));
    if (args.rca_one_fs) {
      if (context.current === undefined) {
        throw new NfsError("NFS4ERR_NOFILEHANDLE", "No current filehandle");
      }
      return { rcr_status: "NFS4_OK" } as const;
    }
    if (client.reclaimed) {
      throw new NfsError("NFS4ERR_COMPLETE_ALREADY", "RECLAIM_COMPLETE was sent before");
    }
    context.state.clients.put({ ...client, reclaimed: true });
    return { rcr_status: "NFS4_OK" } as const;
  },
});
