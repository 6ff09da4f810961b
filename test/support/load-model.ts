import { baseVersion, hole } from "./load-content.ts";

/** One system call of the load. Paths are below its directory; lengths and places are in lines. */
export type LoadOp =
  | {
      readonly kind: "open";
      readonly slot: number;
      readonly path: string;
      readonly append: boolean;
    }
  | { readonly kind: "create"; readonly slot: number; readonly path: string }
  | {
      readonly kind: "write";
      readonly slot: number;
      readonly first: number;
      readonly count: number;
      readonly append: boolean;
    }
  | { readonly kind: "truncate"; readonly slot: number; readonly size: number }
  | { readonly kind: "fsync"; readonly slot: number }
  | { readonly kind: "close"; readonly slot: number }
  | { readonly kind: "rename"; readonly from: string; readonly to: string }
  | { readonly kind: "unlink"; readonly path: string }
  | { readonly kind: "mkdir"; readonly path: string }
  | { readonly kind: "fsyncdir"; readonly path: string };

/** An object that is in the bucket, and so in the load's directory, before it starts. */
export interface BaseFile {
  readonly path: string;
  readonly lines: number;
}

/** What a file holds, and what it may hold when changes after its last synchronisation are lost in part. */
export class LoadFile {
  /** Begins each of its lines: `<load>.<operation that created it>`, or `<load>.<path>` of a base file. */
  readonly id: string;
  /** Version of each line as the application sees it. */
  lines: number[];
  /** Version of each line when it was last synchronised. */
  settled: number[];
  /** Versions that a line had since then. */
  readonly later = new Map<number, Set<number>>();
  /** Smallest and largest size, in lines, since then. */
  smallest: number;
  largest: number;
  /** The last write that nothing has made the client send for certain. */
  unsent: number | undefined;

  constructor(id: string, baseLines = 0) {
    this.id = id;
    this.lines = Array.from({ length: baseLines }, () => baseVersion);
    this.settled = [...this.lines];
    this.smallest = baseLines;
    this.largest = baseLines;
  }

  write(version: number, first: number, count: number): void {
    this.unsent = version;
    for (let i = this.lines.length; i < first; i++) this.#set(i, hole);
    for (let i = first; i < first + count; i++) this.#set(i, version);
    this.#sized();
  }

  truncate(size: number): void {
    for (let i = size; i < this.lines.length; i++) this.#note(i, hole);
    if (this.lines.length > size) this.lines.length = size;
    for (let i = this.lines.length; i < size; i++) this.#set(i, hole);
    this.#sized();
  }

  /** All that was done to it is there to stay. */
  settle(): void {
    this.unsent = undefined;
    if (this.settled.length > this.smallest) this.settled.length = this.smallest;
    for (const index of this.later.keys()) {
      const version = this.lines[index];
      if (version !== undefined) this.settled[index] = version;
    }
    this.later.clear();
    this.smallest = this.lines.length;
    this.largest = this.lines.length;
  }

  /** Whether line `index` may be `version`. */
  allows(index: number, version: number): boolean {
    if (this.later.get(index)?.has(version)) return true;
    const before = this.settled[index];
    if (before !== undefined) return before === version;
    // Beyond what was synchronised: written, or not yet.
    return version === hole;
  }

  #set(index: number, version: number): void {
    this.lines[index] = version;
    this.#note(index, version);
  }

  #note(index: number, version: number): void {
    const versions = this.later.get(index);
    if (versions === undefined) this.later.set(index, new Set([version]));
    else versions.add(version);
  }

  #sized(): void {
    this.smallest = Math.min(this.smallest, this.lines.length);
    this.largest = Math.max(this.largest, this.lines.length);
  }
}

/** Which file each name is, and which names are directories, after the operation `after`. */
export interface Names {
  readonly after: number;
  readonly files: ReadonlyMap<string, LoadFile>;
  readonly folders: ReadonlySet<string>;
}

