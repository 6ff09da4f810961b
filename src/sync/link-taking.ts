import { type LinkName, type LinkRow, noInode } from "../cache/links.ts";
import type { ETag, ObjectKey } from "../s3/object-store.ts";
import { bind, recount } from "./link-binding.ts";
import { directoryOf, entryAt, repoint, showName, takeName } from "./link-names.ts";
import type { LinkRecord } from "./link-record.ts";
import type { SeenObject } from "./remote-change.ts";
import type { SyncContext } from "./sync-context.ts";

/** The object of a file, under another of its names than it was. */
export interface MovedObject {
  readonly key: ObjectKey;
  readonly seen: SeenObject;
}

/**
 * Takes over what a record says now; undefined: there is none any more. What another node has added or removed since
 * the last look is added or removed here; what was changed here stays, and is written. `moved`: the object under the
 * primary name, where that is another one than before. Inside a transaction.
 */
export function takeRecord(
  context: SyncContext,
  id: string,
  record: LinkRecord | undefined,
  now: { readonly etag: ETag | undefined; readonly moved: MovedObject | undefined },
): void {
  const { state } = context;
  const { links } = state;
  const link = links.get(id) ?? {
    ...{ id, inode: noInode, etag: undefined, dirtySinceMs: 0, doubtMs: 0 },
  };
  const base = links.names(id);
  const row = state.inodes.get(link.inode);
  const isOwn =
    record?.writer === Buffer.from(state.db.volumeUuid).toString("hex") ||
    (record === undefined && link.doubtMs > 0);
  link.etag = now.etag;
  if (link.inode !== noInode && (row === undefined || row.links === 0)) {
    takeGone(context, link, record, isOwn);
    return;
  }
  if (link.inode === noInode) {
    for (const { key } of base) links.deleteName(id, key);
    if (record === undefined) {
      links.delete(id);
      return;
    }
    links.put(link);
    putNames(context, record, () => false);
    bindKnown(context, link, record);
    showKnown(context, id);
    return;
  }
  if (isOwn) {
    // Our own request, of which we had no answer: what was changed here since is only here.
    links.put({ ...link, dirtySinceMs: link.dirtySinceMs || context.nowMs() });
    for (const { key } of base) links.deleteName(id, key);
    const unshown = new Set<string>(base.flatMap(({ key, isShown }) => (isShown ? [] : [key])));
    if (record !== undefined) putNames(context, record, (key) => !unshown.has(key));
    context.changed();
    return;
  }
  takeChanges(context, link, record, { base, moved: now.moved });
}

/** The file is gone here. A record that somebody else has changed since is theirs; ours is deleted. */
function takeGone(
  context: SyncContext,
  link: LinkRow,
  record: LinkRecord | undefined,
  isOwn: boolean,
): void {
  const { links } = context.state;
  for (const { key } of links.names(link.id)) links.deleteName(link.id, key);
  if (record === undefined) {
    links.put({ ...link, dirtySinceMs: context.nowMs() }); // for the sweep that forgets it
    return;
  }
  if (isOwn) {
    links.put({ ...link, dirtySinceMs: context.nowMs() });
    putNames(context, record, () => true);
    context.changed();
    return;
  }
  const found = { ...link, inode: noInode, dirtySinceMs: 0 };
  links.put(found);
  putNames(context, record, () => false);
  bindKnown(context, found, record);
  showKnown(context, link.id);
}

function putNames(
  { state: { links } }: SyncContext,
  { id, primary, names }: LinkRecord,
  isShown: (key: string) => boolean,
): void {
  for (const key of [primary, ...names]) {
    links.putName({ id, key, isPrimary: key === primary, isShown: isShown(key) });
  }
}

/** Binds a record to its file, if a listing has shown that. */
function bindKnown(context: SyncContext, link: LinkRow, { primary }: LinkRecord): void {
  const row = context.inodeAt(primary);
  if (row === undefined || row.type === "directory" || row.remote?.key !== primary) return;
  bind(context, link, row.id);
}

/** Shows the names in directories that have been listed. */
function showKnown(context: SyncContext, id: string): void {
  for (const name of context.state.links.names(id)) {
    if (name.isPrimary || name.isShown) continue;
    if (directoryOf(context, name.key, false)?.imported === true) showName(context, name);
  }
}

function takeChanges(
  context: SyncContext,
  link: LinkRow,
  record: LinkRecord | undefined,
  { base, moved }: { readonly base: readonly LinkName[]; readonly moved: MovedObject | undefined },
): void {
  const { links } = context.state;
  const { id } = link;
  const before = base.find(({ isPrimary }) => isPrimary)?.key;
  links.put({ ...link, dirtySinceMs: link.dirtySinceMs || context.nowMs() });
  context.changed();
  let isMoved = before !== record?.primary;
  if (isMoved && moved !== undefined) {
    // Otherwise ours stays the primary name, and the export of the file finds out what became of its object.
    isMoved = !repoint(context, links.get(id) ?? link, moved.key, moved.seen);
  }
  const said = new Set<string>(record === undefined ? [] : [record.primary, ...record.names]);
  for (const name of links.names(id)) {
    if (said.has(name.key)) continue;
    links.deleteName(id, name.key);
    if (!name.isShown) continue;
    const found = entryAt(context, name.key);
    if (found?.entry.inode !== link.inode || !found.entry.isLink) continue;
    takeName(context, found.directory, found.entry.name);
  }
  const known = new Set<string>(links.names(id).map(({ key }) => key));
  for (const key of record?.names ?? []) {
    if (known.has(key)) continue;
    const isShown = entryAt(context, key)?.entry.inode === link.inode;
    links.putName({ id, key, isPrimary: false, isShown });
  }
  if (record !== undefined && isMoved) {
    links.putName({ id, key: record.primary, isPrimary: true, isShown: true });
  }
  recount(context, link.inode);
  showKnown(context, id);
}
