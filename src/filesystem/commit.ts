import type { InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import type { Context } from "./context.ts";
import { requireRegular } from "./resize.ts";

/** A commit whose fdatasyncs have been started. */
class StagedCommit {
  readonly epoch: number;
  readonly generations: readonly number[];
  done = false;
  constructor(epoch: number, generations: readonly number[]) {
    this.epoch = epoch;
    this.generations = generations;
  }
}

/** See {@link import("../vfs/file-system.ts").FileSystem.commit}. */
export function commit(context: Context, call: Call, inode: InodeNumber): void {
  context.beginChange(call);
  const row = context.row(inode);
  requireRegular(row);
  const { extents } = context.state;
  if (call.staged instanceof StagedCommit && call.staged.done) {
    extents.markSynced(inode, call.staged.epoch, call.staged.generations);
    return;
  }
  if (context.options.waitsForS3 === true && call.staged === undefined) {
    const exported = context.synchroniser.exported(inode);
    call.staged = "exported";
    if (exported !== undefined) throw call.suspend(exported, "remote");
  }
  const generations = extents.unsyncedGenerations(inode, true);
  if (generations.length === 0) return;
  // RFC 8881 §18.3: what was written before this call, by a sync that starts after it.
  const staged = new StagedCommit(extents.endEpoch(), generations);
  call.staged = staged;
  const synced = context.dataSyncs.sync(inode, generations).then(() => {
    staged.done = true;
  });
  throw call.suspend(synced, "disk");
}
