// RFC 8881 §18.4, §18.9, §18.25, §18.26: CREATE, LINK, REMOVE, RENAME.
import type { ChangeInfo, Device } from "../../vfs/attributes.ts";
import { fileName } from "../../vfs/name.ts";
import type { TypeOf } from "../../xdr/codec.ts";
import { attributeChanges } from "../attribute-changes.ts";
import { filehandleResultBytes } from "../filehandle.ts";
import { currentInode, operation, savedInode } from "../operation.ts";
import { permittedOnFile } from "../permitted.ts";
import { NfsError } from "../status.ts";
import { shortest } from "../wire/bitmap.ts";
import {
  CREATE4args,
  CREATE4res,
  LINK4args,
  LINK4res,
  REMOVE4args,
  REMOVE4res,
  RENAME4args,
  RENAME4res,
} from "../wire/directory.ts";
import type { change_info4, specdata4 } from "../wire/types.ts";

/** The change_info4 of a change, always atomic (RFC 8881 §3.3.5). */
export function changeInfo({ before, after }: ChangeInfo): change_info4 {
  return { atomic: true, before: BigInt(before), after: BigInt(after) };
}

const deviceOf = ({ specdata1, specdata2 }: TypeOf<typeof specdata4>): Device => ({
  major: specdata1,
  minor: specdata2,
});

/** RFC 8881 §18.4, §18.29.4. */
export const create = operation({
  name: "OP_CREATE",
  args: CREATE4args,
  result: CREATE4res,
  errors: permittedOnFile(
    "ACCESS ATTRNOTSUPP BADCHAR BADNAME BADOWNER BADTYPE DQUOT EXIST INVAL IO MLINK NAMETOOLONG NOSPC",
    "NOTDIR PERM ROFS UNSAFE_COMPOUND",
  ),
  mutates: true,
  // RFC 8881 §2.10.6.4: with the GETFH that follows.
  resultBytes: 128 + filehandleResultBytes,
  run(args, context) {
    const directory = currentInode(context);
    const { objtype } = args;
    const name = fileName(args.objname);
    const changes = attributeChanges(args.createattrs, context.minorVersion);
    const nodeOf = () => {
      switch (objtype.type) {
        case "NF4DIR":
          return { type: "directory" } as const;
        case "NF4FIFO":
          return { type: "fifo" } as const;
        case "NF4SOCK":
          return { type: "socket" } as const;
        case "NF4LNK":
          return { type: "symlink", target: objtype.linkdata } as const;
        case "NF4BLK":
          return { type: "blockDevice", device: deviceOf(objtype.devdata) } as const;
        case "NF4CHR":
          return { type: "characterDevice", device: deviceOf(objtype.devdata) } as const;
        case "NF4REG":
        case "NF4ATTRDIR":
        case "NF4NAMEDATTR":
          // RFC 8881 §18.4.3: regular files are made by OPEN.
          throw new NfsError("NFS4ERR_BADTYPE", `CREATE of ${objtype.type}`);
      }
    };
    const node = nodeOf();
    const made = context.fileSystem.createNode(context.call, directory, name, node, changes);
    context.current = { inode: made.inode, stateId: undefined };
    return {
      status: "NFS4_OK",
      resok4: { cinfo: changeInfo(made.directory), attrset: shortest(args.createattrs.attrmask) },
    } as const;
  },
});

/** RFC 8881 §18.9. */
export const link = operation({
  name: "OP_LINK",
  args: LINK4args,
  result: LINK4res,
  errors: permittedOnFile(
    "ACCESS BADCHAR BADNAME DQUOT EXIST FILE_OPEN GRACE INVAL IO ISDIR MLINK NAMETOOLONG NOSPC NOTDIR",
    "NOTSUPP ROFS SYMLINK WRONGSEC WRONG_TYPE XDEV",
  ),
  mutates: true,
  run(args, context) {
    const directory = currentInode(context);
    const source = savedInode(context);
    const name = fileName(args.newname);
    const change = context.fileSystem.link(context.call, source, directory, name);
    return { status: "NFS4_OK", resok4: { cinfo: changeInfo(change) } } as const;
  },
});

/** RFC 8881 §18.25, §18.29.4. An open file keeps its data (OPEN4_RESULT_PRESERVE_UNLINKED). */
export const remove = operation({
  name: "OP_REMOVE",
  args: REMOVE4args,
  result: REMOVE4res,
  errors: permittedOnFile(
    "ACCESS BADCHAR BADNAME FILE_OPEN GRACE INVAL IO NAMETOOLONG NOENT NOTDIR NOTEMPTY ROFS",
  ),
  mutates: true,
  run(args, context) {
    const directory = currentInode(context);
    const change = context.fileSystem.remove(context.call, directory, fileName(args.target));
    return { status: "NFS4_OK", resok4: { cinfo: changeInfo(change) } } as const;
  },
});

/** RFC 8881 §18.26. On the disk before the reply: programs replace files this way and then trust them. */
export const rename = operation({
  name: "OP_RENAME",
  args: RENAME4args,
  result: RENAME4res,
  errors: permittedOnFile(
    "ACCESS BADCHAR BADNAME DQUOT EXIST FILE_OPEN GRACE INVAL IO MLINK NAMETOOLONG NOENT NOSPC NOTDIR",
    "NOTEMPTY ROFS WRONGSEC XDEV",
  ),
  mutates: true,
  run(args, context) {
    const target = currentInode(context);
    const source = savedInode(context);
    const change = context.fileSystem.rename(
      context.call,
      { directory: source, name: fileName(args.oldname) },
      { directory: target, name: fileName(args.newname) },
    );
    context.requireSync();
    return {
      status: "NFS4_OK",
      resok4: {
        source_cinfo: changeInfo(change.source),
        target_cinfo: changeInfo(change.target),
      },
    } as const;
  },
});
