import { buryObject } from "../cache/dirty.ts";
import { dirtyBits, type InodeRow, type RemoteObject } from "../cache/inodes.ts";
import { lostAndFound, recordLoss } from "../cache/lost-and-found.ts";
import { addName } from "../cache/names.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { type FileName, fileName } from "../vfs/name.ts";
import type { Attempts } from "./attempts.ts";
import type { Bases } from "./bases.ts";
import { resolveConflict } from "./conflict.ts";
import { takeName } from "./link-names.ts";
import { isSameVersion, remoteObject } from "./object-version.ts";
import { adoptOwn, keepDeleted } from "./own-objects.ts";
import {
  addObject,
  applyAttributes,
  changeDirectory,
  parentOf,
  removeName,
  removeOthers,
  replaceFile,
  type SeenObject,
} from "./remote-change.ts";
import type { Revalidator } from "./revalidator.ts";
import type { SyncContext } from "./sync-context.ts";

const counterName = "conflicts";

/** The name a local version gets in lost+found: unique, and at most 255 bytes. */
export function lostName(inode: InodeNumber, name: FileName): FileName {
  let text = `${inode.toString(16).padStart(10, "0")}_${name}`;
  while (Buffer.byteLength(text) > 255) text = [...text].slice(0, -1).join("");
  return fileName(Buffer.from(text));
}

function lossReason(
  base: RemoteObject | undefined,
  key: ObjectKey,
  seen: SeenObject | undefined,
): string {
  if (base !== undefined && base.key !== key) return "edited and renamed here, changed at S3";
  if (seen === undefined) return "edited here, deleted at S3";
  return base === undefined ? "made here and at S3" : "edited here and at S3";
}

/** Carries out what becomes of a file that S3 has in another state than we knew. */
export class Conflicts {
  readonly #context: SyncContext;
  readonly #revalidator: Revalidator;
  readonly #attempts: Attempts;
  readonly #bases: Bases;

  constructor(
    context: SyncContext,
    parts: {
      readonly revalidator: Revalidator;
      readonly attempts: Attempts;
      readonly bases: Bases;
    },
  ) {
    this.#context = context;
    this.#revalidator = parts.revalidator;
    this.#attempts = parts.attempts;
    this.#bases = parts.bases;
  }

  /** Local versions moved to lost+found since the volume was made. */
  get count(): number {
    return this.#context.state.db.counter(counterName, 0);
  }

  /**
   * Settles that `key`, where the inode belongs, is in a state that we did not expect: `seen`, or nothing. The
   * caller holds the inode's lock.
   */
  async resolve(inode: InodeNumber, key: ObjectKey, seen: SeenObject | undefined): Promise<void> {
    const context = this.#context;
    const { state } = context;
    const row = state.inodes.get(inode);
    if (row === undefined || context.keyOf(row) !== key) return;
    const isMoved = row.remote !== undefined && row.remote.key !== key;
    const resolution = resolveConflict({
      verdict: seen === undefined ? "deleted" : "foreign",
      type: row.type,
      isEdited: (row.dirty & dirtyBits.data) !== 0 || row.remote === undefined,
      isMoved,
      needsBase: row.type === "file" && context.absentRanges(row).length > 0,
    });
    context.log.info("Settling a conflict with S3", { inode, key, resolution });
    switch (resolution) {
      case "recreate":
        if (!isMoved) await this.#bases.detach(inode, key, { bury: false });
        context.transaction(() => state.journal.unbury(key));
        return;
      case "adopt":
        this.#adopt(inode, key, seen);
        return;
      case "remove":
        if (context.transaction(() => keepDeleted(context, row))) return;
        this.#leave(inode, undefined, "remove");
        return;
      case "giveWay":
        this.#leave(inode, seen === undefined ? undefined : { key, seen }, "giveWay");
        return;
      case "lostAndFound":
        await this.#toLostAndFound(inode, key, seen);
        return;
    }
  }

