import type { InodeNumber } from "../vfs/attributes.ts";

/**
 * What the file system asks of the engine that keeps it and the bucket one truth. The `…Ready` calls answer at
 * once with undefined when nothing has to be waited for, else with a promise after which the question should be
 * asked again. Their promises reject with `FsError` (IO, DELAY, ACCESS) when S3's answer is needed and does not come;
 * whatever the cache can answer alone stays undefined while S3 is away.
 */
export interface Synchroniser {
  /** The directory's names are known. A listing older than `revalidateAfter` is renewed in the background. */
  directoryReady(directory: InodeNumber): Promise<void> | undefined;
  /** The names of the directory and of all directories below it are known: before a rename of it. */
  subtreeReady(directory: InodeNumber): Promise<void> | undefined;
  /** Every name of the file is known: before one of several is taken away. */
  linksReady(inode: InodeNumber): Promise<void> | undefined;
  /** Mode, owner and times of these inodes are the objects' own. */
  attributesReady(inodes: readonly InodeNumber[]): Promise<void> | undefined;
  /** The file's remote version was confirmed within `revalidateAfter`, or S3 cannot be asked: before an open. */
  openReady(inode: InodeNumber): Promise<void> | undefined;
  /** Like {@link openReady}, but S3 is asked now: undefined only where the file has nothing to ask about. */
  openFresh(inode: InodeNumber): Promise<void> | undefined;
  /**
   * The file's object can be read, as far as its bytes are not here: before an open. Rejects with `FsError`: ACCESS for an
   * archived object, DELAY while it is being restored. Without it, nothing is ever archived.
   */
  archiveReady?(inode: InodeNumber): Promise<void> | undefined;
  /**
   * The file as it is now is in S3; undefined when it is already, or has no place there. Rejects with `FsError`: DELAY
   * while S3 does not answer, ACCESS when it refuses, IO when S3 has won a conflict over the file.
   */
  exported(inode: InodeNumber): Promise<void> | undefined;
  /** Fetches `[start, end)`, which is absent, into the cache and its extents (more may come with it). */
  fetch(inode: InodeNumber, start: number, end: number): Promise<void>;
  /** Reads `[start, end)`, which is absent, without keeping it on the disk (cache mode metadata-only). */
  readThrough(inode: InodeNumber, start: number, end: number): Promise<Uint8Array>;
  /** Says, after its transaction, that an inode or a tombstone has something for S3: the export is scheduled. */
  changed(): void;
  /**
   * Registers who decides about a file that lost its name by a change at S3 (`links` is 0 and the entry is gone
   * then): called inside that transaction; it drops the inode unless it is in use. Without one, it is dropped.
   */
  whenUnlinked?(drop: (inode: InodeNumber) => void): void;
  /** Says that writers wait for room on the disk: what is waiting for its quiet time should be exported now. */
  spaceWanted?(): void;
}
