import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Log, silentLog } from "../base/log.ts";
import { type ObjectKey, objectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import { Ballast } from "./ballast.ts";
import { DataFiles } from "./data-files.ts";
import { VolumeDatabase } from "./database.ts";
import { EntryTable } from "./entries.ts";
import { ExtentMap } from "./extents.ts";
import { InodeTable } from "./inodes.ts";
import { Journal } from "./journal.ts";
import { LinkTable } from "./links.ts";

/** The root directory's inode. */
export const rootInode = 1 as InodeNumber;

/** The name at the volume's root that is ours in the bucket; it never shows in a mount. */
export const reservedName = ".s3files";

/** The directory at the volume's root that keeps local versions S3 has won over; never exported. */
export function lostAndFoundName(volumeId: string): string {
  return `.s3files-lost+found-${volumeId.replaceAll(/[^A-Za-z0-9._-]/g, "-").slice(0, 100)}`;
}

/** What the Linux client renames an open file to before it renames another over it (fs/nfs/dir.c). */
export function isSetAsideName(name: FileName): boolean {
  return /^\.nfs[0-9a-f]{24}$/.test(name);
}

/** Names that stay on this node: what the Linux client renames an open file to, and lost+found. */
export function isLocalName(name: FileName, atRoot: boolean): boolean {
  return isSetAsideName(name) || (atRoot && name.startsWith(".s3files-lost+found-"));
}

/**
 * What a name in a directory stands for: an object, something that stays on this node, the name that is ours
 * in the bucket, a key over 1,024 bytes, or nothing, because the directory itself has no name any more.
 */
export type Place =
  | { readonly kind: "object"; readonly key: ObjectKey }
  | { readonly kind: "local" | "reserved" | "tooLong" | "nameless" };

/**
 * Everything of one volume on this node's disk, below one folder: `volume.db` (with its log), `data/`
 * and `ballast`.
 * The parts share one database: a change of several of them belongs in one `db.transaction`.
 */
export class VolumeState {
  readonly db: VolumeDatabase;
  readonly inodes: InodeTable;
  readonly entries: EntryTable;
  readonly links: LinkTable;
  readonly extents: ExtentMap;
  readonly journal: Journal;
  readonly files: DataFiles;
  /** Room for the moment when the disk is full; not taken until asked for. */
  readonly ballast: Ballast;
  /** Key prefix of the volume: empty or ending in `/`. */
  readonly prefix: string;
  /** Lost+found is a directory like any other, and goes to the bucket; else it stays on this node. */
  readonly exportsLostAndFound: boolean;
  readonly #log: Log;
  readonly #garbage = new Map<InodeNumber, Set<number>>();
  #collecting: Promise<void> | undefined;
  #closed = false;

  /** Opens or makes the state in `folder`. @throws {CacheError} inUse, newerFormat, foreign. */
  constructor(options: {
    readonly folder: string;
    readonly prefix: string;
    /** Identifies this boot of the machine (`/proc/sys/kernel/random/boot_id`). */
    readonly bootId: string;
    readonly log?: Log;
    /** Size of the ballast; absent: 8 MiB. */
    readonly ballastBytes?: number;
    /** Absent: false. */
    readonly exportsLostAndFound?: boolean;
  }) {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    this.prefix = options.prefix;
    this.exportsLostAndFound = options.exportsLostAndFound ?? false;
    this.#log = options.log ?? silentLog;
    this.db = new VolumeDatabase(join(options.folder, "volume.db"), options.bootId);
    this.inodes = new InodeTable(this.db);
    this.entries = new EntryTable(this.db);
    this.links = new LinkTable(this.db);
    this.extents = new ExtentMap(this.db);
    this.journal = new Journal(this.db);
    this.files = new DataFiles(join(options.folder, "data"));
    this.ballast = new Ballast(join(options.folder, "ballast"), options.ballastBytes ?? 8 << 20);
  }

  /** Whether a name stays on this node, see {@link isLocalName}. */
  isLocal(name: FileName, atRoot: boolean): boolean {
    return isLocalName(name, atRoot && !this.exportsLostAndFound);
  }

  /** What `name` in `directory` stands for. */
  place(directory: InodeNumber, name: FileName, isDirectory: boolean): Place {
    const path = this.entries.path(directory, rootInode);
    if (path === undefined) return { kind: "nameless" };
    const names = [...path, name];
    if (names[0] === reservedName) return { kind: "reserved" };
    if (names.some((part, depth) => this.isLocal(part, depth === 0))) return { kind: "local" };
    const key = `${this.prefix}${names.join("/")}${isDirectory ? "/" : ""}`;
    if (Buffer.byteLength(key) > 1024) return { kind: "tooLong" };
    return { kind: "object", key: objectKey(key) };
  }

  /** The key that a name in a directory stands for; undefined below a local name or when too long (1,024 bytes). */
  childKey(directory: InodeNumber, name: FileName, isDirectory: boolean): ObjectKey | undefined {
    const place = this.place(directory, name, isDirectory);
    return place.kind === "object" ? place.key : undefined;
  }

  /** The key that an inode's primary name stands for now; undefined for the root, local names and what has no name. */
  keyOf(inode: InodeNumber, isDirectory: boolean): ObjectKey | undefined {
    const parent = this.entries.parent(inode);
    return parent === undefined
      ? undefined
      : this.childKey(parent.directory, parent.name, isDirectory);
  }

  /**
   * Removes those of an inode's cache files that nothing refers to, in the background: after the transaction
   * under way, and not before all that was committed is on the disk, so that a power cut cannot bring back
   * extents of a file that is gone. The files that take new data, of writes and of fetches, are left alone:
   * to give up one of them, take another generation first.
   */
  removeUnusedFiles(inode: InodeNumber, generations: Iterable<number>): void {
    const wanted = [...generations].filter((generation) => generation > 0);
    this.db.afterCommit(() => {
      if (this.#closed) return;
      // By what is committed now: a later transaction that lets go of one more is synced later, too.
      const used = this.#usedFiles(inode);
      const unused = wanted.filter((generation) => !used.has(generation));
      if (unused.length === 0) return;
      const known = this.#garbage.get(inode) ?? new Set();
      this.#garbage.set(inode, known);
      for (const generation of unused) known.add(generation);
      this.#collecting ??= this.#collect();
    });
  }

  async #collect(): Promise<void> {
    try {
      while (this.#garbage.size > 0) {
        const batch = [...this.#garbage];
        this.#garbage.clear();
        await this.db.sync();
        for (const [inode, generations] of batch) {
          const used = this.#usedFiles(inode);
          for (const generation of generations) {
            if (!used.has(generation)) this.files.remove(inode, generation);
          }
        }
      }
    } catch (error) {
      // The sweep at the next start removes what is left.
      this.#log.error("Cannot remove cache files", { error });
    } finally {
      this.#collecting = undefined;
    }
  }

  /**
   * Syncs a cache file, see {@link DataFiles.sync}. One that was given up and removed meanwhile has nothing
   * to be synced.
   */
  async syncFile(inode: InodeNumber, generation: number): Promise<void> {
    try {
      await this.files.sync(inode, generation);
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (!isMissing || this.#usedFiles(inode).has(generation)) throw error;
    }
  }

  #usedFiles(inode: InodeNumber): Set<number> {
    const used = this.extents.usedGenerations(inode);
    const row = this.inodes.get(inode);
    return row === undefined ? used : used.add(row.writeGeneration).add(row.fetchGeneration);
  }

  /** Resolves when the removals asked for so far have been made or have failed. */
  async removalsDone(): Promise<void> {
    await Promise.resolve();
    while (this.#collecting !== undefined) await this.#collecting;
  }

  /** Removes all cache files that nothing refers to: what a killed predecessor left. In small steps, at any time. */
  async sweepFiles(): Promise<void> {
    let seen = 0;
    for (const { inode, generation } of this.files.list()) {
      this.removeUnusedFiles(inode, [generation]);
      seen += 1;
      if (seen % 256 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await this.removalsDone();
  }

  /** Finishes removals, syncs and closes. */
  async close(): Promise<void> {
    await this.removalsDone();
    this.#closed = true;
    this.files.close();
    this.ballast.close();
    await this.db.close();
  }
}
