import { Dice } from "./load-content.ts";
import { type BaseFile, LoadModel, type LoadOp } from "./load-model.ts";

/** How a load is to run. */
export interface LoadOptions {
  /** Names the load: begins its files' ids. */
  readonly name: string;
  readonly seed: number;
  readonly base: readonly BaseFile[];
  /** What survives, see {@link LoadModel}. */
  readonly durable: "each" | "synchronised";
  /** Longest single write in lines. Default 4,096 (256 KiB). */
  readonly longestWrite?: number;
}

const mostFiles = 20;
const mostFolders = 4;

/**
 * An endless list of file system calls that always succeed: writes in place, appends, atomic replacements, renames of
 * files and directories, truncation, unlinking, with files left open. It depends on its options alone, so that who knows
 * how many calls have returned knows what must be there.
 */
export class LoadScript {
  readonly model: LoadModel;
  readonly #dice: Dice;
  readonly #longest: number;
  readonly #planned: LoadOp[] = [];
  #next = 1;

  constructor(options: LoadOptions) {
    this.model = new LoadModel(options.name, options.base, options.durable);
    this.#dice = new Dice(options.seed);
    this.#longest = options.longestWrite ?? 4096;
  }

  /** The next call, already applied to the model; `returned` as in {@link LoadModel.apply}. */
  next(returned = true): LoadOp {
    while (this.#planned.length === 0) this.#plan();
    const op = this.#planned.shift();
    if (op === undefined) throw new Error("The load has planned nothing");
    this.model.apply(op, returned);
    return op;
  }

  #plan(): void {
    const dice = this.#dice.below(100);
    if (dice < 22) this.#edit();
    else if (dice < 34) this.#append();
    else if (dice < 50) this.#create();
    else if (dice < 66) this.#replace();
    else if (dice < 76) this.#renameFile();
    else if (dice < 80) this.#renameFolder();
    else if (dice < 84) this.#makeFolder();
    else if (dice < 88) this.#truncate();
    else if (dice < 94) this.#unlink();
    else this.#closeSome();
  }

  #edit(): void {
    const open = this.#openFile(false);
    if (open === undefined) return;
    const { slot, size } = open;
    for (let i = this.#dice.below(4); i >= 0; i--) {
      const first = this.#dice.below(size + 20);
      this.#write(slot, first, this.#length(), false);
    }
    if (this.#dice.chance(60)) this.#planned.push({ kind: "fsync", slot });
    if (this.#dice.chance(60)) this.#planned.push({ kind: "close", slot });
  }

  #append(): void {
    const open = this.#openFile(true);
    if (open === undefined) return;
    const { slot } = open;
    let { size } = open;
    for (let i = this.#dice.below(3); i >= 0; i--) {
      const count = this.#length();
      this.#write(slot, size, count, true);
      size += count;
      if (this.#dice.chance(40)) this.#planned.push({ kind: "fsync", slot });
    }
    this.#planned.push({ kind: "close", slot });
  }

  #create(): void {
    if (this.model.files.size >= mostFiles) return;
    this.#createAt(this.#newPath("file"));
  }

  /** As editors do: a temporary file, written, synchronised, and renamed over the old one. */
  #replace(): void {
    const to = this.#dice.pick([...this.model.files.keys()]);
    if (to === undefined) return;
    const from = this.#newPath("temporary");
    if (!this.#createAt(from, true)) return;
    this.#planned.push({ kind: "rename", from, to });
  }

  #createAt(path: string, synchronised = this.#dice.chance(30)): boolean {
    const slot = this.#freeSlot();
    if (slot === undefined) return false;
    this.#planned.push({ kind: "create", slot, path });
    let size = 0;
    const large = this.#dice.chance(15);
    for (let i = this.#dice.below(large ? 8 : 3); i > 0; i--) {
      const count = large ? this.#longest : this.#length();
      this.#write(slot, size, count, false);
      size += count;
    }
    if (synchronised) this.#planned.push({ kind: "fsync", slot });
    this.#planned.push({ kind: "close", slot });
    return true;
  }

  #renameFile(): void {
    const from = this.#dice.pick([...this.model.files.keys()]);
    const over = this.#dice.pick([...this.model.files.keys()]);
    if (from === undefined) return;
    const to = this.#dice.chance(40) && over !== undefined ? over : this.#newPath("moved");
    if (from !== to) this.#planned.push({ kind: "rename", from, to });
  }

  #renameFolder(): void {
    const from = this.#dice.pick([...this.model.folders]);
    if (from !== undefined) {
      this.#planned.push({ kind: "rename", from, to: `folder-${this.#next++}` });
    }
  }

  #makeFolder(): void {
    if (this.model.folders.size >= mostFolders) return;
    const path = `folder-${this.#next++}`;
    this.#planned.push({ kind: "mkdir", path });
    if (this.#dice.chance(50)) this.#planned.push({ kind: "fsyncdir", path: "." });
  }

  #truncate(): void {
    const open = this.#openFile(false);
    if (open === undefined) return;
    const size = this.#dice.below(open.size + 50);
    this.#planned.push({ kind: "truncate", slot: open.slot, size });
    if (this.#dice.chance(50)) this.#write(open.slot, size, this.#length(), false);
    if (this.#dice.chance(50)) this.#planned.push({ kind: "fsync", slot: open.slot });
    this.#planned.push({ kind: "close", slot: open.slot });
  }

  #unlink(): void {
    // Base files stay a while, so that edits of objects that were there before are tried too.
    const path = this.#dice.pick([...this.model.files.keys()]);
    if (path === undefined || (path.startsWith("base") && this.#dice.chance(70))) return;
    this.#planned.push({ kind: "unlink", path });
  }

  #closeSome(): void {
    for (const [slot, file] of this.model.slots.entries()) {
      if (file !== undefined && this.#dice.chance(50)) this.#planned.push({ kind: "close", slot });
    }
  }

  #openFile(append: boolean): { slot: number; size: number } | undefined {
    const path = this.#dice.pick([...this.model.files.keys()]);
    const slot = this.#freeSlot();
    if (path === undefined || slot === undefined) return undefined;
    this.#planned.push({ kind: "open", slot, path, append });
    return { slot, size: this.model.files.get(path)?.lines.length ?? 0 };
  }

  #write(slot: number, first: number, count: number, append: boolean): void {
    this.#planned.push({ kind: "write", slot, first, count, append });
  }

  #length(): number {
    return 1 + this.#dice.below(this.#dice.chance(25) ? this.#longest : 150);
  }

  #freeSlot(): number | undefined {
    const slot = this.model.slots.indexOf(undefined);
    return slot < 0 ? undefined : slot;
  }

  #newPath(stem: string): string {
    const name = `${stem}-${this.#next++}`;
    const folder = this.#dice.chance(40) ? this.#dice.pick([...this.model.folders]) : undefined;
    return folder === undefined ? name : `${folder}/${name}`;
  }
}
