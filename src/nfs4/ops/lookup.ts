// RFC 8881 §18.13, §18.14, §18.24, §18.29, §18.45: LOOKUP, LOOKUPP, READLINK, SECINFO, SECINFO_NO_NAME.
import { authFlavor } from "../../rpc/credential.ts";
import type { InodeNumber } from "../../vfs/attributes.ts";
import { FsError } from "../../vfs/error.ts";
import { type FileName, fileName } from "../../vfs/name.ts";
import { currentInode, type OperationContext, operation } from "../operation.ts";
import { permittedOnFile } from "../permitted.ts";
import { NfsError } from "../status.ts";
import {
  LOOKUP4args,
  LOOKUP4res,
  LOOKUPP4args,
  LOOKUPP4res,
  READLINK4args,
  READLINK4res,
} from "../wire/directory.ts";
import {
  SECINFO_NO_NAME4args,
  SECINFO_NO_NAME4res,
  SECINFO4args,
  SECINFO4res,
} from "../wire/security.ts";

function lookupName(
  context: OperationContext,
  directory: InodeNumber,
  name: FileName,
): InodeNumber {
  const { fileSystem, call } = context;
  try {
    return fileSystem.lookup(call, directory, name);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== "NOTDIR") throw error;
    // RFC 8881 §18.13.3: a symbolic link is told apart from other files.
    const { type } = fileSystem.getAttributes(call, directory);
    if (type === "symlink") throw new NfsError("NFS4ERR_SYMLINK", error.message);
    throw error;
  }
}

/** RFC 8881 §18.13. */
export const lookup = operation({
  name: "OP_LOOKUP",
  args: LOOKUP4args,
  result: LOOKUP4res,
  errors: permittedOnFile(
    "ACCESS BADCHAR BADNAME INVAL IO NAMETOOLONG NOENT NOTDIR SYMLINK WRONGSEC",
  ),
  run(args, context) {
    const inode = lookupName(context, currentInode(context), fileName(args.objname));
    context.current = { inode, stateId: undefined };
    return { status: "NFS4_OK" } as const;
  },
});

/** RFC 8881 §18.14. */
export const lookupp = operation({
  name: "OP_LOOKUPP",
  args: LOOKUPP4args,
  result: LOOKUPP4res,
  errors: permittedOnFile("ACCESS IO NOENT NOTDIR SYMLINK WRONGSEC"),
  run(_args, context) {
    const inode = context.fileSystem.lookupParent(context.call, currentInode(context));
    context.current = { inode, stateId: undefined };
    return { status: "NFS4_OK" } as const;
  },
});

/** RFC 8881 §18.24. */
export const readlink = operation({
  name: "OP_READLINK",
  args: READLINK4args,
  result: READLINK4res,
  errors: permittedOnFile("ACCESS INVAL IO WRONG_TYPE"),
  run(_args, context) {
    const link = context.fileSystem.readLink(context.call, currentInode(context));
    return { status: "NFS4_OK", resok4: { link } } as const;
  },
});

const flavors = [{ flavor: authFlavor.AUTH_SYS }, { flavor: authFlavor.AUTH_NONE }] as const;

/** RFC 8881 §18.29. */
export const secinfo = operation({
  name: "OP_SECINFO",
  args: SECINFO4args,
  result: SECINFO4res,
  errors: permittedOnFile("ACCESS BADCHAR BADNAME INVAL NAMETOOLONG NOENT NOTDIR"),
  run(args, context) {
    context.fileSystem.lookup(context.call, currentInode(context), fileName(args.name));
    // RFC 8881 §2.6.3.1.1.8: the current filehandle is used up.
    context.current = undefined;
    return { status: "NFS4_OK", resok4: flavors } as const;
  },
});

/** RFC 8881 §18.45. */
export const secinfoNoName = operation({
  name: "OP_SECINFO_NO_NAME",
  args: SECINFO_NO_NAME4args,
  result: SECINFO_NO_NAME4res,
  errors: permittedOnFile("ACCESS INVAL NOENT NOTDIR NOTSUPP"),
  run(style, context) {
    const inode = currentInode(context);
    if (style === "SECINFO_STYLE4_PARENT") context.fileSystem.lookupParent(context.call, inode);
    context.current = undefined;
    return { status: "NFS4_OK", resok4: flavors } as const;
  },
});
