import { markDirty } from "../cache/dirty.ts";
import { dirtyBits, type InodeRow, type RemoteObject } from "../cache/inodes.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { toFsError } from "./fs-error.ts";
import { isSameVersion, remoteObject } from "./object-version.ts";
import { adoptOwn, keepDeleted } from "./own-objects.ts";
import { decodePosix } from "./posix-metadata.ts";
import {
  addObject,
  adoptVersion,
  applyAttributes,
  isUnseen,
  parentOf,
  removeName,
  replaceFile,
  type SeenObject,
  seenType,
} from "./remote-change.ts";
import { Semaphore } from "./semaphore.ts";
import type { SyncContext } from "./sync-context.ts";

/** Longest target of a symlink. */
const maxTargetBytes = 4096;

/**
 * What asking S3 about a file led to: `same` · `changed` the inode shows the new version · `gone` its name is
 * gone · `lost` the base of local changes is gone or another · `overtaken` it was changed here meanwhile.
 */
export type Revalidation = "same" | "changed" | "gone" | "lost" | "overtaken";

/** Asks S3 about single objects and takes over what it says. */
export class Revalidator {
  readonly #context: SyncContext;
  readonly #heads = new Semaphore(32);
  readonly #attributes = new Map<InodeNumber, Promise<void>>();
  readonly #opens = new Map<InodeNumber, Promise<void>>();
  /** Questions for opens that have not been sent yet. */
  readonly #fresh = new Map<InodeNumber, Promise<void>>();
  /** When S3 was last asked about a file to no effect. */
  readonly #askedMs = new Map<InodeNumber, number>();

  constructor(context: SyncContext) {
    this.#context = context;
  }

