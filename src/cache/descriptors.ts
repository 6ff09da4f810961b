import { closeSync, constants, mkdir, open, openSync } from "node:fs";
import { dirname } from "node:path";

/** A file that is open, shared by all who use it. */
export interface OpenFile {
  readonly descriptor: number;
  users: number;
  /** Closed by its last user: the file has been removed. */
  removed: boolean;
  /** Whether this process has synced the file's directory, so that its name is on the disk. */
  named: boolean;
}

interface Opening {
  readonly file: Promise<OpenFile>;
  waiters: number;
}

const createFlags = constants.O_RDWR | constants.O_CREAT;

/** Open files by path, kept open for reuse up to a number of them; those in use are not counted. */
export class Descriptors {
  readonly #max: number;
  /** Least recently used first. */
  readonly #open = new Map<string, OpenFile>();
  readonly #opening = new Map<string, Opening>();
  #closed = false;

  constructor(max: number) {
    this.#max = max;
  }

  /** Opens a file that exists, at once. To be released. @throws what `node:fs` throws. */
  acquire(path: string): OpenFile {
    const file = this.#known(path) ?? this.#add(path, openSync(path, "r+"));
    file.users += 1;
    this.#evict();
    return file;
  }

  /**
   * Opens or makes a file, and its folder. To be released. Making one may take a millisecond, so it is left to
   * the thread pool: undefined means that the caller has to use {@link acquireNew}.
   */
  acquireOpen(path: string): OpenFile | undefined {
    const file = this.#known(path);
    if (file !== undefined) file.users += 1;
    return file;
  }

  /** See {@link acquireOpen}. */
  acquireNew(path: string): Promise<OpenFile> {
    let opening = this.#opening.get(path);
    if (opening === undefined) {
      opening = { file: this.#make(path), waiters: 0 };
      this.#opening.set(path, opening);
    }
    opening.waiters += 1;
    return opening.file;
  }

  async #make(path: string): Promise<OpenFile> {
    try {
      const descriptor = await this.#create(path);
      if (this.#closed) {
        closeSync(descriptor);
        throw new Error(`The cache is closed: ${path}`);
      }
      let file = this.#known(path);
      // A reader may have opened it meanwhile.
      if (file === undefined) file = this.#add(path, descriptor);
      else closeSync(descriptor);
      // Before anybody else can run: those who wait must find it open.
      file.users += this.#opening.get(path)?.waiters ?? 0;
      return file;
    } finally {
      this.#opening.delete(path);
      this.#evict();
    }
  }

  async #create(path: string): Promise<number> {
    const attempt = (): Promise<number> =>
      new Promise((resolve, reject) => {
        open(path, createFlags, 0o600, (error, descriptor) =>
          error === null ? resolve(descriptor) : reject(error),
        );
      });
    try {
      return await attempt();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      await new Promise<void>((resolve, reject) => {
        mkdir(dirname(path), { recursive: true, mode: 0o700 }, (failure) =>
          failure === null ? resolve() : reject(failure),
        );
      });
      return await attempt();
    }
  }

  #known(path: string): OpenFile | undefined {
    const file = this.#open.get(path);
    if (file === undefined) return undefined;
    this.#open.delete(path);
    this.#open.set(path, file);
    return file;
  }

  #add(path: string, descriptor: number): OpenFile {
    // A killed predecessor may have made the file without syncing its name.
    const file: OpenFile = { descriptor, users: 0, removed: false, named: false };
    this.#open.set(path, file);
    return file;
  }

  #evict(): void {
    if (this.#open.size <= this.#max) return;
    for (const [path, file] of this.#open) {
      if (file.users > 0) continue;
      this.#open.delete(path);
      closeSync(file.descriptor);
      if (this.#open.size <= this.#max) return;
    }
  }

  /** Ends a use. */
  release(file: OpenFile): void {
    file.users -= 1;
    if (file.removed && file.users === 0) closeSync(file.descriptor);
  }

  /** Forgets a path whose file is removed; those who use it go on. */
  forget(path: string): void {
    const file = this.#open.get(path);
    if (file === undefined) return;
    this.#open.delete(path);
    if (file.users > 0) file.removed = true;
    else closeSync(file.descriptor);
  }

  /** Closes all. Nothing may be in use. */
  close(): void {
    this.#closed = true;
    for (const file of this.#open.values()) closeSync(file.descriptor);
    this.#open.clear();
  }
}
