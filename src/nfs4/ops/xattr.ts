// RFC 8276 §8.4, §8.8: GETXATTR, SETXATTR, LISTXATTRS, REMOVEXATTR.
import { createHash } from "node:crypto";
import type { XattrMode } from "../../vfs/file-system.ts";
import { type XattrName, xattrName } from "../../vfs/name.ts";
import { currentInode, operation } from "../operation.ts";
import { permitted, permittedOnFile } from "../permitted.ts";
import { NfsError } from "../status.ts";
import {
  GETXATTR4args,
  GETXATTR4res,
  LISTXATTRS4args,
  LISTXATTRS4res,
  REMOVEXATTR4args,
  REMOVEXATTR4res,
  SETXATTR4args,
  SETXATTR4res,
  type setxattr_option4,
} from "../wire/xattr.ts";
import { changeInfo } from "./directory-change.ts";

/** RFC 8276 §8.4.1. */
export const getxattr = operation({
  name: "OP_GETXATTR",
  minorVersion: 2,
  args: GETXATTR4args,
  result: GETXATTR4res,
  errors: permittedOnFile("ACCESS INVAL IO NAMETOOLONG NOTSUPP NOXATTR PERM WRONG_TYPE"),
  run(args, context) {
    const inode = currentInode(context);
    const gxr_value = context.fileSystem.getXattr(context.call, inode, xattrName(args.gxa_name));
    return { gxr_status: "NFS4_OK", gxr_value } as const;
  },
});

const modes = {
  SETXATTR4_EITHER: "either",
  SETXATTR4_CREATE: "create",
  SETXATTR4_REPLACE: "replace",
} as const satisfies Record<setxattr_option4, XattrMode>;

/** RFC 8276 §8.4.2. */
export const setxattr = operation({
  name: "OP_SETXATTR",
  minorVersion: 2,
  args: SETXATTR4args,
  result: SETXATTR4res,
  errors: permittedOnFile(
    "ACCESS BADCHAR DQUOT EXIST INVAL IO NAMETOOLONG NOSPC NOTSUPP NOXATTR PERM ROFS",
    "WRONG_TYPE XATTR2BIG",
  ),
  mutates: true,
  run(args, context) {
    const inode = currentInode(context);
    const change = context.fileSystem.setXattr(context.call, inode, {
      name: xattrName(args.sxa_key),
      value: args.sxa_value,
      mode: modes[args.sxa_option],
    });
    return { sxr_status: "NFS4_OK", sxr_info: changeInfo(change) } as const;
  },
});

/**
 * Where a name stands in the list: 48 bits of its digest, so that the names that follow a cookie stay the same when
 * others come and go.
 */
function placeOf(name: XattrName): number {
  return createHash("sha256").update(name).digest().readUIntBE(0, 6) + 1;
}

/** Bytes of LISTXATTRS4resok besides its names: cookie, number of names, eof. */
const listFrameBytes = 8 + 4 + 4;

/** RFC 8276 §8.4.3. */
export const listxattrs = operation({
  name: "OP_LISTXATTRS",
  minorVersion: 2,
  args: LISTXATTRS4args,
  result: LISTXATTRS4res,
  // TOOSMALL is what §8.4.3.3 says of a name that does not fit, though the table of §8.4.5 leaves it out.
  errors: permitted(
    "ACCESS INVAL IO MOVED NAMETOOLONG NOFILEHANDLE NOTSUPP NOXATTR PERM STALE TOOSMALL WRONG_TYPE",
  ),
  run(args, context) {
    const inode = currentInode(context);
    const after = Number(args.lxa_cookie);
    const places = context.fileSystem
      .listXattrs(context.call, inode)
      .map((name) => ({ name, place: placeOf(name) }))
      .filter(({ place }) => place > after)
      .sort((one, other) => one.place - other.place);
    // RFC 8276 §8.4.3.3: maxcount bounds all of LISTXATTRS4resok.
    let leftBytes = Math.min(args.lxa_maxcount, context.roomBytes - 4) - listFrameBytes;
    const lxr_names: Uint8Array[] = [];
    let cookie = args.lxa_cookie;
    for (const { name, place } of places) {
      const bytes = Buffer.from(name);
      leftBytes -= 4 + ((bytes.length + 3) & ~3);
      if (leftBytes < 0) break;
      lxr_names.push(bytes);
      cookie = BigInt(place);
    }
    const lxr_eof = lxr_names.length === places.length;
    if (leftBytes < 0 && lxr_names.length === 0) {
      throw new NfsError("NFS4ERR_TOOSMALL", `No name fits into ${args.lxa_maxcount} bytes`);
    }
    return {
      lxr_status: "NFS4_OK",
      lxr_value: { lxr_cookie: cookie, lxr_names, lxr_eof },
    } as const;
  },
});

/** RFC 8276 §8.4.4. */
export const removexattr = operation({
  name: "OP_REMOVEXATTR",
  minorVersion: 2,
  args: REMOVEXATTR4args,
  result: REMOVEXATTR4res,
  errors: permitted(
    "ACCESS BADCHAR DQUOT EXIST INVAL IO LOCKED MOVED NAMETOOLONG NOFILEHANDLE NOSPC NOTSUPP",
    "NOXATTR OLD_STATEID OPENMODE PERM ROFS STALE WRONG_TYPE",
  ),
  mutates: true,
  run(args, context) {
    const inode = currentInode(context);
    const change = context.fileSystem.removeXattr(context.call, inode, xattrName(args.rxa_name));
    return { rxr_status: "NFS4_OK", rxr_info: changeInfo(change) } as const;
  },
});
