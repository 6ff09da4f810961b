import { type LinkRow, noInode } from "../cache/links.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { SyncContext } from "./sync-context.ts";

/*
 * Which file a record at S3 is about. All inside a transaction of the context.
 */

/** Sets the link count of a file from its entries and the names not shown yet. Puts the row. */
export function recount(context: SyncContext, inode: InodeNumber): void {
  const { inodes, entries, links } = context.state;
  const row = inodes.get(inode);
  if (row === undefined || row.links === 0) return;
  const count = entries.ofInode(inode).length + links.unshownOf(inode).length;
  if (count === 0 || count === row.links) return;
  row.links = count;
  // What nobody can have seen is as it always was.
  if (row.exact || row.change > 1) {
    row.changeTime = context.now();
    row.change += 1;
  }
  inodes.put(row);
}

/** Makes a record that S3 has be about the file that its primary name stands for here. */
export function bind(context: SyncContext, link: LinkRow, inode: InodeNumber): void {
  const { links } = context.state;
  const own = links.ofInode(inode);
  link.inode = inode;
  if (own !== undefined && own.id !== link.id) {
    // Both nodes have made a record: S3's stays, with the names of both.
    links.delete(own.id);
    if (own.etag !== undefined || own.doubtMs > 0) retire(context, own);
    link.dirtySinceMs = context.nowMs();
    context.changed();
  }
  links.put(link);
  for (const name of links.names(link.id)) {
    if (name.isPrimary) links.putName({ ...name, isShown: true });
  }
  recount(context, inode);
}

/** The number of a record's file that is gone: what the record says is ours to take back. */
const gone = -1 as InodeNumber;

/** Has a record deleted that no file needs any more. */
export function retire(context: SyncContext, link: LinkRow): void {
  const { links } = context.state;
  links.put({ ...link, inode: gone, dirtySinceMs: context.nowMs() });
  context.changed();
}

/** Binds the record whose primary name is the key of a file that a listing has just shown, if there is one. */
export function bindByKey(context: SyncContext, inode: InodeNumber, key: ObjectKey): void {
  const { links } = context.state;
  for (const { id, isPrimary } of links.namesAt(key)) {
    const link = isPrimary ? links.get(id) : undefined;
    if (link?.inode === noInode) bind(context, link, inode);
  }
}
