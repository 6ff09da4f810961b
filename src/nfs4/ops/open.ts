// RFC 8881 §18.16: OPEN.
import type { AttributeChanges, ChangeInfo, InodeNumber } from "../../vfs/attributes.ts";
import type { CreateMode } from "../../vfs/file-system.ts";
import { fileName } from "../../vfs/name.ts";
import type { TypeOf } from "../../xdr/codec.ts";
import { attributeChanges, isSettable } from "../attribute-changes.ts";
import { filehandleResultBytes } from "../filehandle.ts";
import { stateLimits } from "../limits.ts";
import { currentInode, type OperationContext, operation, sessionOf } from "../operation.ts";
import { permittedOnFile } from "../permitted.ts";
import { share } from "../state/open.ts";
import { NfsError } from "../status.ts";
import { attributeBitmap, bitsOf, shortest } from "../wire/bitmap.ts";
import {
  type createhow4,
  OPEN4args,
  OPEN4res,
  type open_delegation4,
  open_result4,
  share_access4,
  share_deny4,
} from "../wire/open.ts";
import type { bitmap4 } from "../wire/types.ts";
import { changeInfo } from "./directory-change.ts";
import { stateIdOf } from "./resolve-stateid.ts";

type Args = TypeOf<typeof OPEN4args>;

/** What the opening of a file has found or made. */
interface Opened {
  readonly inode: InodeNumber;
  readonly directory: ChangeInfo;
  readonly attrset: bitmap4;
}

const wishes =
  share_access4.OPEN4_SHARE_ACCESS_WANT_DELEG_MASK |
  share_access4.OPEN4_SHARE_ACCESS_WANT_SIGNAL_DELEG_WHEN_RESRC_AVAIL |
  share_access4.OPEN4_SHARE_ACCESS_WANT_PUSH_DELEG_WHEN_UNCONTENDED;

/**
 * No delegation: the reason when the client has said what it wants, which a server that knows of that must give
 * (RFC 8881 §18.16.3).
 */
function noDelegation(args: Args): open_delegation4 {
  switch (args.share_access & share_access4.OPEN4_SHARE_ACCESS_WANT_DELEG_MASK) {
    case 0:
      return { delegation_type: "OPEN_DELEGATE_NONE" };
    case share_access4.OPEN4_SHARE_ACCESS_WANT_NO_DELEG:
      return {
        delegation_type: "OPEN_DELEGATE_NONE_EXT",
        od_whynone: { ond_why: "WND4_NOT_WANTED" },
      };
    case share_access4.OPEN4_SHARE_ACCESS_WANT_CANCEL:
      return {
        delegation_type: "OPEN_DELEGATE_NONE_EXT",
        od_whynone: { ond_why: "WND4_CANCELLED" },
      };
    default:
      return {
        delegation_type: "OPEN_DELEGATE_NONE_EXT",
        od_whynone: { ond_why: "WND4_RESOURCE", ond_server_will_signal_avail: false },
      };
  }
}

const noChange: ChangeInfo = { before: 0, after: 0 };

/** The share bits of a request; wishes for delegations are not granted. @throws {NfsError} INVAL. */
function shareBits(args: Args): { readonly access: number; readonly deny: number } {
  const access = (args.share_access & ~wishes) >>> 0;
  const deny = args.share_deny;
  if (access === 0 || access > share_access4.OPEN4_SHARE_ACCESS_BOTH) {
    throw new NfsError("NFS4ERR_INVAL", `share_access ${args.share_access}`);
  }
  if (deny > share_deny4.OPEN4_SHARE_DENY_BOTH) {
    throw new NfsError("NFS4ERR_INVAL", `share_deny ${deny}`);
  }
  return { access, deny };
}

