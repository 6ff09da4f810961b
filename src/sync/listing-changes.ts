import type { EntryRow } from "../cache/entries.ts";
import type { InodeRow } from "../cache/inodes.ts";
import { rootInode } from "../cache/volume-state.ts";
import type { ListedObject, ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import { listedName } from "./listed-name.ts";
import { isSameVersion, remoteObject } from "./object-version.ts";
import { keepDeleted } from "./own-objects.ts";
import { addDirectory, addObject, adoptVersion, removeName, removeTree } from "./remote-change.ts";
import type { SyncContext } from "./sync-context.ts";

/** What a listing has found so far that is not a change of one entry. */
export interface ListingFindings {
  /** Keys that no path can express. */
  hidden: number;
  /** Objects that may be a request of ours that was given up: their marks have to be looked at. */
  readonly suspects: {
    readonly name: FileName;
    readonly object: ListedObject;
    /** The moment before the page was asked for. */
    readonly sequence: number;
  }[];
}

/**
 * Takes over one listed object of a directory; `sequence` is the moment before the page was asked for. What was
 * changed here, or by us at S3 since then, stays. The caller puts `directory`. Inside a transaction.
 */
export function applyObject(
  context: SyncContext,
  directory: InodeRow,
  name: FileName,
  object: ListedObject,
  sequence: number,
  findings: ListingFindings,
): void {
  const { state, touched } = context;
  const { key } = object;
  if (touched.isAfter(key, sequence)) return;
  const entry = state.entries.get(directory.id, name);
  if (entry !== undefined) {
    const row = state.inodes.get(entry.inode);
    if (row?.type === "directory") findings.hidden += 1;
    else if (entry.isLink) meetLink(context, name, { object, sequence }, findings);
    else if (row?.remote?.key === key) updateVersion(context, directory, name, row, object);
    return; // else made or moved here: its export will meet the object
  }
  if (state.links.namesAt(key).some(({ isPrimary }) => !isPrimary)) {
    meetLink(context, name, { object, sequence }, findings);
    return;
  }
  if (isUnderWay(context, key)) {
    meetUnderWay(context, directory, name, { object, sequence }, findings);
    return;
  }
  addObject(context, directory, name, key, object);
}

/**
 * There is an object where a file has a further name: what was there before the name and is still to go, or it is to be
 * looked at.
 */
function meetLink(
  { state }: SyncContext,
  name: FileName,
  { object, sequence }: { readonly object: ListedObject; readonly sequence: number },
  findings: ListingFindings,
): void {
  if (state.journal.tombstone(object.key)?.etag === object.etag) return;
  if (state.inodes.byRemoteKey(object.key).some(({ links }) => links > 0)) return;
  findings.suspects.push({ name, object, sequence });
}

/** Whether a deletion, a move or a request of ours has to do with a key; one query, for all the keys without. */
function isUnderWay(context: SyncContext, key: ObjectKey): boolean {
  const found = context.state.db.get(
    "SELECT EXISTS (SELECT 1 FROM tombstone WHERE key = ?1) OR EXISTS (SELECT 1 FROM attempt WHERE key = ?1) " +
      "OR EXISTS (SELECT 1 FROM inode WHERE key = ?1) AS n",
    key,
  );
  return found?.["n"] !== 0;
}

/** Takes over an object without a name here, under a key that {@link isUnderWay}. */
function meetUnderWay(
  context: SyncContext,
  directory: InodeRow,
  name: FileName,
  { object, sequence }: { readonly object: ListedObject; readonly sequence: number },
  findings: ListingFindings,
): void {
  const { state } = context;
  const { key } = object;
  const tombstone = state.journal.tombstone(key);
  if (tombstone?.etag === object.etag) return;
  const moved = state.inodes.byRemoteKey(key).find(({ links }) => links > 0);
  if (moved !== undefined) {
    if (tombstone !== undefined) return; // its export decides
    // Renamed here, changed there: the new version goes where the old one was going.
    if (
      !isSameVersion(moved.remote ?? remoteObject(key, object), object) &&
      isUnedited(context, moved)
    ) {
      adoptVersion(context, moved, key, object);
    }
    return;
  }
  if (state.journal.ofKey(key).some(({ kind }) => kind !== "delete")) {
    findings.suspects.push({ name, object, sequence });
    return;
  }
  // A tombstone of another version: this is somebody's new object.
  if (tombstone !== undefined) state.journal.unbury(key);
  addObject(context, directory, name, key, object);
}

/** Whether nothing but the file's name was changed here. */
function isUnedited(context: SyncContext, row: InodeRow): boolean {
  return (row.dirty & 3) === 0 && !context.hasLiveAttempt(row.id);
}

function updateVersion(
  context: SyncContext,
  directory: InodeRow,
  name: FileName,
  row: InodeRow,
  object: ListedObject,
): void {
  const { remote } = row;
  if (remote === undefined) return;
  const isSame = isSameVersion(remote, object);
  if ((isSame && remote.lastModifiedMs !== 0) || !context.isClean(row)) return;
  if (isSame) {
    row.remote = { ...remote, lastModifiedMs: object.lastModifiedMs };
    context.state.inodes.put(row);
  } else if (row.type === "file") {
    adoptVersion(context, row, object.key, object);
  } else {
    // The type of an inode never changes: whatever this is now gets a new one.
    removeName(context, directory, name);
    addObject(context, directory, name, object.key, object);
  }
}

/** Whether something of ours under a prefix waits to be deleted or moved away, so that the listing shows it still. */
function hasLeftovers(context: SyncContext, prefix: string): boolean {
  const end = `${prefix.slice(0, -1)}0`; // "0" follows "/"
  const below = (sql: string): boolean => context.state.db.get(sql, prefix, end) !== undefined;
  return (
    below("SELECT 1 AS x FROM tombstone WHERE key >= ? AND key < ? LIMIT 1") ||
    below("SELECT 1 AS x FROM inode WHERE key >= ? AND key < ? LIMIT 1") ||
    below("SELECT 1 AS x FROM attempt WHERE key >= ? AND key < ? AND state = 'sent' LIMIT 1")
  );
}

/** Takes over a listed prefix as a directory, under the rules of {@link applyObject}. */
export function applyPrefix(
  context: SyncContext,
  directory: InodeRow,
  name: FileName,
  prefix: string,
  sequence: number,
  findings: ListingFindings,
): void {
  const { entries, inodes } = context.state;
  const entry = entries.get(directory.id, name);
  const row = entry === undefined ? undefined : inodes.get(entry.inode);
  if (row?.type === "directory") return;
  if (row !== undefined) {
    // Both `x` and `x/…`: the directory is shown, unless `x` is something S3 does not have yet.
    findings.hidden += 1;
    if (row.remote?.key !== prefix.slice(0, -1) || !context.isClean(row)) return;
    removeName(context, directory, name);
  } else if (context.touched.isAfter(prefix, sequence) || hasLeftovers(context, prefix)) {
    return;
  }
  addDirectory(context, directory, name);
}

/**
 * Removes an entry that the listing begun at `sequence` did not show, if S3 once had it and nothing about it was
 * changed here. The caller puts `directory`. Inside a transaction.
 */
export function removeUnlisted(
  context: SyncContext,
  directory: InodeRow,
  entry: EntryRow,
  prefix: string,
  sequence: number,
): void {
  const { inodes, entries } = context.state;
  if (context.state.isLocal(entry.name, directory.id === rootInode)) return;
  if (entry.isLink) return; // no object tells of it
  const row = inodes.get(entry.inode);
  if (row === undefined || !context.isClean(row)) return;
  const key = `${prefix}${entry.name}${row.type === "directory" ? "/" : ""}` as ObjectKey;
  if (context.touched.isAfter(key, sequence)) return;
  if (row.type !== "directory") {
    if (row.remote?.key === key && !keepDeleted(context, row)) {
      removeName(context, directory, entry.name);
    }
    return;
  }
  const isOurs = (child: InodeRow | undefined): boolean =>
    child === undefined ||
    (context.isClean(child) && (child.remote === undefined || child.remote.key.startsWith(key)));
  if (!isOurs(row)) return;
  if (entries.descendants(row.id).every((id) => isOurs(inodes.get(id)))) {
    removeTree(context, directory, entry.name);
  }
}

/** Adds one key of a deep listing, with the directories it implies; those listed before are left alone. */
export function applyDeep(
  context: SyncContext,
  directory: InodeNumber,
  prefix: string,
  object: ListedObject,
  run: {
    readonly sequence: number;
    readonly fill: Set<InodeNumber>;
    readonly findings: ListingFindings;
  },
): void {
  const { state } = context;
  const parts = object.key.slice(prefix.length).split("/");
  let row = state.inodes.get(directory);
  let path = prefix;
  for (const [depth, part] of parts.entries()) {
    if (row === undefined) return;
    if (part === "" && depth === parts.length - 1) {
      if (run.fill.has(row.id) && context.isClean(row)) {
        row.remote = remoteObject(object.key, object);
        state.inodes.put(row);
      }
      return;
    }
    const listed = listedName(part, row.id === rootInode, state.exportsLostAndFound);
    if (listed.kind !== "name") return;
    const isKnown = !run.fill.has(row.id);
    const before = row.change;
    path = `${path}${part}/`;
    if (depth === parts.length - 1) {
      if (isKnown) return;
      applyObject(context, row, listed.name, object, run.sequence, run.findings);
    } else {
      const entry = state.entries.get(row.id, listed.name);
      const child: InodeRow | undefined =
        entry === undefined ? undefined : state.inodes.get(entry.inode);
      if (child?.type !== "directory") {
        if (isKnown) return;
        if (child !== undefined) {
          if (child.remote?.key !== path.slice(0, -1) || !context.isClean(child)) return;
          removeName(context, row, listed.name);
        }
        run.fill.add(addDirectory(context, row, listed.name));
      }
    }
    if (row.change !== before) state.inodes.put(row);
    const next = state.entries.get(row.id, listed.name);
    row = next === undefined ? undefined : state.inodes.get(next.inode);
  }
}
