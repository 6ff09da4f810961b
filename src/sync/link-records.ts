import { type LinkRow, noInode } from "../cache/links.ts";
import { type ETag, type ObjectKey, ObjectStoreError } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import { FsError } from "../vfs/error.ts";
import { isUnsent } from "./fs-error.ts";
import { KeyedLocks } from "./keyed-locks.ts";
import { wantedRecord } from "./link-names.ts";
import {
  formatLinkRecord,
  idOfLinkKey,
  type LinkRecord,
  linkHeader,
  linkRecordKey,
  linkRecordsPrefix,
  parseLinkRecord,
} from "./link-record.ts";
import { type MovedObject, takeRecord } from "./link-taking.ts";
import type { SeenObject } from "./remote-change.ts";
import { Semaphore } from "./semaphore.ts";
import type { SyncContext } from "./sync-context.ts";

/** Rounds until a record that is changed each time is given up for now. */
const maxRounds = 8;
/** How long a request that makes a record may still arrive. */
const rememberMs = 24 * 3600 * 1000;
/** A listing of all records is not begun again before this many times what the last one took. */
const restFactor = 30;
/** Records read at the same time. */
const parallelReads = 32;

/** What of the rest of the engine records need. */
export interface LinkRecordsParts {
  /** Exports a file; `chain`: the records whose writing waits for it. */
  readonly export: (inode: InodeNumber, chain: ReadonlySet<string>) => Promise<unknown>;
  /** Makes the directories that a key is in known. */
  readonly reach: (key: ObjectKey) => Promise<void>;
  readonly look: (key: ObjectKey) => Promise<SeenObject | undefined>;
}

/** Reads and writes the records at S3 of files with several names. */
export class LinkRecords {
  readonly #context: SyncContext;
  readonly #parts: LinkRecordsParts;
  /** Held while a record is read or written; nothing else is waited for by its holder. */
  readonly #locks = new KeyedLocks<string>();
  readonly #reads = new Semaphore(parallelReads);
  /** Versions of records that cannot be read, each reported once. */
  readonly #unreadable = new Map<string, ETag>();
  #running: Promise<void> | undefined;
  /** Of the last listing that came to its end: when it began, and how long it took. */
  #last: { readonly begunMs: number; readonly tookMs: number } | undefined;