function creation(
  how: createhow4,
  minorVersion: 1 | 2,
): { readonly mode: CreateMode; readonly changes: AttributeChanges; readonly attrset: bitmap4 } {
  switch (how.mode) {
    case "UNCHECKED4":
    case "GUARDED4":
      return {
        mode: { kind: how.mode === "GUARDED4" ? "guarded" : "unchecked" },
        changes: attributeChanges(how.createattrs, minorVersion),
        attrset: shortest(how.createattrs.attrmask),
      };
    case "EXCLUSIVE4":
      return {
        mode: { kind: "exclusive", verifier: how.createverf },
        changes: {},
        attrset: [],
      };
    case "EXCLUSIVE4_1":
      // RFC 8881 §18.16.3: every settable attribute is in suppattr_exclcreat, the verifier has a place of its own.
      if (bitsOf(how.ch_createboth.cva_attrs.attrmask).some((number) => !isSettable(number))) {
        throw new NfsError("NFS4ERR_INVAL", "Attribute outside suppattr_exclcreat");
      }
      return {
        mode: { kind: "exclusive", verifier: how.ch_createboth.cva_verf },
        changes: attributeChanges(how.ch_createboth.cva_attrs, minorVersion),
        attrset: shortest(how.ch_createboth.cva_attrs.attrmask),
      };
  }
}

type Bits = ReturnType<typeof shareBits>;

/** @throws {NfsError} DELAY while the client holds more files open than the server's memory allows. */
function requireRoom({ state }: OperationContext, clientId: bigint): void {
  if (state.opens.countOf(clientId) >= stateLimits.opensOfClient) {
    throw new NfsError("NFS4ERR_DELAY", `Client ID ${clientId} has too many files open`);
  }
}

/** RFC 8881 §9.7, §8.4.3: not against the opens there are, those of expired clients excepted. @throws {NfsError} SHARE_DENIED. */
function requireShare(context: OperationContext, inode: InodeNumber, bits: Bits): void {
  const { state } = context;
  const { clientId } = sessionOf(context).record;
  for (;;) {
    const conflict = state.opens.conflict(inode, bits);
    if (conflict === undefined) return;
    if (conflict.clientId === clientId || !state.yieldExpired(conflict.clientId)) {
      throw new NfsError("NFS4ERR_SHARE_DENIED", `Inode ${inode} is open with other denials`);
    }
  }
}

/**
 * Checks that the file may be opened this way. May suspend, so it comes before anything is changed.
 * @throws {NfsError | FsError} SHARE_DENIED, ACCESS, ISDIR, SYMLINK, WRONG_TYPE.
 */
function admit(
  context: OperationContext,
  args: Args,
  inode: InodeNumber,
  bits: Bits,
  isNew: boolean,
): void {
  const { state, fileSystem, call } = context;
  const { clientId } = sessionOf(context).record;
  const own = state.opens.find(clientId, args.owner.owner, inode);
  if (own === undefined) requireRoom(context, clientId);
  if (!isNew) {
    fileSystem.open(call, inode, {
      read: (bits.access & share.read) !== 0,
      write: (bits.access & share.write) !== 0,
    });
  }
  requireShare(context, inode, bits);
}

function openNew(context: OperationContext, args: Args, how: createhow4, bits: Bits): Opened {
  const { fileSystem, call } = context;
  const directory = currentInode(context);
  if (args.claim.claim === "CLAIM_DELEGATE_CUR" || args.claim.claim === "CLAIM_DELEGATE_PREV") {
    return openExisting(context, args, bits);
  }
  if (args.claim.claim !== "CLAIM_NULL") {
    // RFC 8881 §18.16.3: a file is created by its name.
    throw new NfsError("NFS4ERR_INVAL", `OPEN4_CREATE with ${args.claim.claim}`);
  }
  if (how.mode === "EXCLUSIVE4" && sessionOf(context).record.persist) {
    // RFC 8881 §18.16.3, table 18: a persistent session has GUARDED4 for that.
    throw new NfsError("NFS4ERR_INVAL", "EXCLUSIVE4 on a persistent session");
  }
  const { mode, changes, attrset } = creation(how, context.minorVersion);
  // Before anything is made: whose open of a new file it would be is not asked again.
  requireRoom(context, sessionOf(context).record.clientId);
  const made = fileSystem.createFile(call, directory, fileName(args.claim.file), mode, changes);
  if (made.created) {
    admit(context, args, made.inode, bits, true);
    return { inode: made.inode, directory: made.directory, attrset };
  }
  admit(context, args, made.inode, bits, false);
  // RFC 8881 §18.16.3: of an existing file only the size is set, and only to zero.
  if (changes.sizeBytes !== 0) return { ...made, attrset: [] };
  // RFC 8881 §18.30.3: setting the size meets denials as a WRITE does.
  requireShare(context, made.inode, { access: share.write, deny: 0 });
  const opened = (bits.access & share.write) !== 0;
  fileSystem.setAttributes(call, made.inode, { sizeBytes: 0 }, { opened });
  return { ...made, attrset: attributeBitmap("FATTR4_SIZE") };
}

