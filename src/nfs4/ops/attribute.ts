// RFC 8881 §18.1, §18.7, §18.15, §18.30, §18.31: ACCESS, GETATTR, NVERIFY, SETATTR, VERIFY.
import type { FileType } from "../../vfs/attributes.ts";
import { attributeChanges } from "../attribute-changes.ts";
import { hasAttributes } from "../compare-attributes.ts";
import { encodeAttributes, planAttributes } from "../encode-attributes.ts";
import { currentInode, type OperationContext, operation } from "../operation.ts";
import { permittedOnFile } from "../permitted.ts";
import { NfsError } from "../status.ts";
import {
  ACCESS4args,
  ACCESS4res,
  access4,
  GETATTR4args,
  GETATTR4res,
  NVERIFY4args,
  NVERIFY4res,
  SETATTR4args,
  SETATTR4res,
  VERIFY4args,
  VERIFY4res,
} from "../wire/attribute-operations.ts";
import { shortest } from "../wire/bitmap.ts";
import type { fattr4 } from "../wire/types.ts";
import { attributeSource } from "./attribute-source.ts";
import { dataAccess, mayUse } from "./resolve-stateid.ts";

const {
  ACCESS4_READ,
  ACCESS4_LOOKUP,
  ACCESS4_MODIFY,
  ACCESS4_EXTEND,
  ACCESS4_DELETE,
  ACCESS4_EXECUTE,
  ACCESS4_XAREAD,
  ACCESS4_XAWRITE,
  ACCESS4_XALIST,
} = access4;

/** RFC 8276 §8.5. */
const xattrBits = ACCESS4_XAREAD | ACCESS4_XAWRITE | ACCESS4_XALIST;

/** Which bits of ACCESS say anything about a type of file. */
function meaningful(type: FileType, minorVersion: 1 | 2): number {
  const xattrs = minorVersion === 2 && (type === "file" || type === "directory") ? xattrBits : 0;
  return type === "directory"
    ? ACCESS4_READ | ACCESS4_LOOKUP | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE | xattrs
    : ACCESS4_READ | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_EXECUTE | xattrs;
}

/** RFC 8881 §18.1. */
export const access = operation({
  name: "OP_ACCESS",
  args: ACCESS4args,
  result: ACCESS4res,
  errors: permittedOnFile("ACCESS INVAL IO"),
  run(args, context) {
    const inode = currentInode(context);
    const { type } = context.fileSystem.getAttributes(context.call, inode);
    const allowed = context.fileSystem.permittedAccess(context.call, inode);
    const supported = args.access & meaningful(type, context.minorVersion);
    const granted =
      (allowed.read ? ACCESS4_READ | ACCESS4_XAREAD | ACCESS4_XALIST : 0) |
      (allowed.write ? ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE | ACCESS4_XAWRITE : 0) |
      (allowed.execute ? ACCESS4_LOOKUP | ACCESS4_EXECUTE : 0);
    return { status: "NFS4_OK", resok4: { supported, access: supported & granted } } as const;
  },
});

/** RFC 8881 §18.7. What is not supported is left out and no error (RFC 8881 §15.1.15.1). */
export const getattr = operation({
  name: "OP_GETATTR",
  args: GETATTR4args,
  result: GETATTR4res,
  errors: permittedOnFile("ACCESS GRACE INVAL IO WRONG_TYPE"),
  run(args, context) {
    const source = attributeSource(context, currentInode(context));
    const plan = planAttributes(args.attr_request, context.minorVersion);
    // The filehandle must name something, whatever is asked for.
    source.attributes();
    const obj_attributes = encodeAttributes(plan, source);
    return { status: "NFS4_OK", resok4: { obj_attributes } } as const;
  },
});

/** RFC 8881 §18.30. */
export const setattr = operation({
  name: "OP_SETATTR",
  args: SETATTR4args,
  result: SETATTR4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED ATTRNOTSUPP BADCHAR BADOWNER BAD_STATEID DELEG_REVOKED DQUOT EXPIRED FBIG GRACE",
    "INVAL IO LOCKED NOSPC OLD_STATEID OPENMODE PERM ROFS UNKNOWN_LAYOUTTYPE WRONG_TYPE",
  ),
  mutates: true,
  // RFC 8881 §18.30.2: the bitmap is there with every status.
  failure: (status) => ({ status, attrsset: [] }),
  run(args, context) {
    const inode = currentInode(context);
    const changes = attributeChanges(args.obj_attributes, context.minorVersion);
    // RFC 8881 §18.30.3: the stateid counts when the size is set.
    const { open } =
      changes.sizeBytes === undefined
        ? { open: undefined }
        : dataAccess(context, args.stateid, inode, "write");
    // RFC 8881 §15.1.2.9: one answer for all that have no size to set.
    if (
      changes.sizeBytes !== undefined &&
      open === undefined &&
      context.fileSystem.getAttributes(context.call, inode).type !== "file"
    ) {
      throw new NfsError("NFS4ERR_WRONG_TYPE", `Inode ${inode} is no regular file`);
    }
    const opened = open !== undefined && mayUse(context, open);
    context.fileSystem.setAttributes(context.call, inode, changes, { opened });
    return { status: "NFS4_OK", attrsset: shortest(args.obj_attributes.attrmask) } as const;
  },
});

function hasWanted(context: OperationContext, wanted: fattr4): boolean {
  const source = attributeSource(context, currentInode(context));
  return hasAttributes(wanted, context.minorVersion, source);
}

/** RFC 8881 §18.31. */
export const verify = operation({
  name: "OP_VERIFY",
  args: VERIFY4args,
  result: VERIFY4res,
  errors: permittedOnFile(
    "ACCESS ATTRNOTSUPP BADCHAR GRACE INVAL IO NOT_SAME UNKNOWN_LAYOUTTYPE WRONG_TYPE",
  ),
  run(args, context) {
    if (!hasWanted(context, args.obj_attributes)) {
      throw new NfsError("NFS4ERR_NOT_SAME", "The attributes differ");
    }
    return { status: "NFS4_OK" } as const;
  },
});

/** RFC 8881 §18.15. */
export const nverify = operation({
  name: "OP_NVERIFY",
  args: NVERIFY4args,
  result: NVERIFY4res,
  errors: permittedOnFile(
    "ACCESS ATTRNOTSUPP BADCHAR GRACE INVAL IO SAME UNKNOWN_LAYOUTTYPE WRONG_TYPE",
  ),
  run(args, context) {
    if (hasWanted(context, args.obj_attributes)) {
      throw new NfsError("NFS4ERR_SAME", "The attributes are the same");
    }
    return { status: "NFS4_OK" } as const;
  },
});