/** What the load's directory holds after some of its operations. */
export class LoadModel {
  readonly #load: string;
  readonly #durable: "each" | "synchronised";
  #touched: LoadFile | undefined;
  files = new Map<string, LoadFile>();
  readonly folders = new Set<string>();
  readonly slots: (LoadFile | undefined)[] = Array.from({ length: 5 }, () => undefined);
  /** Every write, by version: what may ever appear anywhere. */
  readonly writes = new Map<number, { file: string; first: number; count: number }>();
  /** The names that are there to stay, and those after each change since: what is kept is one of these. */
  history: Names[];
  /** Operations applied. */
  count = 0;

  /**
   * `each`: an operation that returned is kept, whatever happens (the machine lives on).
   * `synchronised`: only fsync, close and rename keep (the power is cut).
   */
  constructor(load: string, base: readonly BaseFile[], durable: "each" | "synchronised") {
    this.#load = load;
    this.#durable = durable;
    for (const { path, lines } of base) {
      this.files.set(path, new LoadFile(`${load}.${path}`, lines));
    }
    this.history = [this.#names()];
  }

  /** Applies the next operation; `returned` is false for one that was under way when everything stopped. */
  apply(op: LoadOp, returned = true): void {
    const version = ++this.count;
    this.#touched = "slot" in op ? this.slots[op.slot] : undefined;
    this.#change(op, version, returned);
    if (!returned) return;
    if (this.#durable === "each" && "slot" in op) this.#touched?.settle();
    // RENAME is on the server's disk before its reply, and so is every change of names before it.
    if (this.#durable === "each" || op.kind === "rename") this.#settleNames(version);
  }

  #change(op: LoadOp, version: number, returned: boolean): void {
    switch (op.kind) {
      case "open":
        this.slots[op.slot] = this.#file(op.path);
        return;
      case "create": {
        const file = new LoadFile(`${this.#load}.${version}`);
        this.files.set(op.path, file);
        this.slots[op.slot] = file;
        break;
      }
      case "write": {
        const file = this.#open(op.slot);
        this.writes.set(version, { file: file.id, first: op.first, count: op.count });
        file.write(version, op.first, op.count);
        return;
      }
      case "truncate": {
        // The client sends and commits what it holds of the file first.
        const file = this.#open(op.slot);
        if (returned) this.#synchronise(file);
        file.truncate(op.size);
        return;
      }
      case "fsync":
      case "close":
        if (returned) this.#synchronise(this.#open(op.slot));
        if (op.kind === "close") this.slots[op.slot] = undefined;
        return;
      case "rename":
        this.#rename(op.from, op.to);
        break;
      case "unlink":
        this.files.delete(op.path);
        break;
      case "mkdir":
        this.folders.add(op.path);
        break;
      case "fsyncdir":
        // The Linux client sends nothing for it: it is no promise.
        return;
    }
    this.history.push(this.#names());
  }

  #synchronise(file: LoadFile): void {
    // With nothing written, the client sends nothing: then a changed size or name may still be lost.
    if (file.unsent === undefined) return;
    // The client may have committed the file by itself as early as right after its last write.
    this.#settleNames(file.unsent);
    file.settle();
  }

  /** Forgets what the names were before they were what they were after operation `version`. */
  #settleNames(version: number): void {
    const first = this.history.findLastIndex(({ after }) => after <= version);
    if (first > 0) this.history.splice(0, first);
  }

  #names(): Names {
    return { after: this.count, files: new Map(this.files), folders: new Set(this.folders) };
  }

  #rename(from: string, to: string): void {
    if (!this.folders.delete(from)) {
      const file = this.#file(from);
      this.files.delete(from);
      this.files.set(to, file);
      return;
    }
    this.folders.add(to);
    const moved = (path: string) =>
      path.startsWith(`${from}/`) ? to + path.slice(from.length) : path;
    this.files = new Map([...this.files].map(([path, file]) => [moved(path), file]));
  }

  #file(path: string): LoadFile {
    const file = this.files.get(path);
    if (file === undefined) throw new Error(`The load has no file '${path}'`);
    return file;
  }

  #open(slot: number): LoadFile {
    const file = this.slots[slot];
    if (file === undefined) throw new Error(`The load has nothing open in slot ${slot}`);
    return file;
  }
}
