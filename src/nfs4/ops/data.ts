// RFC 8881 §18.3, §18.22, §18.32: COMMIT, READ, WRITE.
import type { Stability } from "../../vfs/file-system.ts";
import { maxTransferBytes } from "../limits.ts";
import { currentInode, operation } from "../operation.ts";
import { permittedOnFile } from "../permitted.ts";
import { endOfRange } from "../state/byte-range.ts";
import { NfsError } from "../status.ts";
import {
  COMMIT4args,
  COMMIT4res,
  READ4args,
  READ4res,
  type stable_how4,
  WRITE4args,
  WRITE4res,
} from "../wire/io.ts";
import { requireDataAccess } from "./resolve-stateid.ts";

const stabilityOf = {
  UNSTABLE4: "unstable",
  DATA_SYNC4: "dataSync",
  FILE_SYNC4: "fileSync",
} as const satisfies Record<stable_how4, Stability>;

const stableHowOf = {
  unstable: "UNSTABLE4",
  dataSync: "DATA_SYNC4",
  fileSync: "FILE_SYNC4",
} as const satisfies Record<Stability, stable_how4>;

/** Bytes of READ4resok besides its data: status, eof, length, padding. */
const readFrameBytes = 16;

/** RFC 8881 §18.22. */
export const read = operation({
  name: "OP_READ",
  args: READ4args,
  result: READ4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED BAD_STATEID DELEG_REVOKED EXPIRED GRACE INVAL IO ISDIR LOCKED OLD_STATEID",
    "OPENMODE PNFS_IO_HOLE PNFS_NO_LAYOUT SYMLINK WRONG_TYPE",
  ),
  run(args, context) {
    const inode = currentInode(context);
    const { fileSystem, call } = context;
    requireDataAccess(context, args.stateid, inode, "read");
    // RFC 8881 §18.22.3: the server may return less than was asked for.
    const lengthBytes = Math.min(
      args.count,
      maxTransferBytes,
      Math.max(0, context.roomBytes - readFrameBytes),
    );
    const result = fileSystem.read(call, inode, args.offset, lengthBytes);
    return {
      status: "NFS4_OK",
      resok4: { eof: result.endOfFile, data: result.chunks },
    } as const;
  },
});

/** RFC 8881 §18.32. */
export const write = operation({
  name: "OP_WRITE",
  args: WRITE4args,
  result: WRITE4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED BAD_STATEID DELEG_REVOKED DQUOT EXPIRED FBIG GRACE INVAL IO ISDIR LOCKED NOSPC",
    "OLD_STATEID OPENMODE PNFS_IO_HOLE PNFS_NO_LAYOUT ROFS SYMLINK WRONG_TYPE",
  ),
  mutates: true,
  run(args, context) {
    const inode = currentInode(context);
    const { fileSystem, call } = context;
    requireDataAccess(context, args.stateid, inode, "write");
    let lengthBytes = 0;
    for (const piece of args.data) lengthBytes += piece.length;
    const { committed } = fileSystem.write(
      call,
      inode,
      args.offset,
      args.data,
      stabilityOf[args.stable],
    );
    if (committed !== "unstable") context.requireSync();
    return {
      status: "NFS4_OK",
      resok4: {
        count: lengthBytes,
        committed: stableHowOf[committed],
        writeverf: fileSystem.writeVerifier,
      },
    } as const;
  },
});

/** RFC 8881 §18.3: the whole file, whatever range was asked for. */
export const commit = operation({
  name: "OP_COMMIT",
  args: COMMIT4args,
  result: COMMIT4res,
  // INVAL is not in the table of §15.2; a range beyond the greatest offset has no other answer.
  errors: permittedOnFile("ACCESS INVAL IO ISDIR SYMLINK WRONG_TYPE"),
  run(args, context) {
    const inode = currentInode(context);
    if (args.offset + BigInt(args.count) > endOfRange) {
      throw new NfsError("NFS4ERR_INVAL", `Range ${args.offset}+${args.count}`);
    }
    context.fileSystem.commit(context.call, inode);
    context.requireSync();
    return { status: "NFS4_OK", resok4: { writeverf: context.fileSystem.writeVerifier } } as const;
  },
});
