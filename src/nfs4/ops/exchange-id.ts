// RFC 8881 §18.35: EXCHANGE_ID.
import type { TypeOf } from "../../xdr/codec.ts";
import { type OperationContext, operation } from "../operation.ts";
import { permitted } from "../permitted.ts";
import type { ClientRecord } from "../state/client.ts";
import { NfsError } from "../status.ts";
import { EXCHANGE_ID4args, EXCHANGE_ID4res, exchgid4_flag } from "../wire/session.ts";

type Args = TypeOf<typeof EXCHANGE_ID4args>;

const {
  EXCHGID4_FLAG_SUPP_MOVED_REFER,
  EXCHGID4_FLAG_SUPP_MOVED_MIGR,
  EXCHGID4_FLAG_SUPP_FENCE_OPS,
  EXCHGID4_FLAG_BIND_PRINC_STATEID,
  EXCHGID4_FLAG_MASK_PNFS,
  EXCHGID4_FLAG_UPD_CONFIRMED_REC_A,
  EXCHGID4_FLAG_USE_NON_PNFS,
  EXCHGID4_FLAG_CONFIRMED_R,
} = exchgid4_flag;

const knownFlags =
  EXCHGID4_FLAG_SUPP_MOVED_REFER |
  EXCHGID4_FLAG_SUPP_MOVED_MIGR |
  EXCHGID4_FLAG_SUPP_FENCE_OPS |
  EXCHGID4_FLAG_BIND_PRINC_STATEID |
  EXCHGID4_FLAG_MASK_PNFS |
  EXCHGID4_FLAG_UPD_CONFIRMED_REC_A;

const equal = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

/** Whether anything hangs on a client that somebody else must not take away (RFC 8881 §2.4.3). */
function isInUse(context: OperationContext, client: ClientRecord): boolean {
  const { state } = context;
  return (
    !state.leases.isExpired(client.clientId) &&
    (state.sessions.ofClient(client.clientId).length > 0 ||
      state.opens.ofClient(client.clientId).length > 0)
  );
}

/** The record that answers the request: the cases of RFC 8881 §18.35.4, by their numbers. */
function recordFor(context: OperationContext, args: Args): ClientRecord {
  const { state, principal } = context;
  const { co_ownerid: ownerId, co_verifier: verifier } = args.eia_clientowner;
  const confirmed = state.clients.ofOwner(ownerId, true);
  const isUpdate = (args.eia_flags & EXCHGID4_FLAG_UPD_CONFIRMED_REC_A) !== 0;
  if (isUpdate) {
    // RFC 8881 §18.35.4, case 7: an update of nothing.
    if (confirmed === undefined) throw new NfsError("NFS4ERR_NOENT", "No record to update");
    // RFC 8881 §18.35.4, case 8: an update by an earlier life of the client.
    if (!equal(confirmed.verifier, verifier)) {
      throw new NfsError("NFS4ERR_NOT_SAME", "Update with another verifier");
    }
    // RFC 8881 §18.35.4, case 9: an update by somebody else.
    if (confirmed.principal !== principal) {
      throw new NfsError("NFS4ERR_PERM", "Update by another principal");
    }
    // RFC 8881 §18.35.4, case 6: nothing of the record can change here.
    return confirmed;
  }
  if (confirmed !== undefined) {
    if (confirmed.principal !== principal) {
      // RFC 8881 §18.35.4, case 3: two clients with one owner.
      if (isInUse(context, confirmed)) {
        throw new NfsError("NFS4ERR_CLID_INUSE", `Owner is in use by ${confirmed.principal}`);
      }
      state.dropClient(confirmed);
    } else if (equal(confirmed.verifier, verifier)) {
      // RFC 8881 §18.35.4, §2.10.5: case 2, the client asks again, perhaps on another connection.
      return confirmed;
    }
    // RFC 8881 §18.35.4, case 5: the client has restarted; the old record goes when the new one is confirmed.
  }
  // RFC 8881 §18.35.4, case 4: an unconfirmed record is replaced.
  const unconfirmed = state.clients.ofOwner(ownerId, false);
  if (unconfirmed !== undefined) state.dropClient(unconfirmed);
  if (!state.hasRoomForClient) throw new NfsError("NFS4ERR_DELAY", "Too many clients");
  // RFC 8881 §18.35.4, case 1: a new owner.
  return state.clients.create({ ownerId, verifier, principal });
}

/** Makes or finds a client ID. */
export const exchangeId = operation({
  name: "OP_EXCHANGE_ID",
  args: EXCHANGE_ID4args,
  result: EXCHANGE_ID4res,
  // PERM is case 9 of §18.35.4, though the table of §15.2 leaves it out.
  errors: permitted(
    "BADCHAR CLID_INUSE ENCR_ALG_UNSUPP HASH_ALG_UNSUPP INVAL NOENT NOT_ONLY_OP NOT_SAME PERM",
  ),
  mutates: true,
  standsAlone: true,
  resultBytes: 512,
  run(args, context): TypeOf<typeof EXCHANGE_ID4res> {
    if ((args.eia_flags & ~knownFlags) !== 0) {
      throw new NfsError("NFS4ERR_INVAL", `Unknown flags ${args.eia_flags}`);
    }
    switch (args.eia_state_protect.spa_how) {
      case "SP4_NONE":
        break;
      case "SP4_MACH_CRED":
        // RFC 8881 §2.10.8.3: machine credentials need RPCSEC_GSS.
        throw new NfsError("NFS4ERR_INVAL", "SP4_MACH_CRED without RPCSEC_GSS");
      case "SP4_SSV": {
        // RFC 8881 §18.35.3: something to choose from, and a window.
        const { ssp_hash_algs, ssp_encr_algs, ssp_window } = args.eia_state_protect.spa_ssv_parms;
        if (ssp_hash_algs.length === 0 || ssp_encr_algs.length === 0 || ssp_window === 0) {
          throw new NfsError("NFS4ERR_INVAL", "SP4_SSV without algorithms or window");
        }
        throw new NfsError("NFS4ERR_ENCR_ALG_UNSUPP", "SP4_SSV is not supported");
      }
    }
    const { state, identity } = context;
    state.sweep();
    const client = recordFor(context, args);
    state.leases.renew(client.clientId);
    return {
      eir_status: "NFS4_OK",
      eir_resok4: {
        eir_clientid: client.clientId,
        eir_sequenceid: (client.createSequence + 1) >>> 0,
        eir_flags:
          (EXCHGID4_FLAG_USE_NON_PNFS | (client.confirmed ? EXCHGID4_FLAG_CONFIRMED_R : 0)) >>> 0,
        eir_state_protect: { spr_how: "SP4_NONE" },
        eir_server_owner: { so_minor_id: 0n, so_major_id: identity.majorId },
        eir_server_scope: identity.scope,
        eir_server_impl_id: [],
      },
    };
  },
});
