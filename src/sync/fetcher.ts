import type { InodeRow, RemoteObject } from "../cache/inodes.ts";
import { ObjectStoreError } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { FsError } from "../vfs/error.ts";
import { toFsError } from "./fs-error.ts";
import type { Revalidator } from "./revalidator.ts";
import { Semaphore } from "./semaphore.ts";
import type { SyncContext } from "./sync-context.ts";

const pieceBytes = 8 * 1024 * 1024;
/** Fetches begin and end on multiples of this where the object goes on. */
const alignBytes = 64 * 1024;
/** Data of GETs in memory at the same time. */
const fetchMemoryBytes = 64 * 1024 * 1024;

interface Piece {
  readonly start: number;
  readonly end: number;
  /** The version that is read. */
  readonly remote: RemoteObject;
  /** False when the object is not the version any more that was asked for. */
  readonly done: Promise<boolean>;
}

/** Reads the base objects of files, into the cache or through it. */
export class Fetcher {
  readonly #context: SyncContext;
  readonly #revalidator: Revalidator;
  readonly #onLostBase: (inode: InodeNumber) => Promise<void>;
  readonly #memory = new Semaphore(fetchMemoryBytes);
  readonly #pieces = new Map<InodeNumber, Set<Piece>>();

  /** `onLostBase` is told of a file with local changes whose base object is gone; it settles that. */
  constructor(
    context: SyncContext,
    revalidator: Revalidator,
    onLostBase: (inode: InodeNumber) => Promise<void>,
  ) {
    this.#context = context;
    this.#revalidator = revalidator;
    this.#onLostBase = onLostBase;
  }

