import type { InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { Context } from "./context.ts";
import { requirePermitted } from "./permission.ts";
import { requireRegular } from "./resize.ts";

/** See {@link import("../vfs/file-system.ts").FileSystem.open}. */
export function open(
  context: Context,
  call: Call,
  inode: InodeNumber,
  access: { readonly read: boolean; readonly write: boolean },
): void {
  call.check();
  if (access.write && context.options.readOnly) {
    throw new FsError("ROFS", `Volume ${context.options.volumeId} is read-only`);
  }
  const row = context.row(inode);
  // RFC 8881 §18.16.3: only regular files are opened, and each other kind has its error.
  requireRegular(row);
  if (context.options.revalidatesAtOpen !== true) {
    context.wait(call, context.synchroniser.openReady(inode));
  } else if (call.staged === undefined) {
    // Once for each open: the answer to this very question is new enough.
    call.staged = "revalidated";
    context.wait(call, context.synchroniser.openFresh(inode));
  }
  context.exact(call, row);
  requirePermitted(row, context.asker(call), access);
  // Who only writes may mean to replace it whole.
  if (access.read) context.wait(call, context.synchroniser.archiveReady?.(inode));
}
