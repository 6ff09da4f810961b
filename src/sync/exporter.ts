import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import type { Attempt } from "../cache/journal.ts";
import { noInode } from "../cache/links.ts";
import {
  type ObjectHeaders,
  type ObjectKey,
  ObjectStoreError,
  type PreconditionFailed,
  type Stored,
} from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { FsError } from "../vfs/error.ts";
import { formatDetail } from "./attempt-detail.ts";
import type { Attempts } from "./attempts.ts";
import type { Bases } from "./bases.ts";
import type { Conflicts } from "./conflicts.ts";
import { isUnsent } from "./fs-error.ts";
import { goOn } from "./link-names.ts";
import { linkHeader } from "./link-record.ts";
import type { LinkRecords } from "./link-records.ts";
import { headersOf, remoteObject } from "./object-version.ts";
import { encodeDevice, encodePosix } from "./posix-metadata.ts";
import type { Revalidator } from "./revalidator.ts";
import type { SyncContext } from "./sync-context.ts";
import { BaseGone, type FrozenContent, type Uploader } from "./uploader.ts";
import { markHeader, writeMark } from "./write-mark.ts";

/** Rounds until an export that is overtaken by changes each time gives up for now. */
const maxRounds = 8;

/** What an export has written; undefined when there was nothing to do. */
export type Exported = { readonly sizeBytes: number } | undefined;

/** Brings single inodes to S3. */
export class Exporter {
  readonly #context: SyncContext;
  readonly #attempts: Attempts;
  readonly #bases: Bases;
  readonly #conflicts: Conflicts;
  readonly #links: LinkRecords;
  readonly #revalidator: Revalidator;
  readonly #uploader: Uploader;

  constructor(
    context: SyncContext,
    parts: {
      readonly attempts: Attempts;
      readonly bases: Bases;
      readonly conflicts: Conflicts;
      readonly links: LinkRecords;
      readonly revalidator: Revalidator;
      readonly uploader: Uploader;
    },
  ) {
    this.#context = context;
    this.#attempts = parts.attempts;
    this.#bases = parts.bases;
    this.#conflicts = parts.conflicts;
    this.#links = parts.links;
    this.#revalidator = parts.revalidator;
    this.#uploader = parts.uploader;
  }

  /**
   * Makes S3 have the inode as it is at some moment after this call: its bytes, metadata and name. Conflicts are
   * settled on the way. `chain`: the records of files with several names that wait for this export.
   * @throws {ObjectStoreError}, {FsError}: it stays dirty.
   */
  async export(inode: InodeNumber, chain: ReadonlySet<string> = new Set()): Promise<Exported> {
    for (let round = 0; round < maxRounds; round++) {
      const key = this.#target(inode);
      if (key === undefined) return undefined;
      await this.#bases.clear(key, inode, (other) => this.export(other, chain));
      // A record that still says that the object is another file's would give its names this one's content.
      if (!(await this.#links.isFree(key, inode, chain)) && (await this.#goOn(key))) continue;
      using _ = await this.#context.locks.acquire(inode);
      const result = await this.#round(inode, key);
      if (result !== "again") return result;
    }
    throw new FsError("DELAY", `The export of inode ${inode} was overtaken ${maxRounds} times`);
  }

  /** Whether the object that is to be replaced has turned out to be that of a file with names which another node gave it. */
  async #goOn(key: ObjectKey): Promise<boolean> {
    const { state } = this.#context;
    const { links, journal } = state;
    const find = () =>
      links
        .namesAt(key)
        .flatMap(({ id, isPrimary }) => (isPrimary ? (links.get(id) ?? []) : []))
        .find((link) => link.inode === noInode);
    if (journal.tombstone(key) === undefined || find() === undefined) return false;
    const seen = await this.#revalidator.look(key);
    return this.#context.transaction(() => {
      const link = find();
      if (link === undefined || seen === undefined) return false;
      if (journal.tombstone(key)?.etag !== seen.info.etag) return false;
      return goOn(this.#context, link, key, seen);
    });
  }

