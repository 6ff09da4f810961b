import type { InodeNumber } from "../../vfs/attributes.ts";
import { type OperationContext, type Position, sessionOf } from "../operation.ts";
import type { LockRecord } from "../state/lock.ts";
import { type OpenRecord, share } from "../state/open.ts";
import { judgeSeqid, type StateId, type StateKind, specialStateId } from "../state/stateid.ts";
import { NfsError } from "../status.ts";

/** The state that a stateid names: an open, or a lock and the open under it. */
export interface NamedState {
  readonly open: OpenRecord;
  readonly lock: LockRecord | undefined;
}

/** What else is asked of a stateid, or known of it. */
export interface Expected {
  /** The file that it must be of. */
  readonly inode?: InodeNumber;
  /** The kind of state that it must name. */
  readonly kind?: StateKind;
  /** The filehandle that a stateid "current" belongs to, if it is not the current one. */
  readonly position?: Position | undefined;
  /** The state is to be ended or reduced as it was told to the client. */
  readonly isExact?: boolean;
}

/**
 * RFC 8881 §16.2.3.1.2: the special stateid "current" is that of the current filehandle, or of `position`.
 * RFC 8881 §8.2.3: whatever it has become since, unless its exact state is meant.
 */
function effectiveStateId(
  context: OperationContext,
  stateId: StateId,
  { position = context.current, isExact = false }: Expected,
): StateId {
  if (specialStateId(stateId) !== "current") return stateId;
  const current = position?.stateId;
  if (current === undefined) throw new NfsError("NFS4ERR_BAD_STATEID", "No current stateid");
  return isExact ? current : { ...current, seqid: 0 };
}

/**
 * The state that a stateid of this client names, checked in the order of RFC 8881 §8.2.4.
 * @throws {NfsError} BAD_STATEID for special, foreign, unknown, unexpected and future ones, OLD_STATEID for past ones.
 */
export function namedState(
  context: OperationContext,
  stateId: StateId,
  expected: Expected = {},
): NamedState {
  const { other, seqid } = effectiveStateId(context, stateId, expected);
  const found = context.state.find(other);
  if (found === undefined || found.open.clientId !== sessionOf(context).record.clientId) {
    throw new NfsError("NFS4ERR_BAD_STATEID", "Unknown stateid");
  }
  if (expected.inode !== undefined && found.open.inode !== expected.inode) {
    throw new NfsError("NFS4ERR_BAD_STATEID", `Not a stateid of inode ${expected.inode}`);
  }
  const kind = found.lock === undefined ? "open" : "lock";
  if (expected.kind !== undefined && kind !== expected.kind) {
    throw new NfsError("NFS4ERR_BAD_STATEID", `Stateid of an ${kind}, not of an ${expected.kind}`);
  }
  switch (judgeSeqid(seqid, (found.lock ?? found.open).seqid)) {
    case "current":
      return found;
    case "old":
      throw new NfsError("NFS4ERR_OLD_STATEID", `Stateid with the old seqid ${seqid}`);
    case "future":
      throw new NfsError("NFS4ERR_BAD_STATEID", `Stateid with the future seqid ${seqid}`);
  }
}

/** The open that an open stateid for this file names. @throws {NfsError} BAD_STATEID, OLD_STATEID. */
export function namedOpen(
  context: OperationContext,
  stateId: StateId,
  inode: InodeNumber,
  expected: Pick<Expected, "isExact"> = {},
): OpenRecord {
  return namedState(context, stateId, { ...expected, inode, kind: "open" }).open;
}

/** The lock state that a lock stateid for this file names, and its open. @throws {NfsError} BAD_STATEID, OLD_STATEID. */
export function namedLock(
  context: OperationContext,
  stateId: StateId,
  inode: InodeNumber,
): { readonly open: OpenRecord; readonly lock: LockRecord } {
  const { open, lock } = namedState(context, stateId, { inode, kind: "lock" });
  if (lock === undefined) throw new NfsError("NFS4ERR_BAD_STATEID", "Not a lock stateid");
  return { open, lock };
}

/** Under what a request uses a file's data: an open for it, or nothing but the caller's permissions. */
export type DataAccess = { readonly open: OpenRecord } | { readonly open: undefined };

