import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type ObjectKey, objectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import { DataFiles } from "./data-files.ts";
import { VolumeDatabase } from "./database.ts";
import { EntryTable } from "./entries.ts";
import { ExtentMap } from "./extents.ts";
import { InodeTable } from "./inodes.ts";
import { Journal } from "./journal.ts";

/** The root directory's inode. */
export const rootInode = 1 as InodeNumber;

/** The name at the volume's root that is ours in the bucket; it never shows in a mount. */
export const reservedName = ".s3files";

/** The directory at the volume's root that keeps local versions S3 has won over; never exported. */
export function lostAndFoundName(volumeId: string): string {
  return `.s3files-lost+found-${volumeId.replaceAll(/[^A-Za-z0-9._-]/g, "-").slice(0, 100)}`;
}

/** Names that stay on this node: what the Linux client renames an open file to, and lost+found. */
export function isLocalName(name: FileName, atRoot: boolean): boolean {
  return /^\.nfs[0-9a-f]{24}$/.test(name) || (atRoot && name.startsWith(".s3files-lost+found-"));
}

/**
 * Everything of one volume on this node's disk, below one folder: `volume.db` (with its log) and `data/`.
 * The parts share one database: a change of several of them belongs in one `db.transaction`.
 */
export class VolumeState {
  readonly db: VolumeDatabase;
  readonly inodes: InodeTable;
  readonly entries: EntryTable;
  readonly extents: ExtentMap;
  readonly journal: Journal;
  readonly files: DataFiles;
  /** Key prefix of the volume: empty or ending in `/`. */
  readonly prefix: string;

  /** Opens or makes the state in `folder`. @throws {CacheError} inUse, newerFormat, foreign. */
  constructor(options: {
    readonly folder: string;
    readonly prefix: string;
    /** Identifies this boot of the machine (`/proc/sys/kernel/random/boot_id`). */
    readonly bootId: string;
  }) {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    this.prefix = options.prefix;
    this.db = new VolumeDatabase(join(options.folder, "volume.db"), options.bootId);
    this.inodes = new InodeTable(this.db);
    this.entries = new EntryTable(this.db);
    this.extents = new ExtentMap(this.db);
    this.journal = new Journal(this.db);
    this.files = new DataFiles(join(options.folder, "data"));
  }

  /** The key that a name in a directory stands for; undefined below a local name or when too long (1,024 bytes). */
  childKey(directory: InodeNumber, name: FileName, isDirectory: boolean): ObjectKey | undefined {
    const path = this.entries.path(directory, rootInode);
    if (path === undefined) return undefined;
    const names = [...path, name];
    if (names.some((part, depth) => isLocalName(part, depth === 0))) return undefined;
    const key = `${this.prefix}${names.join("/")}${isDirectory ? "/" : ""}`;
    return Buffer.byteLength(key) > 1024 ? undefined : objectKey(key);
  }

  /** The key that an inode's path stands for now; undefined for the root, local names and what has no name. */
  keyOf(inode: InodeNumber, isDirectory: boolean): ObjectKey | undefined {
    const parent = this.entries.parent(inode);
    return parent === undefined
      ? undefined
      : this.childKey(parent.directory, parent.name, isDirectory);
  }

  /** Removes the cache files of an inode that nothing refers to. To be called after the transaction. */
  removeUnusedFiles(inode: InodeNumber, generations: Iterable<number>): void {
    const used = this.extents.usedGenerations(inode);
    const row = this.inodes.get(inode);
    for (const generation of generations) {
      if (used.has(generation) || generation === row?.writeGeneration) continue;
      this.files.remove(inode, generation);
    }
  }

  /** Removes all cache files that nothing refers to: at start, before anything is served. */
  sweepFiles(): void {
    const used = new Map<InodeNumber, Set<number>>();
    for (const { inode, generation } of this.files.list()) {
      let generations = used.get(inode);
      if (generations === undefined) {
        generations = this.extents.usedGenerations(inode);
        used.set(inode, generations);
      }
      if (!generations.has(generation)) this.files.remove(inode, generation);
    }
  }

  async close(): Promise<void> {
    this.files.close();
    await this.db.close();
  }
}
