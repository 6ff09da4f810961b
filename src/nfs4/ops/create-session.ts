// RFC 8881 §18.36: CREATE_SESSION.
import type { TypeOf } from "../../xdr/codec.ts";
import { XdrReader } from "../../xdr/reader.ts";
import { XdrWriter } from "../../xdr/writer.ts";
import { leastSession, sessionLimits } from "../limits.ts";
import { type OperationContext, operation } from "../operation.ts";
import { permitted } from "../permitted.ts";
import { channel } from "../state/channels.ts";
import type { ClientRecord } from "../state/client.ts";
import { NfsError } from "../status.ts";
import {
  CREATE_SESSION4args,
  CREATE_SESSION4res,
  type channel_attrs4,
  create_session4_flag,
} from "../wire/session.ts";
import { requireKnownHandles } from "./session-life.ts";

type Args = TypeOf<typeof CREATE_SESSION4args>;
type Result = TypeOf<typeof CREATE_SESSION4res>;

const { CREATE_SESSION4_FLAG_PERSIST, CREATE_SESSION4_FLAG_CONN_BACK_CHAN } = create_session4_flag;
const knownFlags = 0x7;

/** What is granted of what was asked. @throws {NfsError} TOOSMALL. */
function grant(asked: channel_attrs4): channel_attrs4 {
  const granted = {
    ca_headerpadsize: 0,
    ca_maxrequestsize: Math.min(asked.ca_maxrequestsize, sessionLimits.maxRequestBytes),
    ca_maxresponsesize: Math.min(asked.ca_maxresponsesize, sessionLimits.maxResponseBytes),
    ca_maxresponsesize_cached: Math.min(
      asked.ca_maxresponsesize_cached,
      sessionLimits.maxCachedBytes,
    ),
    ca_maxoperations: Math.min(asked.ca_maxoperations, sessionLimits.maxOperations),
    ca_maxrequests: Math.min(asked.ca_maxrequests, sessionLimits.slots),
    ca_rdma_ird: [],
  };
  // RFC 8881 §18.36.3: limits under which nothing can be done.
  if (
    granted.ca_maxrequestsize < leastSession.maxRequestBytes ||
    granted.ca_maxresponsesize < leastSession.maxResponseBytes ||
    granted.ca_maxoperations < leastSession.maxOperations
  ) {
    throw new NfsError("NFS4ERR_TOOSMALL", "Session too small to work with");
  }
  if (granted.ca_maxrequests === 0) throw new NfsError("NFS4ERR_INVAL", "Session without slots");
  return granted;
}

/** @throws {NfsError} TOOSMALL: a back channel that is offered, and on which nothing could be asked. */
function checkBackChannel(asked: channel_attrs4): void {
  const { ca_maxrequestsize, ca_maxresponsesize, ca_maxoperations } = asked;
  if (ca_maxrequestsize === 0 && ca_maxresponsesize === 0) return;
  if (
    ca_maxrequestsize < leastSession.maxRequestBytes ||
    ca_maxresponsesize < leastSession.maxResponseBytes ||
    ca_maxoperations < leastSession.maxOperations
  ) {
    throw new NfsError("NFS4ERR_TOOSMALL", "Back channel too small to work with");
  }
}

function stored(result: Result): Uint8Array {
  const writer = new XdrWriter();
  CREATE_SESSION4res.encode(writer, result);
  return writer.toBuffer();
}

/** The client record of the request, when the request is a new one. */
function clientFor(args: Args, context: OperationContext): ClientRecord {
  const { clients, leases } = context.state;
  const client = clients.get(args.csa_clientid);
  // RFC 8881 §18.35.4: an unconfirmed record lives for a lease.
  const isGone = client !== undefined && !client.confirmed && leases.isExpired(client.clientId);
  if (client === undefined || isGone) {
    throw new NfsError("NFS4ERR_STALE_CLIENTID", `Unknown client ID ${args.csa_clientid}`);
  }
  return client;
}