  /**
   * Settles that the base object of a file with local changes is gone or replaced, if it is. The caller holds the
   * inode's lock.
   */
  async baseGone(inode: InodeNumber): Promise<void> {
    const context = this.#context;
    const { state } = context;
    await this.#attempts.settleAll(inode);
    const { remote } = state.inodes.get(inode) ?? {};
    if (remote === undefined) return;
    const seen = await this.#revalidator.look(remote.key);
    if (seen === undefined) await context.recheckLinks(inode);
    const row = state.inodes.get(inode);
    if (row?.remote?.key !== remote.key || row.remote.etag !== remote.etag) return;
    if (seen !== undefined) {
      if (isSameVersion(remote, seen.info)) return;
      // A request of ours that arrived late: what was not edited is the same in it.
      if (context.transaction(() => adoptOwn(context, row, seen))) return;
    }
    const key = context.keyOf(row);
    if (key === remote.key) {
      await this.resolve(inode, key, seen);
    } else if (key !== undefined && (row.dirty & dirtyBits.data) !== 0) {
      // Moved and edited here, changed there: nothing of S3 is under our name.
      await this.#toLostAndFound(inode, key, undefined);
    } else {
      context.transaction(() => {
        const now = state.inodes.get(inode);
        if (now !== undefined) state.inodes.put({ ...now, dirty: now.dirty & ~dirtyBits.metadata });
      });
      this.#revalidator.apply(inode, remote, seen);
    }
  }

