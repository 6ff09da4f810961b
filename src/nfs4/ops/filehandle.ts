// RFC 8881 §18.8, §18.19 to §18.21, §18.27, §18.28: the filehandle registers.
import { currentInode, operation } from "../operation.ts";
import { permitted, permittedOnFile } from "../permitted.ts";
import { NfsError } from "../status.ts";
import {
  GETFH4args,
  GETFH4res,
  PUTFH4args,
  PUTFH4res,
  PUTPUBFH4args,
  PUTPUBFH4res,
  PUTROOTFH4args,
  PUTROOTFH4res,
  RESTOREFH4args,
  RESTOREFH4res,
  SAVEFH4args,
  SAVEFH4res,
} from "../wire/filehandle.ts";

const done = { status: "NFS4_OK" } as const;

/** RFC 8881 §18.19. */
export const putfh = operation({
  name: "OP_PUTFH",
  args: PUTFH4args,
  result: PUTFH4res,
  errors: permitted("BADHANDLE MOVED STALE WRONGSEC"),
  run(args, context) {
    const inode = context.filehandles.inodeOf(args.object);
    // RFC 8881 §4.2.2: the handle of an object that is gone is STALE.
    context.fileSystem.requireInode(inode);
    // RFC 8881 §16.2.3.1.2: no current stateid with it.
    context.current = { inode, stateId: undefined };
    return done;
  },
});

/** RFC 8881 §18.21. */
export const putrootfh = operation({
  name: "OP_PUTROOTFH",
  args: PUTROOTFH4args,
  result: PUTROOTFH4res,
  errors: permitted("WRONGSEC"),
  run(_args, context) {
    context.current = { inode: context.fileSystem.root, stateId: undefined };
    return done;
  },
});

/** RFC 8881 §18.20. The public filehandle is the root's. */
export const putpubfh = operation({
  name: "OP_PUTPUBFH",
  args: PUTPUBFH4args,
  result: PUTPUBFH4res,
  errors: permitted("WRONGSEC"),
  run(_args, context) {
    context.current = { inode: context.fileSystem.root, stateId: undefined };
    return done;
  },
});

/** RFC 8881 §18.8. */
export const getfh = operation({
  name: "OP_GETFH",
  args: GETFH4args,
  result: GETFH4res,
  errors: permittedOnFile(""),
  run(_args, context) {
    const object = context.filehandles.of(currentInode(context));
    return { status: "NFS4_OK", resok4: { object } } as const;
  },
});

/** RFC 8881 §18.28. The stateid goes along (§16.2.3.1.2). */
export const savefh = operation({
  name: "OP_SAVEFH",
  args: SAVEFH4args,
  result: SAVEFH4res,
  errors: permittedOnFile(""),
  run(_args, context) {
    currentInode(context);
    context.saved = context.current;
    return done;
  },
});

/** RFC 8881 §18.27. */
export const restorefh = operation({
  name: "OP_RESTOREFH",
  args: RESTOREFH4args,
  result: RESTOREFH4res,
  errors: permittedOnFile("WRONGSEC"),
  run(_args, context) {
    if (context.saved === undefined) {
      throw new NfsError("NFS4ERR_NOFILEHANDLE", "No saved filehandle");
    }
    context.current = context.saved;
    return done;
  },
});
