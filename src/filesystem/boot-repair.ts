import type { InodeRow } from "../cache/inodes.ts";
import { newInode } from "../cache/new-inode.ts";
import { rootInode } from "../cache/volume-state.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { Context } from "./context.ts";
import { settleSetAside } from "./settle-set-aside.ts";

/** Makes the root directory at the first start. */
function makeRoot(context: Context): void {
  const { inodes } = context.state;
  const { uid, gid, dirMode } = context.options;
  const row = newInode(inodes.allocate(), {
    type: "directory",
    mode: dirMode & 0o7777,
    uid,
    gid,
    now: context.now(),
  });
  if (row.id !== rootInode) throw new Error(`The root directory got inode ${row.id}`);
  row.imported = false;
  inodes.put(row);
}

/**
 * Puts one file in order after a power cut: extents that the disk may not have are replaced by what is certain,
 * and what had been appended but is lost is cut off again. Returns the bytes lost.
 */
function repairFile(context: Context, row: InodeRow): number {
  const { extents, inodes } = context.state;
  const tail = { start: 0, end: 0 };
  const lostBytes = extents.recover(row.id, row.baseSizeBytes, (start, end) => {
    if (start === tail.end) tail.end = end;
    else Object.assign(tail, { start, end });
  });
  if (tail.end > 0 && tail.end >= row.sizeBytes) {
    // Zeros that no application wrote must not become the file's end, nor an object's.
    row.sizeBytes = Math.min(row.sizeBytes, tail.start);
    row.frozenMinSizeBytes = Math.min(row.frozenMinSizeBytes, row.sizeBytes);
    extents.truncate(row.id, row.sizeBytes);
  }
  row.holeBytes = extents.holeBytes(row.id, row.sizeBytes);
  if (lostBytes > 0) row.change += 1;
  inodes.put(row);
  return lostBytes;
}

/** What the log says of a file. */
function pathOf(context: Context, inode: InodeNumber): string {
  return context.state.entries.path(inode, rootInode)?.join("/") ?? "(no name)";
}

/**
 * Makes what a first start needs and repairs what an earlier boot of the machine left, in one transaction: when
 * it is cut short, the next start does the same again.
 */
export function prepareState(context: Context): void {
  const { state, log } = context;
  state.db.transaction(() => {
    const isNew = state.inodes.get(rootInode) === undefined;
    if (isNew) makeRoot(context);
    if (state.db.sameBoot) {
      if (isNew) state.db.adoptBoot();
      return;
    }
    let files = 0;
    let lostBytes = 0;
    for (const inode of state.extents.withUntrusted()) {
      const row = state.inodes.get(inode);
      if (row === undefined) continue;
      const lost = repairFile(context, row);
      if (lost === 0) continue;
      files += 1;
      lostBytes += lost;
      log.warn("Unsynced data was lost with the last boot", {
        inode,
        path: pathOf(context, inode),
        bytes: lost,
        sizeBytes: row.sizeBytes,
      });
    }
    settleSetAside(context);
    state.db.adoptBoot();
    log.info("State of an earlier boot repaired", { files, bytes: lostBytes });
  });
}