/** A request with the next sequence id. @throws {NfsError} CLID_INUSE, INVAL, NOSPC, TOOSMALL: nothing is changed. */
function makeSession(args: Args, context: OperationContext, client: ClientRecord): Result {
  const { state, principal } = context;
  // RFC 8881 §18.36.4, phase 3: whoever made the record confirms it.
  if (!client.confirmed && client.principal !== principal) {
    throw new NfsError("NFS4ERR_CLID_INUSE", `Client ID belongs to ${client.principal}`);
  }
  if ((args.csa_flags & ~knownFlags) !== 0) {
    throw new NfsError("NFS4ERR_INVAL", `Unknown flags ${args.csa_flags}`);
  }
  if (state.sessions.ofClient(client.clientId).length >= sessionLimits.sessionsOfClient) {
    throw new NfsError("NFS4ERR_NOSPC", `Client ID ${client.clientId} has too many sessions`);
  }
  requireKnownHandles(args.csa_sec_parms);
  const fore = grant(args.csa_fore_chan_attrs);
  checkBackChannel(args.csa_back_chan_attrs);
  if (!client.confirmed) {
    // RFC 8881 §18.36.4, phase 3: the client has restarted; its old life ends here.
    const before = state.clients.ofOwner(client.ownerId, true);
    if (before !== undefined) state.dropClient(before);
  }
  const session = state.sessions.create({
    sessionId: context.randomBytes(16),
    clientId: client.clientId,
    maxRequestBytes: fore.ca_maxrequestsize,
    maxResponseBytes: fore.ca_maxresponsesize,
    maxCachedBytes: fore.ca_maxresponsesize_cached,
    maxOperations: fore.ca_maxoperations,
    slots: fore.ca_maxrequests,
    persist: (args.csa_flags & CREATE_SESSION4_FLAG_PERSIST) !== 0,
  });
  // RFC 8881 §2.10.3.1: with the fore channel at once.
  session.channels.associate(context.connection, channel.fore);
  return {
    csr_status: "NFS4_OK",
    csr_resok4: {
      csr_sessionid: session.record.sessionId,
      csr_sequence: args.csa_sequence,
      // No callbacks are ever sent, so that no connection is taken for them.
      csr_flags:
        args.csa_flags & CREATE_SESSION4_FLAG_PERSIST & ~CREATE_SESSION4_FLAG_CONN_BACK_CHAN,
      csr_fore_chan_attrs: fore,
      csr_back_chan_attrs: { ...args.csa_back_chan_attrs, ca_rdma_ird: [] },
    },
  };
}

/** Confirms a client and makes a session for it. */
export const createSession = operation({
  name: "OP_CREATE_SESSION",
  args: CREATE_SESSION4args,
  result: CREATE_SESSION4res,
  errors: permitted(
    "CLID_INUSE INVAL NOENT NOSPC NOT_ONLY_OP SEQ_MISORDERED STALE_CLIENTID TOOSMALL WRONG_CRED",
  ),
  mutates: true,
  standsAlone: true,
  resultBytes: 256,
  run(args, context): Result {
    const { state } = context;
    const client = clientFor(args, context);
    // RFC 8881 §18.36.4, phase 2: a reply cache of one slot for each client ID.
    const isAgain = args.csa_sequence === client.createSequence && client.createReply !== undefined;
    if (isAgain) {
      const reply = CREATE_SESSION4res.decode(new XdrReader(client.createReply));
      if (reply.csr_status === "NFS4_OK") {
        const session = state.sessions.get(reply.csr_resok4.csr_sessionid);
        session?.channels.associate(context.connection, channel.fore);
        return reply;
      }
      // A failure has changed nothing: it fails again, or the client asks for something else.
    } else if (args.csa_sequence !== (client.createSequence + 1) >>> 0) {
      throw new NfsError("NFS4ERR_SEQ_MISORDERED", `csa_sequence ${args.csa_sequence}`);
    }
    const createSequence = args.csa_sequence;
    try {
      const result = makeSession(args, context, client);
      state.clients.put({
        ...client,
        confirmed: true,
        createSequence,
        createReply: stored(result),
      });
      state.leases.renew(client.clientId);
      return result;
    } catch (error) {
      // RFC 8881 §18.36.4, phase 2: the slot has moved on, whatever the later phases say; Linux counts on.
      if (error instanceof NfsError) {
        const createReply = stored({ csr_status: error.status });
        state.clients.put({ ...client, createSequence, createReply });
      }
      throw error;
    }
  },
});