  #adopt(inode: InodeNumber, key: ObjectKey, seen: SeenObject | undefined): void {
    const context = this.#context;
    const { state } = context;
    if (seen === undefined) return;
    context.transaction(() => {
      const row = state.inodes.get(inode);
      if (row === undefined) return;
      row.dirty = 0;
      state.journal.unbury(key);
      if (row.remote !== undefined && row.remote.key !== key) {
        buryObject(state, row, context.nowMs());
      }
      if (row.type === "directory" || row.remote === undefined) {
        row.remote = remoteObject(key, seen.info);
        const { checkedMs } = row;
        applyAttributes(context, row, seen, { ownership: false, times: false });
        if (row.type === "directory") row.checkedMs = checkedMs;
        row.change += 1;
        state.inodes.put(row);
        return;
      }
      state.inodes.put(row);
      this.#revalidator.apply(inode, row.remote, seen);
    });
  }

  /** Takes the inode's name, for S3's object if there is one. */
  #leave(
    inode: InodeNumber,
    by: { readonly key: ObjectKey; readonly seen: SeenObject } | undefined,
    how: "remove" | "giveWay",
  ): void {
    const context = this.#context;
    const { state } = context;
    context.transaction(() => {
      const parent = parentOf(context, inode);
      const row = state.inodes.get(inode);
      if (parent === undefined || row === undefined) return;
      if (how === "giveWay" && this.#keepOthers(row, parent, by)) return;
      if (how === "remove") {
        removeName(context, parent.directory, parent.name);
      } else {
        // Its object is still where it was before the rename, and will be found there as a new file.
        state.entries.remove(parent.directory.id, parent.name);
        changeDirectory(context, parent.directory);
        row.links = 0;
        row.dirty = 0;
        row.change += 1;
        row.changeTime = context.now();
        state.inodes.put(row);
        context.unlinked(inode);
        const old = row.remote === undefined ? undefined : this.#directoryOf(row.remote.key);
        if (old !== undefined && old.id !== parent.directory.id) {
          state.inodes.put({ ...old, checkedMs: 0 });
        } else {
          parent.directory.checkedMs = 0;
        }
      }
      if (by !== undefined) this.#place(parent.directory, parent.name, by);
      state.inodes.put(parent.directory);
    });
  }

  /** A file with other names goes on under those; S3's object, if there is one, has the path. */
  #keepOthers(
    row: InodeRow,
    parent: { readonly directory: InodeRow; readonly name: FileName },
    by: { readonly key: ObjectKey; readonly seen: SeenObject } | undefined,
  ): boolean {
    const { state } = this.#context;
    if (row.links <= 1 || state.entries.ofInode(row.id).length <= 1) return false;
    // What has come to an earlier name takes none away that nothing has the path of.
    if (by === undefined) return true;
    takeName(this.#context, parent.directory, parent.name);
    this.#place(parent.directory, parent.name, by);
    state.inodes.put(parent.directory);
    return true;
  }

  #directoryOf(key: ObjectKey): InodeRow | undefined {
    const cut = key.lastIndexOf("/");
    return cut === -1 ? undefined : this.#context.inodeAt(key.slice(0, cut + 1) as ObjectKey);
  }

  /** Gives S3's object a name of its own. The caller puts `directory`. */
  #place(
    directory: InodeRow,
    name: FileName,
    { key, seen }: { readonly key: ObjectKey; readonly seen: SeenObject },
  ): void {
    const context = this.#context;
    context.state.journal.unbury(key);
    const made = context.state.inodes.get(addObject(context, directory, name, key, seen.info));
    if (made === undefined) return;
    applyAttributes(context, made, seen, { ownership: false, times: false });
    context.state.inodes.put(made);
    context.touched.touch(key);
  }

  #buryOld(remote: RemoteObject | undefined): void {
    if (remote === undefined) return;
    const { state } = this.#context;
    const { key, etag, versionId } = remote;
    if (state.journal.tombstone(key) !== undefined) return;
    if (state.inodes.byRemoteKey(key).some(({ links }) => links > 0)) return;
    state.journal.bury({ key, etag, versionId, sinceMs: this.#context.nowMs() });
    this.#context.changed();
  }

  /** The local version goes to lost+found, with its inode and all who hold it; the path shows S3's object. */
  async #toLostAndFound(
    inode: InodeNumber,
    key: ObjectKey,
    seen: SeenObject | undefined,
  ): Promise<void> {
    const context = this.#context;
    const { state, options } = context;
    const { remote } = state.inodes.get(inode) ?? {};
    // From here on the cache is all there is: fetch what S3 still gives, and sync it.
    if (remote !== undefined) await this.#bases.detach(inode, remote.key, { bury: false });
    else await this.#bases.secure(inode);
    context.transaction(() => {
      const row = state.inodes.get(inode);
      if (row === undefined || context.keyOf(row) !== key) {
        // Renamed meanwhile: it has nothing to do with the conflict any more, and its old object is to go.
        this.#buryOld(remote);
        return;
      }
      const by = seen === undefined ? undefined : { key, seen };
      const above = parentOf(context, inode);
      // What was changed at S3 is not the file itself: it goes on under its other names.
      if (remote?.key !== key && above !== undefined && this.#keepOthers(row, above, by)) {
        this.#buryOld(remote);
        return;
      }
      const directory = lostAndFound(state, options.volumeId, context.now());
      const parent = parentOf(context, inode);
      if (parent === undefined) return;
      if (row.links > 1 && seen !== undefined) {
        state.journal.unbury(key);
        replaceFile(context, row, key, seen);
      } else {
        state.entries.remove(parent.directory.id, parent.name);
        changeDirectory(context, parent.directory);
        removeOthers(context, row, parent.directory);
        if (by !== undefined) this.#place(parent.directory, parent.name, by);
        state.inodes.put(parent.directory);
      }
      // Only now: the file may have been there already, or one of its names.
      const found = state.inodes.get(directory);
      if (found === undefined) throw new Error(`Lost+found, inode ${directory}, is gone`);
      row.links = 1;
      const name = lostName(inode, parent.name);
      addName(state, found, name, row, context.now());
      if (!state.exportsLostAndFound) row.dirty |= dirtyBits.local;
      row.change += 1;
      row.changeTime = context.now();
      state.inodes.put(row);
      recordLoss(state, inode, {
        ...{ key, reason: lossReason(remote, key, seen), atMs: context.nowMs() },
        ...(remote === undefined ? {} : { baseEtag: remote.etag }),
        ...(seen === undefined ? {} : { wonEtag: seen.info.etag }),
      });
      context.changed();
      state.db.setCounter(counterName, state.db.counter(counterName, 0) + 1);
      context.log.warn("S3 has won a conflict: the local version is in lost+found", {
        inode,
        key,
        name,
      });
    });
  }
}
