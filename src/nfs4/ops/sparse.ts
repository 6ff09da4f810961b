// RFC 7862 §15.1, §15.4, §15.5, §15.10, §15.11: ALLOCATE, DEALLOCATE, IO_ADVISE, READ_PLUS, SEEK.
import { maxTransferBytes } from "../limits.ts";
import { currentInode, type OperationContext, operation } from "../operation.ts";
import { permittedOnFile } from "../permitted.ts";
import { NfsError } from "../status.ts";
import {
  ALLOCATE4args,
  ALLOCATE4res,
  DEALLOCATE4args,
  DEALLOCATE4res,
  data_content4,
  IO_ADVISE4args,
  IO_ADVISE4res,
  READ_PLUS4args,
  READ_PLUS4res,
  type read_plus_content,
  SEEK4args,
  SEEK4res,
} from "../wire/io.ts";
import { regularFile } from "./regular-file.ts";
import { requireDataAccess, requireFileAccess } from "./resolve-stateid.ts";

/** RFC 7862 §15.11. */
export const seek = operation({
  name: "OP_SEEK",
  minorVersion: 2,
  args: SEEK4args,
  result: SEEK4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED BAD_STATEID DELEG_REVOKED EXPIRED GRACE INVAL IO ISDIR LOCKED",
    // NXIO is what §15.11.3 says of an offset beyond the end, though the table of §11.2 leaves it out.
    "NOTSUPP NXIO OLD_STATEID OPENMODE PNFS_IO_HOLE PNFS_NO_LAYOUT SYMLINK UNION_NOTSUPP",
    "WRONG_TYPE",
  ),
  run(args, context) {
    const inode = currentInode(context);
    const { fileSystem, call } = context;
    requireFileAccess(context, args.sa_stateid, inode, "read");
    const what = data_content4.nameOf(args.sa_what);
    if (what === undefined) {
      throw new NfsError("NFS4ERR_UNION_NOTSUPP", `Content of kind ${args.sa_what}`);
    }
    const content = what === "NFS4_CONTENT_HOLE" ? "hole" : "data";
    const found = fileSystem.seek(call, inode, args.sa_offset, content);
    const { sizeBytes } = fileSystem.getAttributes(call, inode);
    // RFC 7862 §15.11.3: the hole at the end is found at the end.
    const sr_offset = found ?? sizeBytes;
    return { sa_status: "NFS4_OK", resok4: { sr_eof: sr_offset >= sizeBytes, sr_offset } } as const;
  },
});

/** RFC 7862 §15.1. */
export const allocate = operation({
  name: "OP_ALLOCATE",
  minorVersion: 2,
  args: ALLOCATE4args,
  result: ALLOCATE4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED BAD_STATEID DELEG_REVOKED DQUOT EXPIRED FBIG GRACE INVAL IO ISDIR",
    "NOSPC NOTSUPP OLD_STATEID OPENMODE ROFS SYMLINK WRONG_TYPE",
  ),
  mutates: true,
  run(args, context) {
    const inode = currentInode(context);
    requireFileAccess(context, args.aa_stateid, inode, "write");
    context.fileSystem.allocate(context.call, inode, args.aa_offset, args.aa_length);
    return { ar_status: "NFS4_OK" } as const;
  },
});

/** RFC 7862 §15.4. */
export const deallocate = operation({
  name: "OP_DEALLOCATE",
  minorVersion: 2,
  args: DEALLOCATE4args,
  result: DEALLOCATE4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED BAD_STATEID DELEG_REVOKED EXPIRED FBIG GRACE INVAL IO ISDIR NOTSUPP",
    "OLD_STATEID OPENMODE ROFS SYMLINK WRONG_TYPE",
  ),
  mutates: true,
  run(args, context) {
    const inode = currentInode(context);
    requireFileAccess(context, args.da_stateid, inode, "write");
    context.fileSystem.deallocate(context.call, inode, args.da_offset, args.da_length);
    return { dr_status: "NFS4_OK" } as const;
  },
});

