import { rootInode } from "../cache/volume-state.ts";
import type { FileSystem } from "../vfs/file-system.ts";
import { getAttributes, permittedAccess, requireAccess, setAttributes } from "./attributes.ts";
import { prepareState } from "./boot-repair.ts";
import { commit } from "./commit.ts";
import { Context } from "./context.ts";
import { copyRange } from "./copy-range.ts";
import { createFile, createNode } from "./create.ts";
import { lookup, lookupParent, readDirectory } from "./directories.ts";
import { Eviction } from "./eviction.ts";
import { link } from "./link.ts";
import { open } from "./open.ts";
import type { FileSystemDependencies, FileSystemOptions } from "./options.ts";
import { dropOrphans, hold, orphaned, release } from "./orphans.ts";
import { read } from "./read.ts";
import { readLink } from "./read-link.ts";
import { remove } from "./remove.ts";
import { rename } from "./rename.ts";
import { allocate, deallocate, seek } from "./sparse.ts";
import { write } from "./write.ts";
import { getXattr, listXattrs, removeXattr, setXattr } from "./xattrs.ts";

/** A file system with background work of its own. */
export interface DiskFileSystem extends FileSystem {
  /**
   * From now on members of these groups count as members of every object's group, and the first is the group that
   * attributes show.
   */
  setMountGroups(gids: readonly number[]): void;
  /** Ends the background work; the state may be closed when this resolves. Nothing is to be called any more. */
  stop(): Promise<void>;
}

/**
 * The file system of a volume over its state on disk. At the first start it makes the root directory; at the
 * first start of another boot of the machine it repairs what a power cut may have taken, in the transaction
 * of the caller if there is one.
 */
export function createFileSystem(
  options: FileSystemOptions,
  dependencies: FileSystemDependencies,
): DiskFileSystem {
  const context = new Context(options, dependencies);
  const { state, log } = context;
  prepareState(context);
  dependencies.synchroniser.whenUnlinked?.((inode) => orphaned(context, inode));
  const eviction = new Eviction(context);
  const swept = state.sweepFiles().catch((error: unknown) => {
    log.error("Cannot remove stale cache files", { volumeId: options.volumeId, error });
  });
  return {
    root: rootInode,
    writeVerifier: state.db.writeVerifier,
    requireInode: (inode) => context.requireInode(inode),
    getAttributes: (call, inode) => getAttributes(context, call, inode),
    setAttributes: (call, inode, changes, how) => setAttributes(context, call, inode, changes, how),
    permittedAccess: (call, inode) => permittedAccess(context, call, inode),
    requireAccess: (call, inode, access) => requireAccess(context, call, inode, access),
    lookup: (call, directory, name) => lookup(context, call, directory, name),
    lookupParent: (call, directory) => lookupParent(context, call, directory),
    readDirectory: (call, directory, page) => readDirectory(context, call, directory, page),
    readLink: (call, inode) => readLink(context, call, inode),
    createFile: (call, directory, name, create, changes) =>
      createFile(context, call, directory, name, create, changes),
    createNode: (call, directory, name, node, changes) =>
      createNode(context, call, directory, name, node, changes),
    link: (call, inode, directory, name) => link(context, call, inode, directory, name),
    remove: (call, directory, name) => remove(context, call, directory, name),
    rename: (call, from, to) => rename(context, call, from, to),
    open: (call, inode, access) => open(context, call, inode, access),
    hold: (inode) => hold(context, inode),
    release: (inode) => release(context, inode),
    dropOrphans: () => dropOrphans(context),
    read: (call, inode, offsetBytes, lengthBytes) =>
      read(context, call, inode, offsetBytes, lengthBytes),
    write: (call, inode, offsetBytes, chunks, stability) =>
      write(context, call, inode, offsetBytes, chunks, stability),
    commit: (call, inode) => commit(context, call, inode),
    seek: (call, inode, offsetBytes, what) => seek(context, call, inode, offsetBytes, what),
    allocate: (call, inode, offsetBytes, lengthBytes) =>
      allocate(context, call, inode, offsetBytes, lengthBytes),
    deallocate: (call, inode, offsetBytes, lengthBytes) =>
      deallocate(context, call, inode, offsetBytes, lengthBytes),
    copyRange: (call, from, to, lengthBytes) => copyRange(context, call, from, to, lengthBytes),
    getXattr: (call, inode, name) => getXattr(context, call, inode, name),
    setXattr: (call, inode, attribute) => setXattr(context, call, inode, attribute),
    listXattrs: (call, inode) => listXattrs(context, call, inode),
    removeXattr: (call, inode, name) => removeXattr(context, call, inode, name),
    space: () => context.space.figures(),
    now: () => context.now(),
    setMountGroups: (gids) => context.groups.set(gids),
    async stop() {
      await eviction.stop();
      await swept;
      await state.removalsDone();
    },
  };
}