function openExisting(context: OperationContext, args: Args, bits: Bits): Opened {
  const { fileSystem, call } = context;
  const start = currentInode(context);
  switch (args.claim.claim) {
    case "CLAIM_NULL": {
      const inode = fileSystem.lookup(call, start, fileName(args.claim.file));
      const { change } = fileSystem.getAttributes(call, start);
      admit(context, args, inode, bits, false);
      return { inode, directory: { before: change, after: change }, attrset: [] };
    }
    case "CLAIM_FH":
      admit(context, args, start, bits, false);
      return { inode: start, directory: noChange, attrset: [] };
    case "CLAIM_PREVIOUS":
      // RFC 8881 §8.4.2.1: reclaims belong to the grace period.
      throw new NfsError("NFS4ERR_NO_GRACE", "Reclaim outside the grace period");
    case "CLAIM_DELEGATE_CUR":
    case "CLAIM_DELEG_CUR_FH":
      throw new NfsError("NFS4ERR_BAD_STATEID", "No delegation was ever given");
    case "CLAIM_DELEGATE_PREV":
    case "CLAIM_DELEG_PREV_FH":
      throw new NfsError("NFS4ERR_RECLAIM_BAD", "No delegation was ever given");
  }
}

/** RFC 8881 §18.16. Delegations are never given (§10.4). */
export const open = operation({
  name: "OP_OPEN",
  args: OPEN4args,
  result: OPEN4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED ATTRNOTSUPP BADCHAR BADNAME BADOWNER BAD_STATEID DELEG_ALREADY_WANTED",
    "DELEG_REVOKED DQUOT EXIST EXPIRED FBIG GRACE INVAL IO ISDIR NAMETOOLONG NOENT NOSPC NOTDIR NO_GRACE",
    "OLD_STATEID PERM RECLAIM_BAD RECLAIM_CONFLICT ROFS SHARE_DENIED SYMLINK UNSAFE_COMPOUND WRONGSEC",
    "WRONG_TYPE",
  ),
  mutates: true,
  // RFC 8881 §2.10.6.4: with the GETFH that follows.
  resultBytes: 128 + filehandleResultBytes,
  run(args, context) {
    const { state } = context;
    const session = sessionOf(context);
    const { clientId } = session.record;
    currentInode(context);
    const bits = shareBits(args);
    // RFC 8881 §18.51.3: new state only after the client has said that it reclaims nothing more.
    if (!state.clientOf(session).reclaimed && args.claim.claim !== "CLAIM_PREVIOUS") {
      throw new NfsError("NFS4ERR_GRACE", "OPEN before RECLAIM_COMPLETE");
    }
    const { openhow } = args;
    const found =
      openhow.opentype === "OPEN4_CREATE"
        ? openNew(context, args, openhow.how, bits)
        : openExisting(context, args, bits);
    const { inode } = found;
    const { owner } = args.owner;
    const opener = context.principal;
    const record = state.opens.open({ clientId, owner, inode, opener, ...bits });
    const stateId = stateIdOf(record);
    // RFC 8881 §16.2.3.1.2: file and stateid are the current ones.
    context.current = { inode, stateId };
    return {
      status: "NFS4_OK",
      resok4: {
        stateid: stateId,
        cinfo: changeInfo(found.directory),
        rflags:
          open_result4.OPEN4_RESULT_LOCKTYPE_POSIX | open_result4.OPEN4_RESULT_PRESERVE_UNLINKED,
        attrset: found.attrset,
        delegation: noDelegation(args),
      },
    } as const;
  },
});