  /** The key that the inode is to be exported to; undefined when it is clean or has no place at S3. */
  #target(inode: InodeNumber): ObjectKey | undefined {
    const context = this.#context;
    const row = context.state.inodes.get(inode);
    if (row === undefined || row.dirty === 0 || row.dirty >= dirtyBits.local) return undefined;
    const key = context.keyOf(row);
    if (key !== undefined) {
      const isBack = row.dirty === dirtyBits.name && row.remote?.key === key;
      if (!isBack || context.hasLiveAttempt(inode)) return key;
      context.transaction(() => context.state.inodes.put({ ...row, dirty: 0 }));
      return undefined;
    }
    const parent = context.state.entries.parent(inode);
    const place =
      parent === undefined
        ? undefined
        : context.state.place(parent.directory, parent.name, row.type === "directory");
    if (place?.kind === "tooLong") {
      throw new FsError("NAMETOOLONG", `The key of inode ${inode} exceeds 1,024 bytes`);
    }
    context.transaction(() => {
      // Without a name nothing of it belongs to S3; under a local one it waits.
      const dirty = place === undefined ? 0 : row.dirty | dirtyBits.local;
      context.state.inodes.put({ ...row, dirty });
    });
    return undefined;
  }

  async #round(inode: InodeNumber, key: ObjectKey): Promise<Exported | "again"> {
    const { state, store, signal, failpoint } = this.#context;
    for (const attempt of state.journal.ofInode(inode)) {
      if (attempt.state === "frozen") await this.#attempts.discard(attempt);
    }
    await this.#attempts.settleAll(inode);
    const row = state.inodes.get(inode);
    if (row === undefined || row.dirty === 0) return "again";
    if (row.remote !== undefined && row.headers === undefined) {
      if (!(await this.#readHeaders(row))) return "again";
    }
    // A file that had the name before may still have a request under way, or one that nobody knows about.
    using _ = await this.#context.keyLocks.acquire(key);
    for (const other of state.journal.ofKey(key)) {
      if (other.state === "sent") await this.#attempts.settle(other);
    }
    // Tags change without a trace in what a listing or the ETag says, so they are read each time.
    const { remote, headers } = row;
    const isTagged = remote !== undefined && (headers?.tagCount ?? 0) > 0;
    const tags = isTagged ? await store.tags(remote.key, { signal }) : undefined;
    const frozen = await this.#freeze(inode, key, tags);
    if (frozen === undefined) return "again";
    const { content, generations, epoch } = frozen;
    const { attempt } = content;
    failpoint("sync.frozen");
    let answer: Stored | PreconditionFailed;
    try {
      await this.#bases.secure(inode, generations, epoch);
      answer = await this.#uploader.upload(content);
    } catch (error) {
      return this.#failed(attempt, error);
    }
    if (answer.kind !== "stored") return this.#doubt(attempt);
    failpoint("sync.uploaded");
    this.#attempts.succeeded(attempt, { ...answer, lastModifiedMs: 0 });
    failpoint("sync.recorded");
    return { sizeBytes: attempt.sizeBytes };
  }

  /** Makes the headers that an edit must carry forward known; false when something changed on the way. */
  async #readHeaders(row: InodeRow): Promise<boolean> {
    const context = this.#context;
    if (row.remote === undefined) return true;
    if (row.type !== "directory") {
      const result = await this.#revalidator.revalidate(row.id);
      if (result === "lost") await this.#conflicts.baseGone(row.id);
      return result === "same";
    }
    const { key } = row.remote;
    const seen = await this.#revalidator.look(key);
    context.transaction(() => {
      const now = context.state.inodes.get(row.id);
      if (now === undefined) return;
      now.headers = seen === undefined ? { metadata: {} } : headersOf(seen.info);
      now.remote = seen === undefined ? undefined : remoteObject(key, seen.info);
      context.state.inodes.put(now);
    });
    return true;
  }

  /** Fixes one moment of the inode and journals its export; undefined when the moment is not right. */
  async #freeze(
    inode: InodeNumber,
    key: ObjectKey,
    tags: string | undefined,
  ): Promise<
    | { readonly content: FrozenContent; readonly generations: number[]; readonly epoch: number }
    | undefined
  > {
    const context = this.#context;
    const { state } = context;
    const freeze = () => {
      const row = state.inodes.get(inode);
      if (row === undefined || row.dirty === 0 || context.keyOf(row) !== key) return undefined;
      if (state.inodes.byRemoteKey(key).some(({ id }) => id !== inode)) return undefined;
      if (row.type === "file" && row.remote === undefined) this.#requireBytes(row);
      const generation = row.nextGeneration - 1;
      let generations: number[] = [];
      if (row.type === "file") {
        generations = state.extents.unsyncedGenerations(inode);
        state.extents.freeze(inode, row.sizeBytes);
        row.writeGeneration = row.nextGeneration;
        row.nextGeneration += 1;
        row.frozenMinSizeBytes = row.sizeBytes;
        state.inodes.put(row);
      }
      const epoch = state.extents.endEpoch();
      const content = this.#content(row, key, { generation, tags });
      state.journal.put(content.attempt);
      return { content, generations, epoch };
    };
    const run = () => context.transaction(freeze);
    const row = state.inodes.get(inode);
    return row?.type === "file" ? await context.writes.whenQuiet(inode, run) : run();
  }

  /** @throws {FsError} IO when bytes are known nowhere any more: nothing is made up in their place. */
  #requireBytes(row: InodeRow): void {
    const [lost] = this.#context.absentRanges(row);
    if (lost === undefined) return;
    throw new FsError(
      "IO",
      `Bytes ${lost.start} to ${lost.end} of inode ${row.id} are lost: write them, or cut them off`,
    );
  }

  #content(
    row: InodeRow,
    key: ObjectKey,
    moment: { readonly generation: number; readonly tags: string | undefined },
  ): FrozenContent {
    const { generation, tags } = moment;
    const context = this.#context;
    const { state } = context;
    const id = state.journal.allocateId();
    const literal =
      row.type === "file" ? undefined : row.type === "symlink" ? row.target : new Uint8Array();
    const sizeBytes = literal === undefined ? row.sizeBytes : literal.length;
    const absentBytes =
      literal === undefined
        ? context.absentRanges(row).reduce((sum, { start, end }) => sum + end - start, 0)
        : 0;
    const mark = writeMark(state.db.volumeUuid, { inode: row.id, generation, attempt: id });
    const { tags: _, archived: __, ...kept } = row.headers ?? { metadata: {} };
    const { [linkHeader]: ___, ...metadata } = kept.metadata;
    const link = state.links.ofInode(row.id);
    const headers: ObjectHeaders = {
      ...this.#defaults(row),
      ...kept,
      ...(tags === undefined ? {} : { tags }),
      metadata: {
        ...metadata,
        ...(link === undefined ? {} : { [linkHeader]: link.id }),
        ...encodePosix(row),
        ...encodeDevice(row),
        [markHeader]: mark,
      },
    };
    const isHere = row.remote?.key === key;
    const expected = isHere ? row.remote?.etag : state.journal.tombstone(key)?.etag;
    const copied = this.#isUnchanged(row) ? { isOntoObject: expected !== undefined } : undefined;
    const nowMs = context.nowMs();
    const { remote } = row;
    const attempt: Attempt = {
      id,
      inode: row.id,
      kind: this.#uploader.kindFor(sizeBytes, absentBytes, copied),
      key,
      expected,
      source: remote === undefined ? undefined : { key: remote.key, etag: remote.etag },
      uploadId: undefined,
      sizeBytes,
      dirty: row.dirty,
      state: "frozen",
      createdMs: nowMs,
      detail: formatDetail({ mark, change: row.change, generation, frozenMs: nowMs, headers }),
    };
    const base = row.type === "file" ? remote : undefined;
    return { attempt, base, baseSizeBytes: row.baseSizeBytes, literal };
  }

  /** Whether every byte of a file is as its object has it: only its attributes or its name are to be exported. */
  #isUnchanged(row: InodeRow): boolean {
    const { remote, sizeBytes, baseSizeBytes } = row;
    if (row.type !== "file" || remote === undefined || (row.dirty & dirtyBits.data) !== 0) {
      return false;
    }
    if (sizeBytes !== remote.sizeBytes || baseSizeBytes !== sizeBytes) return false;
    return this.#context.state.extents
      .segments(row.id, 0, sizeBytes)
      .every(({ kind }) => kind === "absent" || kind === "clean");
  }

  /** What the volume's parameters say where the object has nothing of its own. */
  #defaults({ remote, headers }: InodeRow): Partial<ObjectHeaders> {
    const { storageClass, sse, kmsKeyId } = this.#context.options;
    return {
      ...(storageClass === undefined || remote !== undefined ? {} : { storageClass }),
      ...(sse === undefined || headers?.encryption !== undefined ? {} : { encryption: sse }),
      ...(kmsKeyId === undefined || headers?.encryption !== undefined ? {} : { kmsKeyId }),
    };
  }

  /** The request was refused because of the key's state, or its outcome is not known. */
  async #doubt(attempt: Attempt): Promise<Exported | "again"> {
    const { verdict, seen } = await this.#attempts.settle(this.#recorded(attempt) ?? attempt);
    switch (verdict) {
      case "stored":
        return { sizeBytes: attempt.sizeBytes };
      case "ours":
        return "again";
      case "notDone":
        // What was to be copied may have been the reason.
        if (attempt.kind === "copy") await this.#conflicts.baseGone(attempt.inode);
        return "again";
      case "deleted":
      case "foreign":
        // Another node may have moved the object of a file with several names, and the file with it.
        if (seen === undefined) await this.#context.recheckLinks(attempt.inode);
        await this.#conflicts.resolve(attempt.inode, attempt.key, seen);
        return "again";
    }
  }

  #recorded(attempt: Attempt): Attempt | undefined {
    return this.#context.state.journal.ofInode(attempt.inode).find(({ id }) => id === attempt.id);
  }

  async #failed(attempt: Attempt, error: unknown): Promise<Exported | "again"> {
    this.#context.signal.throwIfAborted(); // the next start goes on from the journal
    const recorded = this.#recorded(attempt);
    if (recorded === undefined) throw error;
    if (recorded.state === "frozen") {
      await this.#attempts.discard(recorded);
      if (error instanceof BaseGone) {
        await this.#conflicts.baseGone(attempt.inode);
        return "again";
      }
      if (this.#context.state.inodes.get(attempt.inode) === undefined) return "again";
      throw error;
    }
    if (isUnsent(error)) {
      await this.#attempts.discard(recorded);
      throw error;
    }
    const code = error instanceof ObjectStoreError ? error.code : "unavailable";
    switch (code) {
      case "unavailable":
      case "noSuchUpload": {
        // The request may have been carried out. If S3 does not even tell, the next export asks again.
        const { verdict } = await this.#attempts.settle(recorded);
        if (verdict === "stored") return { sizeBytes: attempt.sizeBytes };
        if (verdict === "notDone" && code === "unavailable") throw error;
        return "again";
      }
      case "denied":
      case "noSuchBucket":
      case "archived":
      case "unsupported":
      case "invalid":
        await this.#attempts.discard(recorded);
        throw error;
    }
  }
}
