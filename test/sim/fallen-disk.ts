import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import type { VolumeState } from "../../src/cache/volume-state.ts";

const pageBytes = 4096;
const headerBytes = 32;
const frameHeaderBytes = 24;
const zeroPage = Buffer.alloc(pageBytes);

/** How far a write-ahead log of SQLite has been looked through (its file format, "The Write-Ahead Log"). */
interface LogPosition {
  readonly salt: string;
  /** Ends of transactions, in order; the first is the log's start. */
  readonly ends: number[];
  at: number;
}

/**
 * Knows of a volume's state folder what is on the disk for certain, and makes the folder that a power cut at this moment
 * leaves: the database at any transaction since its last sync, and each page of each cache file as it was when that
 * was last synced, or as it is.
 */
export class FallenDisk {
  readonly #folder: string;
  readonly #synced = new Map<string, Buffer>();
  #log: LogPosition = { salt: "", ends: [0], at: 0 };
  /** Where the log's certain part ends. */
  #certain = 0;

  /** Watches the syncs of a state that was just opened: what it has found is on the disk. */
  constructor(folder: string, state: VolumeState) {
    this.#folder = folder;
    for (const path of this.#dataFiles()) this.#synced.set(path, readFileSync(path));
    this.#certain = this.#logEnd();
    const { db, files } = state;
    const sync = db.sync.bind(db);
    db.sync = async (upTo?: number) => {
      const { salt } = this.#log;
      const end = this.#logEnd();
      await sync(upTo);
      // Only when all of it was asked for, and the log was not begun anew.
      if (upTo === undefined && (salt === "" || salt === this.#log.salt)) {
        this.#certain = Math.max(this.#certain, end);
      }
    };
    const keepRoom = db.keepRoom.bind(db);
    db.keepRoom = (bytes) => {
      const before = statSync(`${this.#folder}/volume.db`, { bigint: true }).mtimeNs;
      keepRoom(bytes);
      // A checkpoint syncs log and database.
      const after = statSync(`${this.#folder}/volume.db`, { bigint: true }).mtimeNs;
      if (after !== before) this.#certain = this.#logEnd();
    };
    const syncFile = files.sync.bind(files);
    files.sync = async (inode, generation) => {
      const name = `${inode}.${generation}`;
      const path = this.#dataFiles().find((one) => one.endsWith(`/${name}`));
      const content = path === undefined ? undefined : readFileSync(path);
      await syncFile(inode, generation);
      if (path !== undefined && content !== undefined) this.#synced.set(path, content);
    };
  }

  #dataFiles(): string[] {
    const data = join(this.#folder, "data");
    if (!existsSync(data)) return [];
    return readdirSync(data, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  }

  /** Looks at what the log has got since the last look; the end of its last whole transaction. */
  #logEnd(): number {
    const path = join(this.#folder, "volume.db-wal");
    if (!existsSync(path)) return 0;
    const file = openSync(path, "r");
    try {
      const header = Buffer.alloc(headerBytes);
      if (readSync(file, header, 0, headerBytes, 0) < headerBytes) return 0;
      const salt = header.toString("hex", 16, 24);
      if (salt !== this.#log.salt) {
        this.#log = { salt, ends: [headerBytes], at: headerBytes };
        this.#certain = Math.min(this.#certain, headerBytes);
      }
      const frame = Buffer.alloc(frameHeaderBytes);
      for (;;) {
        if (readSync(file, frame, 0, frameHeaderBytes, this.#log.at) < frameHeaderBytes) break;
        if (frame.toString("hex", 8, 16) !== salt) break;
        this.#log.at += frameHeaderBytes + pageBytes;
        if (frame.readUInt32BE(4) !== 0) this.#log.ends.push(this.#log.at);
      }
      return this.#log.ends.at(-1) ?? 0;
    } finally {
      closeSync(file);
    }
  }

  /** Makes `target` what a power cut now would leave of the folder. Synchronous: a moment. */
  fall(target: string, random: () => number): void {
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, "volume.db"), readFileSync(join(this.#folder, "volume.db")));
    if (this.#logEnd() > 0) {
      const ends = this.#log.ends.filter((end) => end >= this.#certain);
      const end = ends[Math.floor(random() * ends.length)] ?? this.#certain;
      const log = readFileSync(join(this.#folder, "volume.db-wal")).subarray(0, end);
      writeFileSync(join(target, "volume.db-wal"), log);
    }
    mkdirSync(join(target, "data"), { recursive: true });
    for (const path of this.#dataFiles()) {
      const synced = this.#synced.get(path);
      // The name of a file that was never synced may be gone too.
      if (synced === undefined && random() < 0.3) continue;
      const to = join(target, relative(this.#folder, path));
      mkdirSync(dirname(to), { recursive: true });
      writeFileSync(to, fallenPages(readFileSync(path), synced ?? Buffer.alloc(0), random));
    }
  }
}

function fallenPages(current: Buffer, synced: Buffer, random: () => number): Buffer {
  const isShort = random() < 0.3;
  const length = Math.max(synced.length, isShort ? 0 : current.length);
  const result = Buffer.alloc(length);
  for (let at = 0; at < length; at += pageBytes) {
    const page = random() < 0.5 ? synced : current;
    (page.length > at ? page.subarray(at, at + pageBytes) : zeroPage).copy(result, at);
  }
  return result;
}