/**
 * RFC 8881 §8.4.3: denials of clients that are gone give way.
 * @throws {NfsError} LOCKED when an open, other than `own`, denies the use (RFC 8881 §9.1.2).
 */
function requireUndenied(
  context: OperationContext,
  inode: InodeNumber,
  bit: number,
  own?: OpenRecord,
): void {
  const { state } = context;
  const { clientId } = sessionOf(context).record;
  for (const open of state.opens.ofFile(inode)) {
    if (open === own || (open.deny & bit) === 0) continue;
    if (open.clientId === clientId || !state.yieldExpired(open.clientId)) {
      throw new NfsError("NFS4ERR_LOCKED", `Inode ${inode} is open with such a use denied`);
    }
  }
}

/**
 * Checks that a stateid allows to read or write the data of a file (RFC 8881 §8.2.4, §9.1.2).
 * With a special stateid the caller's own permissions are still to be checked.
 * @throws {NfsError} BAD_STATEID, OLD_STATEID, OPENMODE, LOCKED.
 */
export function dataAccess(
  context: OperationContext,
  stateId: StateId,
  inode: InodeNumber,
  use: "read" | "write",
  position?: Position,
): DataAccess {
  const bit = share[use];
  const special = specialStateId(stateId);
  if (special === "anonymous" || special === "bypass") {
    // RFC 8881 §9.1.2, §18.32.3: denials hold for whoever has no open; READ bypass passes over them, for READ only.
    if (special === "anonymous" || use === "write") requireUndenied(context, inode, bit);
    return { open: undefined };
  }
  const { open } = namedState(context, stateId, { inode, position });
  if ((open.access & bit) !== 0) return { open };
  // RFC 8881 §9.1.2: a client may read the rest of a block it writes; then by the caller's permissions.
  if (use === "read" && context.fileSystem.permittedAccess(context.call, inode).read) {
    requireUndenied(context, inode, bit, open);
    return { open };
  }
  throw new NfsError("NFS4ERR_OPENMODE", `Inode ${inode} is not open for ${use}`);
}

/**
 * Whether an open is as good as the caller's own permissions. RFC 8881 §18.16.4: others than its opener may use it, and each
 * of their requests is checked; the opener's rights are those of the OPEN, as POSIX has it.
 */
export function mayUse(context: OperationContext, { opener }: OpenRecord): boolean {
  return opener === undefined || opener === context.principal;
}

/**
 * As {@link dataAccess}, with the permissions of the caller where there is no open of its own.
 * @throws {NfsError | FsError} BAD_STATEID, OLD_STATEID, OPENMODE, LOCKED, ACCESS.
 */
export function requireDataAccess(
  context: OperationContext,
  stateId: StateId,
  inode: InodeNumber,
  use: "read" | "write",
): void {
  const { open } = dataAccess(context, stateId, inode, use);
  if (open === undefined || !mayUse(context, open)) requireOwnAccess(context, inode, use);
}

/**
 * As {@link requireDataAccess} for operations that Linux sends under whoever asks, and not under who opened the file: for
 * them every open is as good as the caller's own. `position` is the filehandle that a stateid "current" belongs to, if it is
 * not the current one.
 * @throws {NfsError | FsError} BAD_STATEID, OLD_STATEID, OPENMODE, LOCKED, ACCESS.
 */
export function requireFileAccess(
  context: OperationContext,
  stateId: StateId,
  inode: InodeNumber,
  use: "read" | "write",
  position?: Position,
): void {
  const { open } = dataAccess(context, stateId, inode, use, position);
  if (open === undefined) requireOwnAccess(context, inode, use);
}

/** @throws {FsError} ACCESS. */
function requireOwnAccess(
  context: OperationContext,
  inode: InodeNumber,
  use: "read" | "write",
): void {
  const access = { read: use === "read", write: use === "write", execute: false };
  context.fileSystem.requireAccess(context.call, inode, access);
}

/** The stateid4 of a state. */
export function stateIdOf(state: OpenRecord | LockRecord): StateId {
  return { seqid: state.seqid, other: state.other };
}
