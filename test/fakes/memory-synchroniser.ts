import { buryObject, markDirty } from "../../src/cache/dirty.ts";
import type { WritesInFlight } from "../../src/cache/in-flight.ts";
import { dirtyBits, type InodeRow } from "../../src/cache/inodes.ts";
import { addName, removeName } from "../../src/cache/names.ts";
import { newInode } from "../../src/cache/new-inode.ts";
import { rootInode, type VolumeState } from "../../src/cache/volume-state.ts";
import { type ETag, objectKey } from "../../src/s3/object-store.ts";
import type { Synchroniser } from "../../src/sync/synchroniser.ts";
import type { InodeNumber } from "../../src/vfs/attributes.ts";
import { FsError } from "../../src/vfs/error.ts";
import { fileName } from "../../src/vfs/name.ts";

const epoch = { seconds: 1_700_000_000, nanoseconds: 0 };

/**
 * A bucket in memory and the engine between it and a volume's state, as simple as can be: nothing happens by
 * itself, one export at a time, and old versions of objects stay readable.
 */
export class MemorySynchroniser implements Synchroniser {
  readonly #state: VolumeState;
  readonly #writes: WritesInFlight;
  /** What a client of the bucket sees. */
  readonly objects = new Map<string, { readonly etag: ETag; readonly bytes: Uint8Array }>();
  readonly #versions = new Map<string, Uint8Array>();
  /** Ranges that were asked for. */
  readonly asked: { readonly inode: InodeNumber; readonly start: number; readonly end: number }[] =
    [];
  changes = 0;
  /** Set: every question to the bucket fails. */
  down = false;
  #etags = 0;

  constructor(state: VolumeState, writes: WritesInFlight, bucket?: MemorySynchroniser) {
    this.#state = state;
    this.#writes = writes;
    if (bucket === undefined) return;
    this.objects = bucket.objects;
    this.#versions = bucket.#versions;
    this.#etags = bucket.#etags + 1_000_000;
  }

  directoryReady(): undefined {
    return undefined;
  }
  subtreeReady(): undefined {
    return undefined;
  }
  linksReady(): undefined {
    return undefined;
  }
  attributesReady(): undefined {
    return undefined;
  }
  openReady(): undefined {
    return undefined;
  }
  openFresh(): undefined {
    return undefined;
  }
  exported(): undefined {
    return undefined;
  }
  changed(): void {
    this.changes += 1;
  }