  /**
   * See `Synchroniser.fetch`. Resolves also when the object turned out to have changed: the question is to be asked
   * again. @throws {FsError} STALE when the object is gone for good, DELAY, ACCESS, IO.
   */
  async fetch(inode: InodeNumber, start: number, end: number): Promise<void> {
    await Promise.resolve(); // the caller may be inside a transaction
    this.#context.signal.throwIfAborted();
    const { row, remote } = this.#base(inode);
    const limit = Math.min(row.baseSizeBytes, row.sizeBytes);
    if (start >= limit) return;
    const from = Math.floor(start / alignBytes) * alignBytes;
    const to = Math.min(limit, Math.ceil(end / alignBytes) * alignBytes);
    this.#request(row, remote, from, to, false);
    const wanted = [...(this.#pieces.get(inode) ?? [])].filter(
      (piece) => piece.start < end && piece.end > start,
    );
    if (!(await this.#allRead(wanted, remote))) await this.#mismatch(inode, remote);
  }

  /**
   * Fetches into the cache all that is known only in the base object. `keep`: as data that S3 does not have, since
   * the object is about to go; eviction leaves it alone then. @throws {FsError} STALE when the object has changed.
   */
  async fetchWhole(inode: InodeNumber, options: { readonly keep: boolean }): Promise<void> {
    for (let round = 0; round < 100; round++) {
      const row = this.#context.state.inodes.get(inode);
      if (row === undefined || row.remote === undefined) return;
      const [gap] = this.#context.absentRanges(row);
      if (gap === undefined) return;
      const ranges = this.#context.absentRanges(row);
      for (const { start, end } of ranges) this.#request(row, row.remote, start, end, options.keep);
      const pieces = [...(this.#pieces.get(inode) ?? [])];
      if (!(await this.#allRead(pieces, row.remote))) {
        throw new FsError("STALE", `The object ${row.remote.key} of inode ${inode} has changed`);
      }
    }
    throw new FsError("DELAY", `Inode ${inode} cannot be fetched whole: it keeps changing`);
  }

  /**
   * Waits for pieces; false when `remote` is not the object any more. What becomes of pieces of another version
   * does not matter: what they were to bring is asked for again.
   */
  async #allRead(pieces: readonly Piece[], remote: RemoteObject): Promise<boolean> {
    const results = await Promise.all(
      pieces.map(async (piece) => {
        const isOther = piece.remote.key !== remote.key || piece.remote.etag !== remote.etag;
        if (!isOther) return piece.done;
        await piece.done.catch(() => false); // logged where it was started
        return true;
      }),
    );
    return results.every((isRead) => isRead);
  }

  /** See `Synchroniser.readThrough`. A changed object is DELAY: the read is to be made again. */
  async readThrough(inode: InodeNumber, start: number, end: number): Promise<Uint8Array> {
    await Promise.resolve();
    const { remote } = this.#base(inode);
    const data = Buffer.alloc(end - start);
    const parts: Promise<boolean>[] = [];
    for (let at = start; at < end; at += pieceBytes) {
      const pieceEnd = Math.min(end, at + pieceBytes);
      parts.push(
        this.#get(inode, remote, at, pieceEnd, (bytes) => {
          data.set(bytes, at - start);
          return Promise.resolve();
        }),
      );
    }
    const results = await Promise.all(parts);
    if (results.every((isSame) => isSame)) return data;
    await this.#mismatch(inode, remote);
    throw new FsError("DELAY", `The object ${remote.key} of inode ${inode} has changed`);
  }

  #base(inode: InodeNumber): { row: InodeRow; remote: RemoteObject } {
    const row = this.#context.state.inodes.get(inode);
    if (row === undefined) throw new FsError("STALE", `Inode ${inode} is gone`);
    const { remote } = row;
    if (remote === undefined) {
      throw new FsError(
        row.links === 0 ? "STALE" : "IO",
        `Bytes of inode ${inode} are lost: its object at S3 was deleted or replaced`,
      );
    }
    return { row, remote };
  }

  /** Starts the pieces of `[start, end)` that are neither known nor on their way. */
  #request(row: InodeRow, remote: RemoteObject, start: number, end: number, keep: boolean): void {
    const pieces = this.#pieces.get(row.id) ?? new Set<Piece>();
    this.#pieces.set(row.id, pieces);
    for (const gap of this.#context.state.extents.segments(row.id, start, end)) {
      if (gap.kind !== "absent") continue;
      let at = gap.start;
      const running = [...pieces].sort((a, b) => a.start - b.start);
      for (const piece of running) {
        if (piece.end <= at || piece.start >= gap.end) continue;
        if (piece.start > at)
          this.#startPieces(pieces, row, remote, { start: at, end: piece.start, keep });
        at = Math.max(at, piece.end);
      }
      if (at < gap.end) this.#startPieces(pieces, row, remote, { start: at, end: gap.end, keep });
    }
    if (pieces.size === 0) this.#pieces.delete(row.id);
  }

  #startPieces(
    pieces: Set<Piece>,
    row: InodeRow,
    remote: RemoteObject,
    range: { readonly start: number; readonly end: number; readonly keep: boolean },
  ): void {
    for (let at = range.start; at < range.end; ) {
      const pieceStart = at;
      const pieceEnd = Math.min(range.end, (Math.floor(at / pieceBytes) + 1) * pieceBytes);
      const keep = (data: Uint8Array): Promise<void> =>
        this.#keep(row, remote, pieceStart, data, range.keep);
      const done = this.#context.track(
        this.#get(row.id, remote, pieceStart, pieceEnd, keep).finally(() => {
          pieces.delete(piece);
          if (pieces.size === 0 && this.#pieces.get(row.id) === pieces) this.#pieces.delete(row.id);
        }),
      );
      const piece: Piece = { start: pieceStart, end: pieceEnd, remote, done };
      done.catch((error: unknown) => {
        // Nobody may be waiting for what was read ahead.
        this.#context.log.debug("Cannot fetch", { inode: row.id, key: remote.key, error });
      });
      pieces.add(piece);
      at = pieceEnd;
    }
  }

  /** One GET; false when the object is another now. */
  async #get(
    inode: InodeNumber,
    remote: RemoteObject,
    start: number,
    end: number,
    take: (data: Uint8Array) => Promise<void>,
  ): Promise<boolean> {
    try {
      return await this.#memory.run(end - start, async () => {
        const answer = await this.#context.store.get(
          remote.key,
          {
            offsetBytes: start,
            lengthBytes: end - start,
            ifMatch: remote.etag,
            objectSizeBytes: remote.sizeBytes,
          },
          { signal: this.#context.signal },
        );
        if (answer.kind !== "read") return false;
        if (answer.data.length !== end - start) {
          throw new FsError(
            "IO",
            `Object ${remote.key} gave ${answer.data.length} bytes, not ${end - start}`,
          );
        }
        await take(answer.data);
        return true;
      });
    } catch (error) {
      if (error instanceof ObjectStoreError && error.code === "archived")
        this.#archived(inode, remote);
      throw toFsError(error, `Reading inode ${inode} from ${remote.key} at ${start}`);
    }
  }

  /** Has the next open ask S3 whether the object can be read. */
  #archived(inode: InodeNumber, remote: RemoteObject): void {
    const { state, log } = this.#context;
    this.#context.transaction(() => {
      const row = state.inodes.get(inode);
      if (row?.remote?.etag !== remote.etag || row.headers?.archived === true) return;
      // Headers that are not known yet are asked for at the open anyway.
      if (row.headers === undefined) state.inodes.put({ ...row, exact: false });
      else state.inodes.put({ ...row, headers: { ...row.headers, archived: true } });
      log.info("An archived object was read", { inode, key: remote.key });
    });
  }

  /** Puts fetched bytes into the cache; `asDirty` as in {@link fetchWhole}. */
  async #keep(
    { id, fetchGeneration }: InodeRow,
    remote: RemoteObject,
    start: number,
    data: Uint8Array,
    asDirty: boolean,
  ): Promise<void> {
    const { state } = this.#context;
    await state.files.write(id, fetchGeneration, start, [data]);
    this.#context.transaction(() => {
      const row = state.inodes.get(id);
      const isSame =
        row?.remote?.etag === remote.etag &&
        row.remote.key === remote.key &&
        row.fetchGeneration === fetchGeneration;
      if (row === undefined || !isSame) {
        state.removeUnusedFiles(id, [fetchGeneration]);
        return;
      }
      const end = Math.min(start + data.length, row.baseSizeBytes);
      if (start < end) state.extents.addClean(id, start, end, fetchGeneration);
      // Only the extents: nobody has edited the file, and nothing is cut off yet.
      if (asDirty) state.extents.keepClean(id);
    });
  }

  /** The object is not the version that was asked for: finds out what happened, so that asking again makes sense. */
  async #mismatch(inode: InodeNumber, remote: RemoteObject): Promise<void> {
    const { state, locks } = this.#context;
    let result: string;
    {
      // An export of ours that is under way may be the reason.
      using _ = await locks.acquire(inode);
      const now = state.inodes.get(inode)?.remote;
      if (now?.key !== remote.key || now.etag !== remote.etag) return;
      try {
        result = await this.#revalidator.revalidate(inode);
      } catch (error) {
        throw toFsError(error, `Revalidating inode ${inode} (${remote.key})`);
      }
    }
    if (result === "same") {
      throw new FsError("DELAY", `The object ${remote.key} of inode ${inode} is changing`);
    }
    if (result === "lost") await this.#onLostBase(inode);
  }
}
