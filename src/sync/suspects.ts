import type { InodeRow } from "../cache/inodes.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import { detailOf } from "./attempt-detail.ts";
import { bind, recount } from "./link-binding.ts";
import { dropName, entryAt, repoint, takeName } from "./link-names.ts";
import { linkHeader } from "./link-record.ts";
import type { ListingFindings } from "./listing-changes.ts";
import { addObject, applyAttributes, type SeenObject } from "./remote-change.ts";
import type { SyncContext } from "./sync-context.ts";
import { markHeader } from "./write-mark.ts";

/** Looks at listed objects that only their metadata can explain. */
export class Suspects {
  readonly #context: SyncContext;
  readonly #look: (key: ObjectKey) => Promise<SeenObject | undefined>;
  readonly #buried: () => void;

  /** `buried` is told that something is to be deleted. */
  constructor(
    context: SyncContext,
    look: (key: ObjectKey) => Promise<SeenObject | undefined>,
    buried: () => void,
  ) {
    this.#context = context;
    this.#look = look;
    this.#buried = buried;
  }

  /**
   * Objects under keys that a request of ours was sent to: those that such a request made are removed again. Objects
   * where a file has a further name: the file itself, moved there, or somebody else's, which has the path from now on.
   */
  async judge(directory: InodeNumber, prefix: string, findings: ListingFindings): Promise<void> {
    const context = this.#context;
    for (const { name, object, sequence } of findings.suspects) {
      const seen = await this.#look(object.key);
      if (seen === undefined) continue;
      const first = await this.#firstOf(object.key, seen);
      context.transaction(() => {
        if (context.directoryPrefix(directory) !== prefix) return;
        if (context.touched.isAfter(object.key, sequence)) return;
        this.#judge({ directory, name, key: object.key, first }, seen);
      });
      this.#buried();
    }
  }

  /** The object under the primary name of the file that an object under another of its names says it belongs to. */
  async #firstOf(key: ObjectKey, { info }: SeenObject): Promise<SeenObject | undefined> {
    const { links } = this.#context.state;
    const said = links.namesAt(key).find(({ id }) => info.metadata[linkHeader] === id);
    const primary = said && links.names(said.id).find(({ isPrimary }) => isPrimary)?.key;
    return primary === undefined || primary === key ? undefined : this.#look(primary);
  }

  #judge(
    place: {
      readonly directory: InodeNumber;
      readonly name: FileName;
      readonly key: ObjectKey;
      readonly first: SeenObject | undefined;
    },
    seen: SeenObject,
  ): void {
    const { directory, name, key, first } = place;
    const context = this.#context;
    const { state } = context;
    const entry = state.entries.get(directory, name);
    if (entry !== undefined && !entry.isLink) return;
    // A file, a deletion or a request of ours has to do with it now: the next listing tells more.
    if (state.inodes.byRemoteKey(key).some(({ links }) => links > 0 || entry === undefined)) return;
    if (state.journal.tombstone(key) !== undefined) return;
    if (state.journal.ofKey(key).some((attempt) => attempt.state === "sent")) return;
    const mark = seen.info.metadata[markHeader];
    const isOurs = state.journal.ofKey(key).some((attempt) => mark === detailOf(attempt).mark);
    if (isOurs) {
      context.log.warn("Removing an object that a request of ours made after it was given up", {
        key,
      });
      const { etag, versionId } = seen.info;
      state.journal.bury({ key, etag, versionId, sinceMs: 0 });
      return;
    }
    // Copied by somebody, with our metadata: a move of ours would have a mark of its own.
    const isCopy = first !== undefined && first.info.metadata[markHeader] === mark;
    if (!isCopy && this.#isMoved(place, seen)) return;
    for (const link of state.links.namesAt(key)) {
      if (!link.isPrimary && !link.isShown) dropName(context, link);
    }
    const row = (): InodeRow => state.inodes.get(directory) as InodeRow;
    if (entry !== undefined) {
      context.log.info("An object has the path of a file's further name", { key });
      takeName(context, row(), name);
    }
    const parent = row();
    addObject(context, parent, name, key, seen.info);
    state.inodes.put(parent);
  }

  /** The object of a file with several names that another node has moved to this one, and has not said so yet. */
  #isMoved(
    place: {
      readonly directory: InodeNumber;
      readonly name: FileName;
      readonly key: ObjectKey;
      readonly first: SeenObject | undefined;
    },
    seen: SeenObject,
  ): boolean {
    const context = this.#context;
    const { directory, name, key, first } = place;
    const { links, inodes } = context.state;
    const said = links.namesAt(key).find(({ id }) => seen.info.metadata[linkHeader] === id);
    const link = said === undefined ? undefined : links.get(said.id);
    if (said === undefined || link === undefined) return false;
    const old = links.names(said.id).find(({ isPrimary }) => isPrimary);
    if (inodes.get(link.inode) === undefined) {
      const inode = this.#add(inodes.get(directory) as InodeRow, name, key, seen);
      bind(context, link, inode);
    } else {
      if (!repoint(context, link, key, seen)) return false;
      const found = old === undefined ? undefined : entryAt(context, old.key);
      if (old !== undefined && found?.entry.inode === link.inode && found.entry.isLink) {
        // The name that it was moved away from is none any more; the old object is still there to be seen.
        takeName(context, found.directory, found.entry.name);
        if (first !== undefined) this.#add(found.directory, found.entry.name, old.key, first);
      }
    }
    // S3's record does not say so yet: without a primary name here it counts as wrong, and is written.
    if (old !== undefined) links.deleteName(said.id, old.key);
    links.putName({ ...said, isPrimary: false, isShown: true });
    links.put({ ...(links.get(said.id) ?? link), dirtySinceMs: context.nowMs() });
    recount(context, links.get(said.id)?.inode ?? link.inode);
    context.changed();
    return true;
  }

  #add(directory: InodeRow, name: FileName, key: ObjectKey, seen: SeenObject): InodeNumber {
    const context = this.#context;
    const { inodes } = context.state;
    const inode = addObject(context, directory, name, key, seen.info);
    inodes.put(directory);
    const row = inodes.get(inode) as InodeRow;
    applyAttributes(context, row, seen, { ownership: false, times: false });
    inodes.put(row);
    return inode;
  }
}