  #base(inode: InodeNumber, start: number, end: number): { row: InodeRow; bytes: Uint8Array } {
    this.asked.push({ inode, start, end });
    if (this.down) throw new FsError("IO", "The bucket does not answer");
    const row = this.#state.inodes.get(inode);
    const bytes = this.#versions.get(row?.remote?.etag ?? "");
    if (row === undefined || bytes === undefined) throw new FsError("STALE", `No object ${inode}`);
    return { row, bytes };
  }

  async fetch(inode: InodeNumber, start: number, end: number): Promise<void> {
    const { row, bytes } = this.#base(inode, start, end);
    const { fetchGeneration, remote } = row;
    await this.#state.files.write(inode, fetchGeneration, start, [bytes.subarray(start, end)]);
    this.#state.db.transaction(() => {
      const now = this.#state.inodes.get(inode);
      if (now?.remote?.etag !== remote?.etag || now === undefined) return;
      const to = Math.min(end, now.baseSizeBytes);
      if (start < to) this.#state.extents.addClean(inode, start, to, fetchGeneration);
    });
  }

  async readThrough(inode: InodeNumber, start: number, end: number): Promise<Uint8Array> {
    const { bytes } = this.#base(inode, start, end);
    await Promise.resolve();
    return bytes.slice(start, end);
  }

  #store(key: string, bytes: Uint8Array): ETag {
    const etag = `"${++this.#etags}"` as ETag;
    this.objects.set(key, { etag, bytes });
    this.#versions.set(etag, bytes);
    return etag;
  }

  /** Another client puts an object, and the volume learns of it. False when local changes are in the way. */
  putRemote(path: string, bytes: Uint8Array): boolean {
    const state = this.#state;
    return state.db.transaction(() => {
      const names = path.split("/").map((name) => fileName(Buffer.from(name)));
      let directory = state.inodes.get(rootInode) as InodeRow;
      for (const [depth, name] of names.entries()) {
        const isLast = depth === names.length - 1;
        const entry = state.entries.get(directory.id, name);
        let row = entry === undefined ? undefined : (state.inodes.get(entry.inode) as InodeRow);
        if (row !== undefined && (row.type === "directory") === isLast) return false;
        if (row !== undefined && isLast && (row.dirty !== 0 || row.remote?.key !== path)) {
          return false;
        }
        if (row === undefined) {
          if (isLast && state.journal.tombstone(objectKey(path)) !== undefined) return false;
          const type = isLast ? "file" : "directory";
          const fields = {
            type,
            mode: isLast ? 0o644 : 0o755,
            uid: 0,
            gid: 0,
            now: epoch,
          } as const;
          row = newInode(state.inodes.allocate(), fields);
          state.inodes.put(row);
          addName(state, directory, name, row, epoch);
        }
        if (isLast) this.#adopt(row, path, bytes);
        directory = row;
      }
      return true;
    });
  }

  #adopt(row: InodeRow, path: string, bytes: Uint8Array): void {
    const etag = this.#store(path, bytes);
    this.#state.removeUnusedFiles(row.id, this.#state.extents.usedGenerations(row.id));
    this.#state.extents.dropAll(row.id);
    row.fetchGeneration = row.nextGeneration++;
    row.holeBytes = 0;
    row.sizeBytes = bytes.length;
    row.baseSizeBytes = bytes.length;
    row.change += 1;
    row.remote = {
      key: objectKey(path),
      etag,
      versionId: undefined,
      sizeBytes: bytes.length,
      lastModifiedMs: 0,
    };
    this.#state.inodes.put(row);
  }

  /** Another client deletes an object, and the volume learns of it. False when it is not as the bucket has it. */
  deleteRemote(path: string): boolean {
    const state = this.#state;
    return state.db.transaction(() => {
      const [row] = state.inodes.byRemoteKey(objectKey(path));
      const parent = row === undefined ? undefined : state.entries.parent(row.id);
      if (row === undefined || parent === undefined || row.dirty !== 0) return false;
      removeName(state, state.inodes.get(parent.directory) as InodeRow, parent.name, row, epoch);
      this.objects.delete(path);
      state.extents.dropAll(row.id);
      state.inodes.delete(row.id);
      return true;
    });
  }

  /** Exports everything that S3 does not have, and deletes what is buried. Returns the number of objects put. */
  async exportAll(): Promise<number> {
    const state = this.#state;
    const rows = state.inodes.dirty(100_000).sort((one, other) => one.id - other.id);
    const frozen: { row: InodeRow; bytes: Uint8Array }[] = [];
    for (const { id } of rows) {
      const row = await this.#freeze(id);
      if (row !== undefined) frozen.push({ row, bytes: await this.#frozenBytes(row) });
    }
    state.db.transaction(() => {
      for (const { row } of frozen) {
        const key = state.keyOf(row.id, row.type === "directory");
        const { remote } = row;
        if (remote === undefined || remote.key === key) continue;
        if (this.objects.get(remote.key)?.etag === remote.etag) this.objects.delete(remote.key);
      }
      for (const { key, etag } of state.journal.tombstones(Number.MAX_SAFE_INTEGER, 100_000)) {
        if (this.objects.get(key)?.etag === etag) this.objects.delete(key);
        state.journal.unbury(key);
      }
      for (const { row, bytes } of frozen) this.#finish(row, bytes);
    });
    return frozen.length;
  }

  #freeze(inode: InodeNumber): Promise<InodeRow | undefined> {
    const { db, extents, inodes } = this.#state;
    return this.#writes.whenQuiet(inode, () =>
      db.transaction(() => {
        const row = inodes.get(inode);
        if (row === undefined || row.links === 0) return undefined;
        extents.freeze(inode, row.sizeBytes);
        const frozen = { ...row };
        row.writeGeneration = row.nextGeneration++;
        row.frozenMinSizeBytes = row.sizeBytes;
        inodes.put(row);
        return frozen;
      }),
    );
  }

  async #frozenBytes(row: InodeRow): Promise<Uint8Array> {
    if (row.type === "symlink") return Uint8Array.from(row.target ?? []);
    const bytes = new Uint8Array(row.sizeBytes);
    for (const segment of this.#state.extents.segments(row.id, 0, row.sizeBytes, "frozen")) {
      const part = bytes.subarray(segment.start, segment.end);
      if (segment.kind === "hole") continue;
      if (segment.kind === "absent") {
        const to = Math.min(segment.end, row.baseSizeBytes);
        const base = this.#versions.get(row.remote?.etag ?? "") ?? new Uint8Array();
        part.set(base.subarray(segment.start, Math.max(segment.start, to)));
        continue;
      }
      if (segment.lastEpoch > 0) {
        const at = this.#state.extents.endEpoch();
        await this.#state.files.sync(row.id, segment.generation);
        this.#state.db.transaction(() =>
          this.#state.extents.markSynced(row.id, at, [segment.generation]),
        );
      }
      await this.#state.files.read(row.id, segment.generation, segment.start, part);
    }
    return bytes;
  }

  #finish(frozen: InodeRow, bytes: Uint8Array): void {
    const { extents, inodes } = this.#state;
    const row = inodes.get(frozen.id);
    const key = this.#state.keyOf(frozen.id, frozen.type === "directory");
    const before = extents.usedGenerations(frozen.id);
    extents.thaw(frozen.id);
    if (row !== undefined && key !== undefined && row.links > 0) {
      const etag = this.#store(key, bytes);
      const sizeBytes = bytes.length;
      row.remote = { key, etag, versionId: undefined, sizeBytes, lastModifiedMs: 0 };
      row.baseSizeBytes = Math.min(sizeBytes, row.frozenMinSizeBytes, row.sizeBytes);
      if (row.type !== "file") row.baseSizeBytes = 0;
      extents.markExported(row.id, frozen.writeGeneration, row.baseSizeBytes);
      if (row.change === frozen.change) row.dirty &= dirtyBits.local;
      inodes.put(row);
    } else if (row !== undefined) {
      markDirty(row, dirtyBits.data, 0);
      inodes.put(row);
    }
    this.#state.removeUnusedFiles(frozen.id, before);
  }

  /** Marks an inode's object for deletion, as a removal does. */
  bury(row: InodeRow): void {
    buryObject(this.#state, row, 0);
  }
}
