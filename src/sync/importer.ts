import type { InodeRow } from "../cache/inodes.ts";
import { rootInode } from "../cache/volume-state.ts";
import type { ListedObject, ListPage, ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import { toFsError } from "./fs-error.ts";
import { LinkImport } from "./link-import.ts";
import type { LinkRecords } from "./link-records.ts";
import { listedName } from "./listed-name.ts";
import {
  applyDeep,
  applyObject,
  applyPrefix,
  type ListingFindings,
  removeUnlisted,
} from "./listing-changes.ts";
import { isSameVersion, remoteObject } from "./object-version.ts";
import type { Revalidator } from "./revalidator.ts";
import { Suspects } from "./suspects.ts";
import type { SyncContext } from "./sync-context.ts";
import { findUnlisted } from "./unlisted.ts";

/** What the importer tells the rest of the engine. */
export interface ImporterEvents {
  /** Small files of a directory that was listed for the first time are known now. */
  readonly imported: (directory: InodeNumber) => void;
  /** A tombstone was made. */
  readonly buried: () => void;
}

/** Makes directories show what S3 lists: at first use, and again when that is older than `revalidateAfterMs`. */
export class Importer {
  readonly #context: SyncContext;
  readonly #events: ImporterEvents;
  readonly #running = new Map<InodeNumber, Promise<void>>();
  /** When a background listing of a directory last failed. */
  readonly #failedMs = new Map<InodeNumber, number>();
  readonly #hidden = new Map<InodeNumber, number>();
  readonly #suspects: Suspects;
  readonly #links: LinkImport;

  constructor(
    context: SyncContext,
    events: ImporterEvents,
    parts: { readonly records: LinkRecords; readonly revalidator: Revalidator },
  ) {
    this.#context = context;
    this.#events = events;
    const look = (key: ObjectKey) => parts.revalidator.look(key);
    this.#suspects = new Suspects(context, look, events.buried);
    const objects = (directory: InodeNumber) => this.#objects(directory);
    this.#links = new LinkImport(context, { records: parts.records, look, objects });
  }

  /** Makes the directories that a key is in known. */
  reach(key: ObjectKey): Promise<void> {
    return this.#links.reach(key);
  }

  /** Keys that no path can express, as of the latest listing of each directory. */
  get hiddenKeys(): number {
    let sum = 0;
    for (const [directory, count] of this.#hidden) {
      if (this.#context.state.inodes.get(directory) === undefined) this.#hidden.delete(directory);
      else sum += count;
    }
    return sum;
  }

  /** See `Synchroniser.directoryReady`. */
  directoryReady(directory: InodeNumber): Promise<void> | undefined {
    const row = this.#context.state.inodes.get(directory);
    if (row?.type !== "directory") return undefined;
    if (!row.imported) return this.#start(directory);
    const age = this.#context.nowMs() - Math.max(row.checkedMs, this.#failedMs.get(directory) ?? 0);
    if (age > this.#context.freshMs && !this.#running.has(directory)) {
      this.#start(directory).catch((error: unknown) => {
        this.#failed(directory);
        this.#context.log.debug("Cannot list a directory again", { inode: directory, error });
      });
    }
    return undefined;
  }

  #failed(directory: InodeNumber): void {
    const nowMs = this.#context.nowMs();
    this.#failedMs.delete(directory);
    this.#failedMs.set(directory, nowMs);
    // In the order of failing: what has grown old is forgotten.
    for (const [oldest, atMs] of this.#failedMs) {
      if (nowMs - atMs <= this.#context.freshMs) break;
      this.#failedMs.delete(oldest);
    }
  }

  /** Lists a directory now; joins a listing that is under way. */
  list(directory: InodeNumber): Promise<void> {
    return this.#start(directory);
  }

  #start(directory: InodeNumber): Promise<void> {
    let running = this.#running.get(directory);
    if (running === undefined) {
      // Not in this step: the caller may be inside a transaction that will be rolled back.
      running = this.#context.track(
        Promise.resolve()
          .then(() => this.#list(directory))
          .catch((error: unknown) => {
            throw toFsError(error, `Listing of directory ${directory}`);
          })
          .finally(() => this.#running.delete(directory)),
      );
      this.#running.set(directory, running);
    }
    return running;
  }

  async #list(directory: InodeNumber): Promise<void> {
    const context = this.#context;
    const { state } = context;
    const prefix = context.directoryPrefix(directory);
    if (prefix === undefined) {
      this.#finish(directory, context.nowMs());
      return;
    }
    await this.#links.fresh();
    using _ = context.touched.listing();
    const begun = { ms: context.nowMs(), sequence: context.touched.sequence };
    const findings: ListingFindings = { hidden: 0, suspects: [] };
    const seen = new Set<FileName>();
    const pages = await this.#pages(directory, prefix, findings, seen);
    if (pages === undefined) return; // removed or renamed meanwhile: what it is now is asked for anew
    const { marker } = pages;
    await this.#suspects.judge(directory, prefix, findings);
    for (const name of await this.#links.showIn(directory, prefix)) seen.add(name);
    await this.#links.recheckUnseen(directory, prefix, seen);
    await findUnlisted(context, directory, seen);
    let after = 0;
    for (;;) {
      const entries = state.entries.page(directory, after, 500);
      const last = entries.at(-1);
      if (last === undefined) break;
      after = last.cookie;
      context.transaction(() => {
        const row = this.#directory(directory, prefix);
        if (row === undefined) return;
        const { change } = row;
        for (const entry of entries) {
          if (seen.has(entry.name)) continue;
          const now = state.entries.get(directory, entry.name);
          if (now === undefined) continue;
          removeUnlisted(context, row, now, prefix, begun.sequence);
        }
        if (row.change !== change) state.inodes.put(row);
      });
    }
    if (this.#directory(directory, prefix) === undefined) return;
    const isFirst = this.#finish(directory, begun.ms, { prefix, marker, sequence: begun.sequence });
    this.#failedMs.delete(directory);
    if (findings.hidden > 0 || this.#hidden.has(directory)) {
      this.#hidden.set(directory, findings.hidden);
    }
    if (isFirst) this.#events.imported(directory);
  }

  /** Applies all pages of a listing; undefined when the directory is another one meanwhile. */
  async #pages(
    directory: InodeNumber,
    prefix: string,
    findings: ListingFindings,
    seen: Set<FileName>,
  ): Promise<{ readonly marker: ListedObject | undefined } | undefined> {
    const { touched, store, signal } = this.#context;
    let marker: ListedObject | undefined;
    let token: string | undefined;
    do {
      const { sequence } = touched;
      const page = await store.list(
        { prefix, delimiter: "/", ...(token === undefined ? {} : { token }) },
        { signal },
      );
      marker = page.objects.find(({ key }) => key === prefix) ?? marker;
      const isThere = this.#context.transaction(() =>
        this.#applyPage(directory, prefix, page, { sequence, findings, seen }),
      );
      if (!isThere) return undefined;
      token = page.nextToken;
    } while (token !== undefined);
    return { marker };
  }

  /** Adds what a directory's listing shows, which is not the whole of it: names of files elsewhere may be missing. */
  async #objects(directory: InodeNumber): Promise<void> {
    const prefix = this.#context.directoryPrefix(directory);
    if (prefix === undefined) return;
    using _ = this.#context.touched.listing();
    const findings: ListingFindings = { hidden: 0, suspects: [] };
    if ((await this.#pages(directory, prefix, findings, new Set())) === undefined) return;
    await this.#suspects.judge(directory, prefix, findings);
  }

  /** The directory, if it is still the one under the prefix. */
  #directory(directory: InodeNumber, prefix: string): InodeRow | undefined {
    const row = this.#context.state.inodes.get(directory);
    return this.#context.directoryPrefix(directory) === prefix ? row : undefined;
  }

  #applyPage(
    directory: InodeNumber,
    prefix: string,
    page: ListPage,
    run: {
      readonly sequence: number;
      readonly findings: ListingFindings;
      readonly seen: Set<FileName>;
    },
  ): boolean {
    const context = this.#context;
    const row = this.#directory(directory, prefix);
    if (row === undefined) return false;
    const before = row.change;
    const { sequence, findings, seen } = run;
    const { exportsLostAndFound } = context.state;
    findings.hidden += page.skipped;
    const nameOf = (part: string): FileName | undefined => {
      const listed = listedName(part, directory === rootInode, exportsLostAndFound);
      if (listed.kind === "name") {
        seen.add(listed.name);
        return listed.name;
      }
      if (listed.kind === "unmappable") findings.hidden += 1;
      return undefined;
    };
    for (const object of page.objects) {
      if (object.key === prefix) continue;
      const name = nameOf(object.key.slice(prefix.length));
      if (name !== undefined) applyObject(context, row, name, object, sequence, findings);
    }
    for (const common of page.prefixes) {
      const name = nameOf(common.slice(prefix.length, -1));
      if (name !== undefined) applyPrefix(context, row, name, common, sequence, findings);
    }
    if (row.change !== before) context.state.inodes.put(row);
    return true;
  }

  /** Records that the directory is known; true when it was not before. */
  #finish(
    directory: InodeNumber,
    checkedMs: number,
    listed?: { prefix: string; marker: ListedObject | undefined; sequence: number },
  ): boolean {
    const context = this.#context;
    return context.transaction(() => {
      const row = context.state.inodes.get(directory);
      if (row === undefined) return false;
      const isFirst = !row.imported;
      row.imported = true;
      row.checkedMs = checkedMs;
      if (
        listed !== undefined &&
        listed.prefix !== "" &&
        context.isClean(row) &&
        !context.touched.isAfter(listed.prefix, listed.sequence)
      ) {
        const { marker } = listed;
        if (marker === undefined) {
          // A late listing may lack what is there: a HEAD tells when the directory is used next.
          if (context.abilities().listAfterWrite === "honoured") row.remote = undefined;
          else if (row.remote !== undefined) row.exact = false;
        } else if (row.remote === undefined || !isSameVersion(row.remote, marker)) {
          row.remote = remoteObject(marker.key, marker);
          row.headers = undefined;
          row.exact = false;
          row.change += 1;
        }
      }
      context.state.inodes.put(row);
      return isFirst;
    });
  }

  /** See `Synchroniser.linksReady`. */
  linksReady(inode: InodeNumber): Promise<void> | undefined {
    return this.#links.linksReady(inode);
  }

  /** See `Synchroniser.subtreeReady`. */
  subtreeReady(directory: InodeNumber): Promise<void> | undefined {
    const unknown = this.#context.state.db.get(
      "WITH RECURSIVE below(id) AS (SELECT ?1 UNION ALL SELECT entry.inode FROM entry JOIN below ON entry.dir = below.id) " +
        "SELECT 1 AS x FROM below JOIN inode ON inode.id = below.id WHERE inode.type = 1 AND inode.imported = 0 LIMIT 1",
      directory,
    );
    if (unknown === undefined) return undefined;
    return this.#context.track(
      Promise.resolve()
        .then(() => this.#listTree(directory))
        .catch((error: unknown) => {
          throw toFsError(error, `Listing of everything below directory ${directory}`);
        }),
    );
  }

  /** Lists all keys below a directory and adds what its directories that were never listed contain. */
  async #listTree(directory: InodeNumber): Promise<void> {
    const context = this.#context;
    const { state, store } = context;
    const prefix = context.directoryPrefix(directory);
    if (prefix === undefined) {
      this.#finish(directory, context.nowMs());
      return;
    }
    await this.#links.fresh();
    using _ = context.touched.listing();
    const unlisted = (): InodeNumber[] =>
      [directory, ...state.entries.descendants(directory)].filter((id) => {
        const row = state.inodes.get(id);
        return row?.type === "directory" && !row.imported;
      });
    const begunMs = context.nowMs();
    const fill = new Set(unlisted());
    const findings: ListingFindings = { hidden: 0, suspects: [] };
    let token: string | undefined;
    do {
      const sequence = context.touched.sequence;
      const page = await store.list(
        { prefix, ...(token === undefined ? {} : { token }) },
        { signal: context.signal },
      );
      const isThere = context.transaction(() => {
        if (this.#directory(directory, prefix) === undefined) return false;
        for (const object of page.objects) {
          applyDeep(context, directory, prefix, object, { sequence, fill, findings });
        }
        return true;
      });
      if (!isThere) return;
      token = page.nextToken;
    } while (token !== undefined);
    await this.#links.showBelow(prefix, fill);
    context.transaction(() => {
      for (const id of fill) {
        const row = state.inodes.get(id);
        if (row === undefined) continue;
        row.imported = true;
        // What needs a closer look (marks, marker objects) is left to the directory's own listing, which is due.
        row.checkedMs = findings.suspects.length > 0 ? 0 : begunMs;
        state.inodes.put(row);
      }
    });
  }
}