  constructor(context: SyncContext, parts: LinkRecordsParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /** What S3's records say is known, as of at most `revalidateAfter` ago, or as often as their number allows. */
  async fresh(): Promise<void> {
    const nowMs = this.#context.nowMs();
    const last = this.#last;
    if (last !== undefined) {
      const restMs = Math.max(this.#context.freshMs, last.tookMs * restFactor);
      if (nowMs - last.begunMs <= restMs) return;
    }
    this.#running ??= this.#refresh().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  /** Reads the record of a file again, if it has one: before what a listing lacks is taken for gone. */
  async recheck(inode: InodeNumber): Promise<void> {
    const { links } = this.#context.state;
    const link = links.ofInode(inode);
    if (link !== undefined) await this.recheckId(link.id);
  }

  /** Reads a record again. */
  async recheckId(id: string): Promise<void> {
    using _ = await this.#locks.acquire(id);
    await this.#readAgain(id);
  }

  async #refresh(): Promise<void> {
    const { state, store, signal } = this.#context;
    const begunMs = this.#context.nowMs();
    const known = new Map(state.links.isUsed ? state.links.all().map((row) => [row.id, row]) : []);
    const listed = new Map<string, ETag>();
    const prefix = linkRecordsPrefix(state.prefix);
    let token: string | undefined;
    do {
      const page = await store.list(
        { prefix, ...(token === undefined ? {} : { token }) },
        { signal },
      );
      for (const { key, etag } of page.objects) {
        const id = idOfLinkKey(state.prefix, key);
        if (id !== undefined) listed.set(id, etag);
      }
      token = page.nextToken;
    } while (token !== undefined);
    const changed = [...listed].filter(
      ([id, etag]) => known.get(id)?.etag !== etag && this.#unreadable.get(id) !== etag,
    );
    const vanished = [...known.values()].filter(
      ({ id, etag }) => etag !== undefined && !listed.has(id),
    );
    const ids = [...changed.map(([id]) => id), ...vanished.map(({ id }) => id)];
    await Promise.all(
      ids.map((id) =>
        this.#reads.run(1, async () => {
          using _ = await this.#locks.acquire(id);
          const now = state.links.get(id);
          // Written or read by somebody else here since the listing was asked for.
          if (now?.etag !== known.get(id)?.etag) return;
          const etag = listed.get(id);
          try {
            if (etag === undefined || !(await this.#read(id, etag))) await this.#readAgain(id);
          } catch (error) {
            // One that S3 does not give must not keep all the others, and every directory, from being seen.
            const isRefused = error instanceof ObjectStoreError && error.code !== "unavailable";
            if (!isRefused || etag === undefined) throw error;
            this.#skip(id, etag, error);
          }
        }),
      ),
    );
    this.#last = { begunMs, tookMs: this.#context.nowMs() - begunMs };
  }

  /** Reads a record in a version; false when there is another one now. The caller holds the lock. */
  async #read(id: string, etag: ETag): Promise<boolean> {
    const { state, store, signal } = this.#context;
    const key = linkRecordKey(state.prefix, id);
    const range = { offsetBytes: 0, lengthBytes: 128 * 1024 * 1024, ifMatch: etag };
    const answer = await store.get(key, range, { signal });
    if (answer.kind !== "read") return false;
    const text = Buffer.from(answer.data).toString();
    const record = parseLinkRecord(state, id, text);
    if (record === undefined) this.#skip(id, etag, undefined);
    else await this.#take(id, record, etag);
    return true;
  }

  /** Leaves a record alone until there is another version of it: its further names do not show. */
  #skip(id: string, etag: ETag, error: unknown): void {
    const { state, log } = this.#context;
    this.#unreadable.set(id, etag);
    const key = linkRecordKey(state.prefix, id);
    log.warn("Cannot read the record of a file with several names", { key, error });
  }

  /** Asks S3 for a record as it is now. The caller holds the lock. */
  async #readAgain(id: string): Promise<void> {
    const { state, store, signal } = this.#context;
    const key = linkRecordKey(state.prefix, id);
    for (let round = 0; round < maxRounds; round++) {
      const head = await store.head(key, { signal });
      if (head.kind === "notFound") {
        await this.#take(id, undefined, undefined);
        return;
      }
      if (head.etag === state.links.get(id)?.etag) return;
      if (await this.#read(id, head.etag)) return;
    }
    throw new FsError("DELAY", `The record ${key} changed ${maxRounds} times while it was read`);
  }