  /** What S3 says of a key: HEAD, and the target of a symlink; undefined when there is nothing. */
  look(key: ObjectKey): Promise<SeenObject | undefined> {
    const { store, signal } = this.#context;
    return this.#heads.run(1, async () => {
      for (;;) {
        const head = await store.head(key, { signal });
        if (head.kind === "notFound") return undefined;
        const { kind: _, ...info } = head;
        const isSymlink =
          decodePosix(info.metadata).type === "symlink" &&
          info.sizeBytes > 0 &&
          info.sizeBytes <= maxTargetBytes;
        if (!isSymlink) return { info, target: undefined };
        const range = { offsetBytes: 0, lengthBytes: info.sizeBytes, ifMatch: info.etag };
        const body = await store.get(key, range, { signal });
        if (body.kind === "read") return { info, target: body.data };
      }
    });
  }

  /** See `Synchroniser.attributesReady`. */
  attributesReady(inodes: readonly InodeNumber[]): Promise<void> | undefined {
    const waits = inodes
      .filter((inode) => this.#context.state.inodes.get(inode)?.exact === false)
      .map((inode) => this.#once(this.#attributes, inode, () => this.#readAttributes(inode)));
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => {});
  }

  #once(
    running: Map<InodeNumber, Promise<void>>,
    inode: InodeNumber,
    work: () => Promise<void>,
  ): Promise<void> {
    let wait = running.get(inode);
    if (wait === undefined) {
      // Not in this step: the caller may be inside a transaction that will be rolled back.
      wait = this.#context.track(
        Promise.resolve()
          .then(work)
          .finally(() => running.delete(inode)),
      );
      running.set(inode, wait);
    }
    return wait;
  }

  async #readAttributes(inode: InodeNumber): Promise<void> {
    const context = this.#context;
    for (;;) {
      const row = context.state.inodes.get(inode);
      if (row === undefined || row.exact) return;
      const key = row.remote?.key ?? (row.type === "directory" ? context.keyOf(row) : undefined);
      if (key === undefined) {
        context.transaction(() => {
          const now = context.state.inodes.get(inode);
          if (now !== undefined) context.state.inodes.put({ ...now, exact: true });
        });
        return;
      }
      try {
        const seen = await this.look(key);
        if (seen === undefined) await context.recheckLinks(inode);
        if (row.type === "directory") this.#applyMarker(inode, key, seen);
        else if (row.remote !== undefined) this.apply(inode, row.remote, seen);
      } catch (error) {
        throw toFsError(error, `Reading the attributes of inode ${inode} from ${key}`);
      }
    }
  }

  #applyMarker(inode: InodeNumber, key: ObjectKey, seen: SeenObject | undefined): void {
    const context = this.#context;
    context.transaction(() => {
      const row = context.state.inodes.get(inode);
      if (row === undefined) return;
      if (!context.isClean(row) || seen === undefined) {
        row.exact = true;
        if (context.isClean(row)) row.remote = undefined;
      } else {
        row.remote = remoteObject(key, seen.info);
        const { checkedMs } = row; // of a directory: when it was listed
        applyAttributes(context, row, seen, { ownership: false, times: false });
        row.checkedMs = checkedMs;
      }
      context.state.inodes.put(row);
    });
  }

  /** See `Synchroniser.openReady`. */
  openReady(inode: InodeNumber): Promise<void> | undefined {
    const context = this.#context;
    const row = context.state.inodes.get(inode);
    if (row === undefined || row.remote === undefined || row.type === "directory") return undefined;
    if ((row.dirty & (dirtyBits.data | dirtyBits.metadata)) !== 0) return undefined;
    const age = (checkedMs: number): number => context.nowMs() - checkedMs;
    if (age(Math.max(row.checkedMs, this.#askedMs.get(inode) ?? 0)) <= context.freshMs) {
      return undefined;
    }
    const parent = parentOf(context, inode);
    if (
      row.dirty === 0 &&
      parent !== undefined &&
      age(parent.directory.checkedMs) <= context.freshMs
    ) {
      return undefined;
    }
    return this.#revalidateForOpen(inode);
  }

  /** See `Synchroniser.openFresh`. */
  openFresh(inode: InodeNumber): Promise<void> | undefined {
    const row = this.#context.state.inodes.get(inode);
    if (row === undefined || row.remote === undefined || row.type === "directory") return undefined;
    if ((row.dirty & (dirtyBits.data | dirtyBits.metadata)) !== 0) return undefined;
    let next = this.#fresh.get(inode);
    if (next === undefined) {
      // What is under way may have been asked before another node closed its file.
      const running = this.#opens.get(inode) ?? Promise.resolve();
      next = running.then(() => {
        this.#fresh.delete(inode);
        return this.#revalidateForOpen(inode);
      });
      this.#fresh.set(inode, next);
    }
    return next;
  }

  #revalidateForOpen(inode: InodeNumber): Promise<void> {
    const context = this.#context;
    const { remote } = context.state.inodes.get(inode) ?? {};
    return this.#once(this.#opens, inode, async () => {
      try {
        const result = await this.revalidate(inode);
        if (result === "same" || result === "changed") this.#askedMs.delete(inode);
        else this.#asked(inode);
      } catch (error) {
        // The cache answers while S3 does not; what is not cached will fail by itself.
        this.#asked(inode);
        context.log.debug("Cannot revalidate a file", { inode, key: remote?.key, error });
      }
    });
  }

  #asked(inode: InodeNumber): void {
    const nowMs = this.#context.nowMs();
    this.#askedMs.delete(inode);
    this.#askedMs.set(inode, nowMs);
    // In the order of asking: what has grown old is forgotten.
    for (const [oldest, atMs] of this.#askedMs) {
      if (nowMs - atMs <= this.#context.freshMs) break;
      this.#askedMs.delete(oldest);
    }
  }

  /** Asks S3 whether a file's object is still the version that is known. */
  async revalidate(inode: InodeNumber): Promise<Revalidation> {
    const remote = this.#context.state.inodes.get(inode)?.remote;
    if (remote === undefined) return "overtaken";
    const seen = await this.look(remote.key);
    // Another node may have moved the object of a file with several names to another of them.
    if (seen === undefined) await this.#context.recheckLinks(inode);
    return this.apply(inode, remote, seen);
  }

  /** Takes over what S3 said of the object of an inode, which was `asked` when the question was sent. */
  apply(inode: InodeNumber, asked: RemoteObject, seen: SeenObject | undefined): Revalidation {
    const context = this.#context;
    return context.transaction(() => {
      const row = context.state.inodes.get(inode);
      if (row?.remote === undefined || row.type === "directory") return "overtaken";
      const { remote } = row;
      if (remote.key !== asked.key || remote.etag !== asked.etag) return "overtaken";
      const hasEdits =
        (row.dirty & (dirtyBits.data | dirtyBits.metadata)) !== 0 || context.hasLiveAttempt(inode);
      const isSame = seen !== undefined && isSameVersion(remote, seen.info);
      if (!isSame && (hasEdits || row.links === 0)) {
        if (seen !== undefined && adoptOwn(context, row, seen)) return "changed";
        if (row.links === 0) row.remote = undefined; // held only: its base is gone for good
        row.exact = true;
        context.state.inodes.put(row);
        return row.links === 0 ? "gone" : "lost";
      }
      if (seen === undefined) {
        if (keepDeleted(context, row)) return "changed";
        this.#replace(row, undefined);
        return "gone";
      }
      if (
        seenType(seen, context.options.trustObjectModes) !== row.type &&
        (!isUnseen(row) || context.options.statMetadata === "listing") &&
        (!isSame || !row.exact)
      ) {
        // The type of an inode never changes under its users: the name gets a new one.
        this.#replace(row, { key: remote.key, seen });
        return "gone";
      }
      if (!isSame) adoptVersion(context, row, remote.key, seen.info);
      else row.remote = remoteObject(remote.key, seen.info);
      const wasShown = !row.exact && context.options.statMetadata === "listing";
      if (!row.exact || row.headers === undefined) {
        applyAttributes(context, row, seen, {
          ownership: row.exact || (row.dirty & dirtyBits.metadata) !== 0,
          times: row.exact || (row.dirty & (dirtyBits.data | dirtyBits.metadata)) !== 0,
        });
      }
      // Somebody may have seen the defaults.
      if (wasShown) row.change += 1;
      row.checkedMs = context.nowMs();
      context.state.inodes.put(row);
      return isSame ? "same" : "changed";
    });
  }

  /** Takes the name from an inode and gives it to a new one for the object, if there is one. */
  #replace(row: InodeRow, by: { readonly key: ObjectKey; readonly seen: SeenObject } | undefined) {
    const context = this.#context;
    const parent = parentOf(context, row.id);
    if (parent === undefined) return;
    if (by !== undefined && row.links > 1) {
      this.#markMoved(replaceFile(context, row, by.key, by.seen), by.key);
      context.state.inodes.put({ ...row, links: 0, remote: undefined, dirty: 0 });
      context.unlinked(row.id);
      return;
    }
    removeName(context, parent.directory, parent.name);
    if (by !== undefined) {
      const inode = addObject(context, parent.directory, parent.name, by.key, by.seen.info);
      const made = context.state.inodes.get(inode);
      if (made !== undefined) {
        applyAttributes(context, made, by.seen, { ownership: false, times: false });
        this.#markMoved(made, by.key);
      }
    }
    context.state.inodes.put(parent.directory);
    if (row.remote !== undefined) context.touched.touch(row.remote.key);
  }

  /** Under the name that the old file was renamed to, the object of the new one is still to be moved there. Puts the row. */
  #markMoved(made: InodeRow, key: ObjectKey): void {
    const context = this.#context;
    if (context.keyOf(made) !== key) {
      markDirty(made, dirtyBits.name, context.nowMs());
      context.changed();
    }
    context.state.inodes.put(made);
  }
}
