// RFC 8881 §18.10 to §18.12: LOCK, LOCKT, LOCKU.
import type { InodeNumber } from "../../vfs/attributes.ts";
import { stateLimits } from "../limits.ts";
import { currentInode, type OperationContext, operation, sessionOf } from "../operation.ts";
import { permittedOnFile } from "../permitted.ts";
import { add, type ByteRange, byteRange, endOfRange, subtract } from "../state/byte-range.ts";
import type { LockOwner, LockRecord } from "../state/lock.ts";
import { type OpenRecord, share } from "../state/open.ts";
import { NfsError } from "../status.ts";
import {
  LOCK4args,
  type LOCK4denied,
  LOCK4res,
  LOCKT4args,
  LOCKT4res,
  LOCKU4args,
  LOCKU4res,
  type nfs_lock_type4,
} from "../wire/lock.ts";
import { regularFile } from "./regular-file.ts";
import { namedLock, namedOpen, stateIdOf } from "./resolve-stateid.ts";

const isWrite = (type: nfs_lock_type4) => type === "WRITE_LT" || type === "WRITEW_LT";

/** @throws {NfsError} INVAL: RFC 8881 §18.10.3, a length of zero or a range past the greatest offset. */
function rangeOf(args: {
  readonly offset: bigint;
  readonly length: bigint;
  readonly locktype: nfs_lock_type4;
}): ByteRange {
  const range = byteRange(args.offset, args.length, isWrite(args.locktype));
  if (range === undefined) {
    throw new NfsError("NFS4ERR_INVAL", `Range ${args.offset}+${args.length}`);
  }
  return range;
}

function denial(record: LockRecord, range: ByteRange): LOCK4denied {
  const toEnd = range.last === endOfRange;
  return {
    offset: range.first,
    length: toEnd ? endOfRange : range.last - range.first + 1n,
    locktype: range.write ? "WRITE_LT" : "READ_LT",
    owner: { clientid: record.clientId, owner: record.owner },
  };
}

/** @throws {NfsError} DENIED with the lock in the way. */
function requireFree(
  context: OperationContext,
  owner: LockOwner,
  inode: InodeNumber,
  range: ByteRange,
): void {
  const { state } = context;
  for (;;) {
    const conflict = state.locks.conflict(owner, inode, range);
    if (conflict === undefined) return;
    const { clientId } = conflict.record;
    if (clientId !== owner.clientId && state.yieldExpired(clientId)) continue;
    const denied = denial(conflict.record, conflict.range);
    throw new NfsError("NFS4ERR_DENIED", `Inode ${inode} is locked`, {
      status: "NFS4ERR_DENIED",
      denied,
    });
  }
}

/** Who locks, under which open, and the lock state that is there already. */
interface Locker {
  readonly open: OpenRecord;
  readonly owner: LockOwner;
  readonly lock: LockRecord | undefined;
}

type LockerArgs = Parameters<typeof LOCK4args.encode>[1]["locker"];

function lockerOf(context: OperationContext, locker: LockerArgs, inode: InodeNumber): Locker {
  const { state } = context;
  if (locker.new_lock_owner) {
    const { open_stateid, lock_owner } = locker.open_owner;
    const open = namedOpen(context, open_stateid, inode);
    const owner = { clientId: open.clientId, owner: lock_owner.owner };
    return { open, owner, lock: state.locks.find(owner, open) };
  }
  const { open, lock } = namedLock(context, locker.lock_owner.lock_stateid, inode);
  return { open, owner: lock, lock };
}

/** @throws {NfsError} DELAY while the client has more lock states than the server's memory allows. */
function requireRoom({ state }: OperationContext, { clientId }: LockOwner): void {
  if (state.locks.countOf(clientId) >= stateLimits.locksOfClient) {
    throw new NfsError("NFS4ERR_DELAY", `Client ID ${clientId} has too many locks`);
  }
}

