// RFC 8881 §18.46: SEQUENCE. The program judges slot and sequence id before the compound is executed.
import type { TypeOf } from "../../xdr/codec.ts";
import { operation } from "../operation.ts";
import { permitted } from "../permitted.ts";
import type { Session } from "../state/session.ts";
import { NfsError } from "../status.ts";
import { SEQUENCE4args, SEQUENCE4res } from "../wire/session.ts";

/** What a SEQUENCE that was accepted says, when it comes again too (RFC 8881 §2.10.6.1.1). */
export function sequenceResult(session: Session, args: SEQUENCE4args): TypeOf<typeof SEQUENCE4res> {
  const highestSlotId = session.slots.length - 1;
  return {
    sr_status: "NFS4_OK",
    sr_resok4: {
      sr_sessionid: args.sa_sessionid,
      sr_sequenceid: args.sa_sequenceid,
      sr_slotid: args.sa_slotid,
      sr_highest_slotid: highestSlotId,
      sr_target_highest_slotid: highestSlotId,
      sr_status_flags: 0,
    },
  };
}

/** SEQUENCE as a row; run only where it does not belong. */
export const sequence = operation({
  name: "OP_SEQUENCE",
  args: SEQUENCE4args,
  result: SEQUENCE4res,
  errors: permitted(
    "BADSESSION BADSLOT BAD_HIGH_SLOT CONN_NOT_BOUND_TO_SESSION SEQUENCE_POS SEQ_FALSE_RETRY SEQ_MISORDERED",
  ),
  run: () => {
    // RFC 8881 §18.46.3, §2.10.2.1: SEQUENCE is the first operation or none.
    throw new NfsError("NFS4ERR_SEQUENCE_POS", "SEQUENCE after the first operation");
  },
});
