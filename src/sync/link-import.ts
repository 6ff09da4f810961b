import { type LinkName, noInode } from "../cache/links.ts";
import { rootInode } from "../cache/volume-state.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import { toFsError } from "./fs-error.ts";
import { retire } from "./link-binding.ts";
import { directoryOf, dropName, showName } from "./link-names.ts";
import type { LinkRecords } from "./link-records.ts";
import { addDirectory, type SeenObject } from "./remote-change.ts";
import type { SyncContext } from "./sync-context.ts";

/** Names shown in one transaction. */
const batch = 100;

/** Shows the names that records at S3 tell of, in directories as they become known. */
export class LinkImport {
  readonly #context: SyncContext;
  readonly #records: LinkRecords;
  readonly #look: (key: ObjectKey) => Promise<SeenObject | undefined>;
  readonly #objects: (directory: InodeNumber) => Promise<void>;

  /** `objects` lists the objects of a directory, whether it is known already or not. */
  constructor(
    context: SyncContext,
    parts: {
      readonly records: LinkRecords;
      readonly look: (key: ObjectKey) => Promise<SeenObject | undefined>;
      readonly objects: (directory: InodeNumber) => Promise<void>;
    },
  ) {
    this.#context = context;
    this.#records = parts.records;
    this.#look = parts.look;
    this.#objects = parts.objects;
  }

  /** What S3's records say is known; before a listing. */
  fresh(): Promise<void> {
    return this.#records.fresh();
  }

  /** See `Synchroniser.linksReady`. */
  linksReady(inode: InodeNumber): Promise<void> | undefined {
    const context = this.#context;
    const { links } = context.state;
    if (links.unshownOf(inode).length === 0) return undefined;
    const work = async (): Promise<void> => {
      const reached = new Set<InodeNumber>();
      for (const name of links.unshownOf(inode)) {
        await this.reach(name.key, reached);
        context.transaction(() => {
          // What has no place here is no name: nothing is to wait for it for ever.
          if (!showName(context, name)) dropName(context, name);
        });
      }
    };
    return context.track(
      Promise.resolve()
        .then(work)
        .catch((error: unknown) => {
          throw toFsError(error, `Looking for the other names of inode ${inode}`);
        }),
    );
  }

  /** Makes known what the directories on the way to a key contain; `reached`: those that need no listing any more. */
  async reach(key: ObjectKey, reached: Set<InodeNumber> = new Set()): Promise<void> {
    const { inodes, entries, prefix } = this.#context.state;
    const parts = key.slice(prefix.length).split("/").slice(0, -1);
    let at: InodeNumber = rootInode;
    for (let depth = 0; ; depth++) {
      const row = inodes.get(at);
      if (row?.type !== "directory") return;
      if (!row.imported && !reached.has(at)) {
        await this.#objects(at);
        reached.add(at);
      }
      const part = parts[depth];
      const entry = part === undefined ? undefined : entries.get(at, part as FileName);
      if (entry === undefined) return;
      at = entry.inode;
    }
  }

  /** Shows the names in a directory whose objects have just been listed. Returns the directories that names imply. */
  async showIn(directory: InodeNumber, prefix: string): Promise<readonly FileName[]> {
    const context = this.#context;
    const { names, directories } = context.state.links.unshownIn(prefix);
    const implied = directories as FileName[];
    if (implied.length > 0) {
      context.transaction(() => {
        const row = context.state.inodes.get(directory);
        if (row === undefined || context.directoryPrefix(directory) !== prefix) return;
        const before = row.change;
        for (const name of implied) {
          if (context.state.entries.get(directory, name) === undefined) {
            addDirectory(context, row, name);
          }
        }
        if (row.change !== before) context.state.inodes.put(row);
      });
    }
    await this.#showAll(names, new Set([directory]));
    return implied;
  }

  /** A file with several names that a listing lacks may have been moved to another of them: its record tells. */
  async recheckUnseen(
    directory: InodeNumber,
    prefix: string,
    seen: ReadonlySet<FileName>,
  ): Promise<void> {
    const { links, entries, inodes } = this.#context.state;
    if (!links.isUsed) return;
    for (let after = 0; ; ) {
      const page = entries.page(directory, after, 500);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.cookie;
      for (const { name, inode, isLink } of page) {
        if (isLink || seen.has(name)) continue;
        if (inodes.get(inode)?.remote?.key === prefix + name) await this.#records.recheck(inode);
      }
    }
  }

  /** Shows all names below a prefix; `reached`: directories whose objects are known. */
  async showBelow(prefix: string, reached: ReadonlySet<InodeNumber>): Promise<void> {
    await this.#showAll(this.#context.state.links.unshownBelow(prefix), new Set(reached));
  }

  async #showAll(names: readonly LinkName[], reached: Set<InodeNumber>): Promise<void> {
    const context = this.#context;
    for (let at = 0; at < names.length; at += batch) {
      const some = names.slice(at, at + batch);
      for (const name of some) {
        const primary = this.#primaryOf(name.id);
        if (primary !== undefined) await this.reach(primary, reached);
      }
      const left = context.transaction(() => some.filter((name) => !showName(context, name)));
      for (const name of left) await this.#showLater(name);
      // Nothing of it need have waited for anything: others have their turn between.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #primaryOf(id: string): ObjectKey | undefined {
    return this.#context.state.links.names(id).find(({ isPrimary }) => isPrimary)?.key;
  }

  /** A name whose file no listing has shown: it is new there, or gone. */
  async #showLater(name: LinkName): Promise<void> {
    const context = this.#context;
    const { links } = context.state;
    const primary = this.#primaryOf(name.id);
    if (primary === undefined) return;
    if ((await this.#look(primary)) !== undefined) {
      // Newer than what is known of its directory.
      const directory = directoryOf(context, primary, false);
      if (directory !== undefined) await this.#objects(directory.id);
      context.transaction(() => showName(context, name));
      return;
    }
    await this.#records.recheckId(name.id);
    context.transaction(() => {
      const link = links.get(name.id);
      if (link?.inode !== noInode || this.#primaryOf(name.id) !== primary) return;
      context.log.info("The object of a file with several names is gone, and they with it", {
        key: primary,
      });
      retire(context, link);
    });
  }
}
