// RFC 8881 §18.2, §18.18, §18.38, §18.48: CLOSE, OPEN_DOWNGRADE, FREE_STATEID, TEST_STATEID.
import { currentInode, type OperationContext, operation } from "../operation.ts";
import { permitted, permittedOnFile } from "../permitted.ts";
import { share } from "../state/open.ts";
import { type StateId, specialStateId } from "../state/stateid.ts";
import { NfsError } from "../status.ts";
import {
  CLOSE4args,
  CLOSE4res,
  FREE_STATEID4args,
  FREE_STATEID4res,
  OPEN_DOWNGRADE4args,
  OPEN_DOWNGRADE4res,
  share_access4,
  share_deny4,
  TEST_STATEID4args,
  TEST_STATEID4res,
} from "../wire/open.ts";
import type { nfsstat4 } from "../wire/status.ts";
import { namedOpen, namedState, stateIdOf } from "./resolve-stateid.ts";

/** RFC 8881 §18.2.4: what a stateid is after its CLOSE. */
const closedStateId: StateId = { seqid: 0xffff_ffff, other: new Uint8Array(12) };

/** RFC 8881 §18.2. The locks of the open are released with it. */
export const close = operation({
  name: "OP_CLOSE",
  args: CLOSE4args,
  result: CLOSE4res,
  errors: permittedOnFile("ADMIN_REVOKED BAD_STATEID EXPIRED LOCKS_HELD OLD_STATEID WRONG_CRED"),
  mutates: true,
  run(args, context) {
    const inode = currentInode(context);
    const open = namedOpen(context, args.open_stateid, inode, { isExact: true });
    context.state.closeOpen(open);
    // What the client wrote and was told of; that the open is gone may be lost with the machine, as the open is then.
    if ((open.access & share.write) !== 0) context.requireEarlierSync();
    context.current = { inode, stateId: undefined };
    return { status: "NFS4_OK", open_stateid: closedStateId } as const;
  },
});

/** RFC 8881 §18.18. */
export const openDowngrade = operation({
  name: "OP_OPEN_DOWNGRADE",
  args: OPEN_DOWNGRADE4args,
  result: OPEN_DOWNGRADE4res,
  errors: permittedOnFile("ADMIN_REVOKED BAD_STATEID EXPIRED INVAL OLD_STATEID ROFS WRONG_CRED"),
  mutates: true,
  run(args, context) {
    const inode = currentInode(context);
    const open = namedOpen(context, args.open_stateid, inode, { isExact: true });
    const access = (args.share_access & ~share_access4.OPEN4_SHARE_ACCESS_WANT_DELEG_MASK) >>> 0;
    const deny = args.share_deny;
    // RFC 8881 §18.18.3: what is left of some of the OPENs in effect.
    if (
      access === 0 ||
      access > share_access4.OPEN4_SHARE_ACCESS_BOTH ||
      deny > share_deny4.OPEN4_SHARE_DENY_BOTH ||
      !context.state.opens.canDowngrade(open, { access, deny })
    ) {
      throw new NfsError(
        "NFS4ERR_INVAL",
        `Downgrade of ${open.access}/${open.deny} to ${access}/${deny}`,
      );
    }
    const stateId = stateIdOf(context.state.opens.downgrade(open, { access, deny }));
    context.current = { inode, stateId };
    return { status: "NFS4_OK", resok4: { open_stateid: stateId } } as const;
  },
});

/** RFC 8881 §18.38. Only a lock state without locks can be freed: an open is closed. */
export const freeStateid = operation({
  name: "OP_FREE_STATEID",
  args: FREE_STATEID4args,
  result: FREE_STATEID4res,
  errors: permitted("BAD_STATEID LOCKS_HELD OLD_STATEID WRONG_CRED"),
  mutates: true,
  run(args, context) {
    const { lock } = namedState(context, args.fsa_stateid);
    if (lock === undefined || lock.ranges.length > 0) {
      throw new NfsError("NFS4ERR_LOCKS_HELD", "The stateid is in use");
    }
    context.state.locks.delete(lock);
    return { fsr_status: "NFS4_OK" } as const;
  },
});

function test(context: OperationContext, stateId: StateId): nfsstat4 {
  // RFC 8881 §18.48.3: special stateids are not tested.
  if (specialStateId(stateId) !== undefined) return "NFS4ERR_BAD_STATEID";
  try {
    namedState(context, stateId);
    return "NFS4_OK";
  } catch (error) {
    if (error instanceof NfsError) return error.status;
    throw error;
  }
}

/** RFC 8881 §18.48: each stateid has its own status. */
export const testStateid = operation({
  name: "OP_TEST_STATEID",
  args: TEST_STATEID4args,
  result: TEST_STATEID4res,
  errors: permitted(""),
  run(args, context) {
    const tsr_status_codes = args.ts_stateids.map((stateId) => test(context, stateId));
    return { tsr_status: "NFS4_OK", tsr_resok4: { tsr_status_codes } } as const;
  },
});