/** RFC 7862 §15.5. None of the hints is used, which the empty answer says; readahead sees what is read. */
export const ioAdvise = operation({
  name: "OP_IO_ADVISE",
  minorVersion: 2,
  args: IO_ADVISE4args,
  result: IO_ADVISE4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED BAD_STATEID DELEG_REVOKED EXPIRED FBIG GRACE INVAL IO ISDIR NOTSUPP",
    "OLD_STATEID SYMLINK WRONG_TYPE",
  ),
  run(args, context) {
    const inode = currentInode(context);
    requireFileAccess(context, args.iaa_stateid, inode, "read");
    regularFile(context, inode);
    return { ior_status: "NFS4_OK", resok4: { ior_hints: [] } } as const;
  },
});

/** Bytes of read_plus_res4 and its status, and of one read_plus_content, besides data. */
const plusFrameBytes = 12;
const contentFrameBytes = 20;
/** Shorter holes are sent as zeros. */
const leastHoleBytes = 4096;

/** A range of a file that is all data or all hole. */
interface Run {
  readonly start: number;
  readonly end: number;
  readonly isHole: boolean;
}

/** What the range consists of, in order: up to its second run of data, which is left for the next request. */
function runsOf(context: OperationContext, start: number, end: number): Run[] {
  const { fileSystem, call } = context;
  const inode = currentInode(context);
  const runs: Run[] = [];
  let hasData = false;
  for (let at = start; at < end; ) {
    const data = Math.min(end, fileSystem.seek(call, inode, at, "data") ?? end);
    if (data > at) runs.push({ start: at, end: data, isHole: true });
    if (data === end || hasData) break;
    hasData = true;
    let hole = data;
    let after = data;
    while (after < end && after - hole < leastHoleBytes) {
      hole = Math.min(end, fileSystem.seek(call, inode, after, "hole") ?? end);
      after = hole === end ? end : Math.min(end, fileSystem.seek(call, inode, hole, "data") ?? end);
    }
    if (after - hole < leastHoleBytes) hole = end;
    runs.push({ start: data, end: hole, isHole: false });
    at = hole;
  }
  return runs;
}

/** RFC 7862 §15.10: holes within what was asked for, and the data of one run. */
export const readPlus = operation({
  name: "OP_READ_PLUS",
  minorVersion: 2,
  args: READ_PLUS4args,
  result: READ_PLUS4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED BAD_STATEID DELEG_REVOKED EXPIRED GRACE INVAL IO ISDIR LOCKED",
    "NOTSUPP OLD_STATEID OPENMODE PARTNER_NO_AUTH PNFS_IO_HOLE PNFS_NO_LAYOUT SYMLINK",
    "WRONG_TYPE",
  ),
  run(args, context) {
    const inode = currentInode(context);
    const { fileSystem, call } = context;
    requireDataAccess(context, args.rpa_stateid, inode, "read");
    const start = args.rpa_offset;
    // RFC 7862 §15.10.3: an error for each other type.
    const { sizeBytes: size } = regularFile(context, inode);
    const roomBytes = context.roomBytes - plusFrameBytes - 3 * contentFrameBytes;
    const lengthBytes = Math.min(args.rpa_count, maxTransferBytes, Math.max(0, roomBytes));
    const end = Math.min(size, start + lengthBytes);
    const rpr_contents: read_plus_content[] = [];
    let at = start;
    for (const run of start < end ? runsOf(context, start, end) : []) {
      at = run.end;
      if (run.isHole) {
        const rpc_hole = { di_offset: run.start, di_length: run.end - run.start };
        rpr_contents.push({ rpc_content: "NFS4_CONTENT_HOLE", rpc_hole });
        continue;
      }
      const { chunks } = fileSystem.read(call, inode, run.start, run.end - run.start);
      const rpc_data = { d_offset: run.start, d_data: chunks };
      rpr_contents.push({ rpc_content: "NFS4_CONTENT_DATA", rpc_data });
    }
    // RFC 7862 §15.10.3: at the end of the file, whether or not there was anything to read.
    const rpr_eof = at >= size;
    return { rp_status: "NFS4_OK", rp_resok4: { rpr_eof, rpr_contents } } as const;
  },
});