  /** Takes over what a record says. */
  async #take(id: string, record: LinkRecord | undefined, etag: ETag | undefined): Promise<void> {
    const context = this.#context;
    const { links } = context.state;
    const base = links.names(id).find(({ isPrimary }) => isPrimary)?.key;
    let moved: MovedObject | undefined;
    const row = context.state.inodes.get(links.get(id)?.inode ?? noInode);
    if (row !== undefined && record === undefined) {
      moved = await this.#findMoved(id, base);
    } else if (row !== undefined && record !== undefined && base !== record.primary) {
      await this.#parts.reach(record.primary);
      const seen = await this.#parts.look(record.primary);
      if (seen !== undefined) moved = { key: record.primary, seen };
    }
    context.transaction(() => takeRecord(context, id, record, { etag, moved }));
  }

  /** Where the object of a file has gone of which no record tells any more: to the only name that is left. */
  async #findMoved(id: string, base: ObjectKey | undefined): Promise<MovedObject | undefined> {
    if (base === undefined || (await this.#parts.look(base)) !== undefined) return undefined;
    for (const { key, isPrimary } of this.#context.state.links.names(id)) {
      const seen = isPrimary ? undefined : await this.#parts.look(key);
      if (seen?.info.metadata[linkHeader] === id) return { key, seen };
    }
    return undefined;
  }

  /** How many records are to be written, and since when the oldest (0: none). */
  pending(): { readonly count: number; readonly oldestMs: number } {
    const { options, state } = this.#context;
    return options.readOnly ? { count: 0, oldestMs: 0 } : state.links.pending();
  }

  /** Writes the record of a file, if it has to be. @throws what the export of the file, or S3, does. */
  async syncOf(inode: InodeNumber): Promise<void> {
    const link = this.#context.state.links.ofInode(inode);
    if (link !== undefined) await this.sync(link.id);
  }

  /**
   * Writes a record, if it has to be: after the file's object is under its primary name, so that a record always names
   * one that is there.
   */
  async sync(id: string, chain: ReadonlySet<string> = new Set()): Promise<void> {
    if (chain.has(id) || this.#context.options.readOnly) return;
    const { state } = this.#context;
    const waiting = new Set(chain).add(id);
    for (let round = 0; round < maxRounds; round++) {
      const link = state.links.get(id);
      if (link === undefined || link.dirtySinceMs === 0) return;
      await this.#prepare(link, waiting);
      using _ = await this.#locks.acquire(id);
      if (await this.#write(id)) return;
    }
    throw new FsError("DELAY", `The record ${id} was overtaken ${maxRounds} times`);
  }

  /** What has to be at S3 before the record is written: the file itself, and what takes the place of a lost name. */
  async #prepare(link: LinkRow, chain: ReadonlySet<string>): Promise<void> {
    const context = this.#context;
    const { state } = context;
    const wanted = wantedRecord(context, link);
    if (wanted === "keep") return;
    if (wanted !== undefined && state.inodes.get(link.inode)?.remote?.key !== wanted.primary) {
      await this.#parts.export(link.inode, chain);
    }
    const stays = new Set(wanted === undefined ? [] : [wanted.primary, ...wanted.names]);
    for (const { key, isPrimary } of state.links.names(link.id)) {
      // Under the primary one the object is still there; what replaces that waits for the record (isFree).
      if (isPrimary || stays.has(key)) continue;
      const other = context.inodeAt(key);
      if (other === undefined || other.id === link.inode || other.remote?.key === key) continue;
      try {
        await this.#parts.export(other.id, chain);
      } catch (error) {
        // Reported where that file is exported by itself; the record need not wait for it.
        context.log.debug("Cannot export what replaces a name", { key, error });
      }
    }
  }

  /** One step towards the record being right; true when it is, or has to wait. The caller holds the lock. */
  async #write(id: string): Promise<boolean> {
    const context = this.#context;
    const { state, store, signal, failpoint } = context;
    const link = state.links.get(id);
    if (link === undefined) return true;
    const wanted = wantedRecord(context, link);
    if (wanted === "keep" || this.#isRight(link, wanted)) {
      context.transaction(() => this.#settle(id));
      return true;
    }
    if (wanted !== undefined) {
      const row = state.inodes.get(link.inode);
      if (row?.remote?.key !== wanted.primary) return row === undefined || row.dirty >= 8;
    }
    // Before the request is sent: a late one must be known again.
    context.transaction(() => state.links.put({ ...link, doubtMs: context.nowMs() }));
    await state.db.sync();
    failpoint("sync.linkJournalled");
    const key = linkRecordKey(state.prefix, id);
    let etag: ETag | undefined;
    try {
      if (wanted === undefined) {
        if (link.etag === undefined) throw new Error(`Record ${id} is not there and not right`);
        const answer = await store.delete(key, link.etag, { signal });
        if (answer.kind !== "deleted") return await this.#overtaken(id, link.doubtMs);
      } else {
        const text = this.#text({ id, ...wanted });
        const body = { sizeBytes: text.length, chunks: [text] };
        const headers = { contentType: "application/json", metadata: {} };
        const answer = await store.put(key, body, headers, link.etag ?? "absent", { signal });
        if (answer.kind !== "stored") return await this.#overtaken(id, link.doubtMs);
        etag = answer.etag;
      }
    } catch (error) {
      const isSure = error instanceof ObjectStoreError && error.code !== "unavailable";
      if (isSure || isUnsent(error)) this.#resolved(id, link.doubtMs);
      throw error;
    }
    failpoint("sync.linkWritten");
    context.transaction(() => {
      const now = state.links.get(id);
      if (now === undefined) return;
      const shown = new Map(state.links.names(id).map((name) => [name.key, name.isShown]));
      for (const name of shown.keys()) state.links.deleteName(id, name);
      for (const each of wanted === undefined ? [] : [wanted.primary, ...wanted.names]) {
        const isPrimary = each === wanted?.primary;
        state.links.putName({ id, key: each, isPrimary, isShown: shown.get(each) ?? true });
      }
      state.links.put({ ...now, etag, doubtMs: link.doubtMs });
      this.#settle(id);
    });
    failpoint("sync.linkRecorded");
    return true;
  }

  /** S3 has another record than we knew: it is taken over before ours is written again. */
  async #overtaken(id: string, doubtMs: number): Promise<false> {
    await this.#readAgain(id);
    this.#resolved(id, doubtMs);
    return false;
  }

  #resolved(id: string, doubtMs: number): void {
    const { links } = this.#context.state;
    this.#context.transaction(() => {
      const now = links.get(id);
      if (now !== undefined) links.put({ ...now, doubtMs });
    });
  }

  #text(record: Omit<LinkRecord, "writer">): Buffer {
    const { state } = this.#context;
    const writer = Buffer.from(state.db.volumeUuid).toString("hex");
    return Buffer.from(
      formatLinkRecord(state.prefix, { ...record, writer }, state.journal.allocateId()),
    );
  }

  #isRight(link: LinkRow, wanted: Exclude<ReturnType<typeof wantedRecord>, "keep">): boolean {
    if (wanted === undefined) return link.etag === undefined;
    if (link.etag === undefined) return false;
    const said = this.#context.state.links.names(link.id);
    const names = said.filter(({ isPrimary }) => !isPrimary).map(({ key }) => key);
    const primary = said.find(({ isPrimary }) => isPrimary)?.key;
    return primary === wanted.primary && names.sort().join("\0") === wanted.names.join("\0");
  }

  /** Takes the mark off a record that is right, and the row away when nothing needs it any more. */
  #settle(id: string): void {
    const context = this.#context;
    const { links } = context.state;
    const link = links.get(id);
    if (link === undefined) return;
    const wanted = wantedRecord(context, link);
    if (wanted !== "keep" && !this.#isRight(link, wanted)) return;
    const isOld = link.doubtMs < context.nowMs() - rememberMs;
    const isSingle = (context.state.inodes.get(link.inode)?.links ?? 0) <= 1;
    if (wanted === undefined && isOld && isSingle) links.delete(id);
    else links.put({ ...link, dirtySinceMs: 0 });
  }

  /** Forgets records that are gone, and no late request can make again. */
  forgetOld(): void {
    const context = this.#context;
    const { links } = context.state;
    const idle = links.idle();
    if (idle.length === 0) return;
    context.transaction(() => {
      for (const { id } of idle) this.#settle(id);
    });
  }

  /**
   * Whether the object under a key may be deleted, or another file's be put there: S3's records name it as nobody's
   * object any more. A record that is ours to write is written first.
   */
  async isFree(
    key: ObjectKey,
    by: InodeNumber | undefined,
    chain: ReadonlySet<string> = new Set(),
  ): Promise<boolean> {
    const { links } = this.#context.state;
    const claims = () => links.namesAt(key).filter(({ isPrimary }) => isPrimary);
    let isFree = true;
    for (const { id } of claims()) {
      const link = links.get(id);
      if (link === undefined || (by !== undefined && link.inode === by)) continue;
      if (chain.has(id)) continue;
      await this.sync(id, chain);
      if (claims().some((name) => name.id === id)) isFree = false;
    }
    return isFree;
  }
}
