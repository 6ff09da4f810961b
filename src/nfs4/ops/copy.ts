// RFC 7862 §15.2, §4.1.2: COPY, within this server and synchronous.
import { currentInode, operation, savedInode } from "../operation.ts";
import { permittedOnFile } from "../permitted.ts";
import { NfsError } from "../status.ts";
import { COPY4args, COPY4res } from "../wire/io.ts";
import { requireFileAccess } from "./resolve-stateid.ts";

/** Done in order and before the answer, whatever the client can do with. A part may be copied: the client goes on. */
export const copy = operation({
  name: "OP_COPY",
  minorVersion: 2,
  args: COPY4args,
  result: COPY4res,
  errors: permittedOnFile(
    "ACCESS ADMIN_REVOKED BAD_STATEID DELEG_REVOKED DQUOT EXPIRED FBIG GRACE INVAL IO ISDIR",
    "LOCKED NOSPC NOTSUPP OFFLOAD_DENIED OLD_STATEID OPENMODE PARTNER_NOTSUPP PARTNER_NO_AUTH",
    "PNFS_IO_HOLE PNFS_NO_LAYOUT ROFS SYMLINK WRONG_TYPE",
  ),
  mutates: true,
  run(args, context) {
    const { fileSystem, call, saved } = context;
    const target = currentInode(context);
    const source = savedInode(context);
    if (args.ca_source_server.length > 0) {
      throw new NfsError("NFS4ERR_PARTNER_NOTSUPP", "COPY from another server");
    }
    const { type, sizeBytes } = fileSystem.getAttributes(call, source);
    // RFC 7862 §15.2.3: two regular files.
    if (type !== "file" || fileSystem.getAttributes(call, target).type !== "file") {
      throw new NfsError("NFS4ERR_WRONG_TYPE", `COPY of inode ${source} to inode ${target}`);
    }
    // RFC 7862 §15.2.3: different ones.
    if (source === target) {
      throw new NfsError("NFS4ERR_INVAL", `COPY of inode ${source} onto itself`);
    }
    requireFileAccess(context, args.ca_src_stateid, source, "read", saved);
    requireFileAccess(context, args.ca_dst_stateid, target, "write");
    const start = args.ca_src_offset;
    // RFC 7862 §15.2.3: nothing beyond the end of the source; 0 means up to it.
    if (start > sizeBytes || args.ca_count > sizeBytes - start) {
      throw new NfsError("NFS4ERR_INVAL", `COPY beyond the end of inode ${source}`);
    }
    const count = args.ca_count === 0 ? sizeBytes - start : args.ca_count;
    const copied = fileSystem.copyRange(
      call,
      { inode: source, offsetBytes: start },
      { inode: target, offsetBytes: args.ca_dst_offset },
      count,
    );
    return {
      cr_status: "NFS4_OK",
      cr_resok4: {
        cr_response: {
          wr_callback_id: [],
          wr_count: copied,
          wr_committed: "UNSTABLE4",
          wr_writeverf: fileSystem.writeVerifier,
        },
        cr_requirements: { cr_consecutive: true, cr_synchronous: true },
      },
    } as const;
  },
});