/**
 * @throws {NfsError} DELAY when the owner's locks on the file, of which `ranges` are to be those of `record`, have too many
 * pieces; a lock that joins them goes through.
 */
function requireFewPieces(
  { state }: OperationContext,
  record: LockRecord,
  cut: ByteRange,
  ranges: readonly ByteRange[],
): void {
  const others = state.locks.siblings(record).map((each) => subtract(each.ranges, cut));
  if ([ranges, ...others].some(({ length }) => length > stateLimits.rangesOfLock)) {
    throw new NfsError("NFS4ERR_DELAY", `Too many ranges of inode ${record.inode} are locked`);
  }
}

/** RFC 8881 §18.10. Never waits: a client that wants to asks again. */
export const lock = operation({
  name: "OP_LOCK",
  args: LOCK4args,
  result: LOCK4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED BAD_RANGE BAD_STATEID DEADLOCK DENIED EXPIRED GRACE INVAL ISDIR LOCK_NOTSUPP",
    "LOCK_RANGE NO_GRACE OLD_STATEID OPENMODE RECLAIM_BAD RECLAIM_CONFLICT ROFS SYMLINK WRONG_CRED WRONG_TYPE",
  ),
  mutates: true,
  resultBytes: 1200,
  run(args, context) {
    const { state } = context;
    const inode = currentInode(context);
    regularFile(context, inode);
    const range = rangeOf(args);
    // RFC 8881 §8.4.2.1: reclaims belong to the grace period.
    if (args.reclaim) throw new NfsError("NFS4ERR_NO_GRACE", "Reclaim outside the grace period");
    const locker = lockerOf(context, args.locker, inode);
    // RFC 8881 §18.10.4: a lock needs the open's access of its kind.
    if ((locker.open.access & (range.write ? share.write : share.read)) === 0) {
      throw new NfsError("NFS4ERR_OPENMODE", `Inode ${inode} is not open for this lock`);
    }
    requireFree(context, locker.owner, inode, range);
    if (locker.lock === undefined) requireRoom(context, locker.owner);
    else requireFewPieces(context, locker.lock, range, add(locker.lock.ranges, range));
    const record = state.locks.lock(
      locker.lock ?? state.locks.create(locker.open, locker.owner),
      range,
    );
    const lock_stateid = stateIdOf(record);
    context.current = { inode, stateId: lock_stateid };
    return { status: "NFS4_OK", resok4: { lock_stateid } } as const;
  },
});

/** RFC 8881 §18.11. */
export const lockt = operation({
  name: "OP_LOCKT",
  args: LOCKT4args,
  result: LOCKT4res,
  errors: permittedOnFile(
    "ACCESS BAD_RANGE DENIED GRACE INVAL ISDIR LOCK_RANGE ROFS SYMLINK WRONG_CRED WRONG_TYPE",
  ),
  run(args, context) {
    const inode = currentInode(context);
    regularFile(context, inode);
    const range = rangeOf(args);
    // RFC 8881 §18.11.3: the owner's client is the session's.
    const { clientId } = sessionOf(context).record;
    requireFree(context, { clientId, owner: args.owner.owner }, inode, range);
    return { status: "NFS4_OK" } as const;
  },
});

/** RFC 8881 §18.12. */
export const locku = operation({
  name: "OP_LOCKU",
  args: LOCKU4args,
  result: LOCKU4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED BAD_RANGE BAD_STATEID EXPIRED INVAL LOCK_RANGE OLD_STATEID WRONG_CRED",
  ),
  mutates: true,
  run(args, context) {
    const inode = currentInode(context);
    const range = rangeOf(args);
    const { lock: held } = namedLock(context, args.lock_stateid, inode);
    requireFewPieces(context, held, range, subtract(held.ranges, range));
    const lock_stateid = stateIdOf(context.state.locks.unlock(held, range));
    context.current = { inode, stateId: lock_stateid };
    return { status: "NFS4_OK", lock_stateid } as const;
  },
});
