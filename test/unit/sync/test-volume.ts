import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Log, silentLog } from "../../../src/base/log.ts";
import { WritesInFlight } from "../../../src/cache/in-flight.ts";
import { lostAndFoundName, VolumeState } from "../../../src/cache/volume-state.ts";
import type { Gaps } from "../../../src/dev-s3/gaps.ts";
import {
  createFileSystem,
  type DiskFileSystem,
} from "../../../src/filesystem/create-file-system.ts";
import type { FileSystemOptions } from "../../../src/filesystem/options.ts";
import type { ExportFence } from "../../../src/handover/export-fence.ts";
import type { StoreAbilities } from "../../../src/probe/abilities.ts";
import { CautiousObjectStore } from "../../../src/probe/cautious-object-store.ts";
import type { ObjectStore } from "../../../src/s3/object-store.ts";
import type { SyncOptions } from "../../../src/sync/options.ts";
import { SyncEngine } from "../../../src/sync/sync-engine.ts";
import type { AttributeChanges, Attributes, InodeNumber } from "../../../src/vfs/attributes.ts";
import { Call, Suspended } from "../../../src/vfs/call.ts";
import { FsError } from "../../../src/vfs/error.ts";
import { type FileName, fileName } from "../../../src/vfs/name.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FaultyObjectStore } from "../../fakes/faulty-object-store.ts";
import { MemoryObjectStore } from "../../fakes/memory-object-store.ts";
import { FallenDisk } from "../../sim/fallen-disk.ts";

/** Parts are small here, so that a test of many parts needs no many bytes. */
export const sizes = { part: 64 * 1024, minPart: 16 * 1024 } as const;

const root = { uid: 0, gid: 0, groups: [] };

/** What a failpoint throws in the place of a kill. */
export class Killed extends Error {}

function name(text: string): FileName {
  return fileName(Buffer.from(text));
}

/**
 * A volume over a bucket in memory and a state folder on the disk, with the real file system in front, driven by
 * path. It survives restarts; a failpoint can kill it.
 *
 * Over 400 lines: one short method for each thing that a test does to a volume.
 */
export class TestVolume implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly bucket: MemoryObjectStore;
  readonly faults: FaultyObjectStore;
  readonly prefix: string;
  #place = "volume";
  readonly #folder = mkdtempSync(join(tmpdir(), "s3files-sync-"));
  readonly #options: SyncOptions;
  readonly #fence: ExportFence | undefined;
  readonly #fileOptions: Partial<FileSystemOptions>;
  readonly #log: Log;
  readonly #abilities: StoreAbilities | undefined;
  readonly #initiator: string | undefined;
  #exportsLostAndFound: boolean;
  state: VolumeState;
  engine: SyncEngine;
  files: DiskFileSystem;
  #boot = 1;
  /** The failpoint at which the volume is killed, and after how many passes; with `power`, the machine with it. */
  #kill: { readonly name: string; left: number; readonly power?: () => number } | undefined;
  #disk: FallenDisk | undefined;
  /** What a power cut has left, until the next process begins with it. */
  #fallen: string | undefined;
  #falls = 0;
  isDead = false;

  constructor(
    options: Partial<SyncOptions> & {
      prefix?: string;
      random?: () => number;
      versioned?: boolean;
      log?: Log;
      /** In the place of the bucket in memory. */
      store?: ObjectStore;
      fence?: ExportFence;
      waitsForS3?: boolean;
      revalidatesAtOpen?: boolean;
      /** What the bucket lacks, and what the engine knows of that; absent: nothing. */
      gaps?: Gaps;
      abilities?: StoreAbilities;
      exportsLostAndFound?: boolean;
      expireAfterMs?: number;
      /** Who the bucket says has begun our uploads. */
      initiator?: string;
    } = {},
  ) {
    const { prefix, random, versioned, log, store, fence, ...others } = options;
    const { waitsForS3, revalidatesAtOpen, gaps, abilities, initiator, ...more } = others;
    const { exportsLostAndFound, expireAfterMs, ...rest } = more;
    this.#exportsLostAndFound = exportsLostAndFound ?? false;
    this.#initiator = initiator;
    this.#abilities = abilities;
    this.#fence = fence;
    this.#fileOptions = {
      waitsForS3: waitsForS3 ?? false,
      revalidatesAtOpen: revalidatesAtOpen ?? false,
      showsDefaults: rest.statMetadata === "listing",
      ...(expireAfterMs === undefined ? {} : { expireAfterMs }),
    };
    this.prefix = prefix ?? "";
    this.#log = log ?? silentLog;
    this.bucket = new MemoryObjectStore({
      clock: this.clock,
      minPartBytes: sizes.minPart,
      versioned: versioned ?? false,
      ...(gaps === undefined ? {} : { gaps }),
    });
    this.faults = new FaultyObjectStore(store ?? this.bucket, {
      clock: this.clock,
      ...(random === undefined ? {} : { random }),
    });
    this.#options = {
      volumeId: "test",
      cacheMode: "full",
      writeBackDelayMs: 60_000,
      writeBackMaxDelayMs: 900_000,
      revalidateAfterMs: 5000,
      importSizeLessThanBytes: 0,
      uid: 1000,
      gid: 1001,
      fileMode: 0o644,
      dirMode: 0o755,
      trustObjectModes: false,
      readOnly: false,
      partSizeBytes: sizes.part,
      minPartBytes: sizes.minPart,
      ...rest,
    };
    const made = this.#open();
    this.state = made.state;
    this.engine = made.engine;
    this.files = made.files;
  }

  #open(): { state: VolumeState; engine: SyncEngine; files: DiskFileSystem } {
    const state = new VolumeState({
      folder: join(this.#folder, this.#place),
      prefix: this.prefix,
      bootId: `boot-${this.#boot}`,
      ballastBytes: 0,
      exportsLostAndFound: this.#exportsLostAndFound,
    });
    const writes = new WritesInFlight({ maxStagedBytes: 64 * 1024 * 1024 });
    const shared = { state, writes, clock: this.clock, log: this.#log };
    const abilities = this.#abilities;
    const engine = new SyncEngine(this.#options, {
      ...shared,
      store:
        abilities === undefined
          ? this.faults
          : new CautiousObjectStore(this.faults, () => abilities),
      ...(abilities === undefined ? {} : { abilities: () => abilities }),
      ...(this.#fence === undefined ? {} : { fence: this.#fence }),
      initiator: () => this.#initiator,
      failpoint: (at) => this.#failpoint(at),
    });
    const { volumeId, readOnly, cacheMode, uid, gid, fileMode, dirMode } = this.#options;
    const files = createFileSystem(
      {
        volumeId,
        readOnly,
        cacheMode,
        uid,
        gid,
        fileMode,
        dirMode,
        minFreeBytes: 0,
        ...this.#fileOptions,
      },
      { ...shared, synchroniser: engine },
    );
    return { state, engine, files };
  }

  async start(): Promise<this> {
    this.files.dropOrphans();
    await this.engine.start();
    return this;
  }

  #failpoint(at: string): void {
    if (this.isDead) throw new Killed(`${at}: dead already`);
    if (this.#kill?.name !== at) return;
    this.#kill.left -= 1;
    if (this.#kill.left > 0) return;
    this.isDead = true;
    if (this.#kill.power !== undefined) this.#fall(this.#kill.power);
    // A dead process hears no answer any more, and does nothing about it.
    void this.engine.stop();
    this.faults.add({ action: { kind: "fail", error: new Killed("dead") as never } });
    throw new Killed(at);
  }

  /** Kills the volume the `nth` time that it passes a failpoint. */
  killAt(failpoint: string, nth = 1, power?: () => number): void {
    this.#kill = { name: failpoint, left: nth, ...(power === undefined ? {} : { power }) };
  }

  /** Notes from now on what of this process's state is on the disk; needed before a power cut. */
  watchDisk(): void {
    this.#disk = new FallenDisk(join(this.#folder, this.#place), this.state);
  }

  #fall(random: () => number): void {
    if (this.#disk === undefined) throw new Error("watchDisk() was not called");
    this.#fallen = `volume-${++this.#falls}`;
    this.#disk.fall(join(this.#folder, this.#fallen), random);
  }

  /** Cuts the machine's power now, unless a failpoint has done so, and starts the volume after the reboot. */
  async cutPower(random: () => number): Promise<void> {
    if (this.#fallen === undefined) this.#fall(random);
    await this.restart({ reboot: true });
  }

  /** Ends this process, as a kill does once a failpoint was hit, and starts the next; the bucket's faults are gone. */
  async restart(
    options: { readonly reboot?: boolean; readonly exportsLostAndFound?: boolean } = {},
  ): Promise<void> {
    await this.#close();
    this.#exportsLostAndFound = options.exportsLostAndFound ?? this.#exportsLostAndFound;
    this.faults.clear();
    this.#kill = undefined;
    this.isDead = false;
    if (options.reboot === true || this.#fallen !== undefined) this.#boot += 1;
    if (this.#fallen !== undefined) this.#place = this.#fallen;
    this.#fallen = undefined;
    this.#disk = undefined;
    Object.assign(this, this.#open());
    await this.start();
  }

  async #close(): Promise<void> {
    await this.engine.stop();
    await this.files.stop();
    await this.state.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Lets time pass until what is due has been exported; `rounds` turns of real I/O follow. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await this.idle();
  }

  /** Waits for the exports and deletions that are under way. */
  async idle(): Promise<void> {
    for (let quiet = 0; quiet < 20; ) {
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.engine.status().runningExports === 0 ? quiet + 1 : 0;
    }
  }

  /** Makes one call of the file system, waiting as often as it suspends. */
  async call<T>(run: (call: Call) => T): Promise<T> {
    using call = new Call(root);
    for (;;) {
      try {
        const result = this.state.db.transaction(() => run(call));
        await Promise.resolve();
        return result;
      } catch (error) {
        if (!(error instanceof Suspended)) throw error;
        await error.ready;
      }
    }
  }

  async inode(path: string): Promise<InodeNumber> {
    let at = this.files.root;
    for (const part of path.split("/").filter((text) => text !== "")) {
      const directory = at;
      at = await this.call((call) => this.files.lookup(call, directory, name(part)));
    }
    return at;
  }

  async #placeOf(path: string): Promise<{ directory: InodeNumber; name: FileName }> {
    const cut = path.lastIndexOf("/");
    return {
      directory: await this.inode(path.slice(0, Math.max(0, cut))),
      name: name(path.slice(cut + 1)),
    };
  }

  async exists(path: string): Promise<boolean> {
    try {
      await this.inode(path);
      return true;
    } catch (error) {
      if (error instanceof FsError && error.code === "NOENT") return false;
      throw error;
    }
  }

  async create(path: string): Promise<InodeNumber> {
    const place = await this.#placeOf(path);
    const made = await this.call((call) =>
      this.files.createFile(call, place.directory, place.name, { kind: "unchecked" }, {}),
    );
    return made.inode;
  }

  async writeInode(inode: InodeNumber, offsetBytes: number, data: string | Uint8Array) {
    const bytes = Buffer.from(data);
    await this.call((call) => this.files.write(call, inode, offsetBytes, [bytes], "unstable"));
  }

  /** Writes as O_SYNC does. */
  async writeStable(inode: InodeNumber, offsetBytes: number, data: string): Promise<void> {
    const bytes = Buffer.from(data);
    await this.call((call) => this.files.write(call, inode, offsetBytes, [bytes], "fileSync"));
  }

  /** What fsync and close are to the server. */
  async commit(path: string): Promise<void> {
    await this.commitInode(await this.inode(path));
  }

  async commitInode(inode: InodeNumber): Promise<void> {
    await this.call((call) => this.files.commit(call, inode));
  }

  /** Makes the file have exactly these bytes, as `>` does in a shell. */
  async write(path: string, data: string | Uint8Array): Promise<InodeNumber> {
    const inode = await this.create(path);
    await this.setAttributes(inode, { sizeBytes: 0 });
    if (data.length > 0) await this.writeInode(inode, 0, data);
    return inode;
  }

  /** Opens for writing, as `r+` does, and writes at an offset. */
  async patch(path: string, offsetBytes: number, data: string | Uint8Array): Promise<void> {
    const inode = await this.inode(path);
    await this.call((call) => this.files.open(call, inode, { read: true, write: true }));
    await this.writeInode(inode, offsetBytes, data);
  }

  async setAttributes(inode: InodeNumber, changes: AttributeChanges): Promise<void> {
    await this.call((call) => this.files.setAttributes(call, inode, changes, { opened: false }));
  }

  async attributes(path: string): Promise<Attributes> {
    const inode = await this.inode(path);
    return this.call((call) => this.files.getAttributes(call, inode));
  }

  async readInode(inode: InodeNumber): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (let offset = 0; ; ) {
      using call = new Call(root);
      for (;;) {
        try {
          const part = this.state.db.transaction(() =>
            this.files.read(call, inode, offset, 1 << 20),
          );
          chunks.push(...part.chunks.map((chunk) => Buffer.from(chunk)));
          offset += part.lengthBytes;
          if (part.endOfFile) return Buffer.concat(chunks);
          break;
        } catch (error) {
          if (!(error instanceof Suspended)) throw error;
          await error.ready;
        }
      }
    }
  }

  /** Opens and reads a whole file. A `DELAY` is asked again, as the client does. */
  async read(path: string): Promise<Buffer> {
    for (let tries = 0; ; tries++) {
      try {
        const inode = await this.inode(path);
        await this.call((call) => this.files.open(call, inode, { read: true, write: false }));
        return await this.readInode(inode);
      } catch (error) {
        const isRetry = error instanceof FsError && ["DELAY", "STALE"].includes(error.code);
        if (!isRetry || tries > 10) throw error;
      }
    }
  }

  async text(path: string): Promise<string> {
    return (await this.read(path)).toString();
  }

  async makeDirectory(path: string): Promise<void> {
    const place = await this.#placeOf(path);
    await this.call((call) =>
      this.files.createNode(call, place.directory, place.name, { type: "directory" }, {}),
    );
  }

  async link(path: string, target: string): Promise<void> {
    const place = await this.#placeOf(path);
    await this.call((call) =>
      this.files.createNode(
        call,
        place.directory,
        place.name,
        { type: "symlink", target: Buffer.from(target) },
        {},
      ),
    );
  }

  async hardLink(from: string, to: string): Promise<void> {
    const inode = await this.inode(from);
    const place = await this.#placeOf(to);
    await this.call((call) => this.files.link(call, inode, place.directory, place.name));
  }

  async readLink(path: string): Promise<string> {
    const inode = await this.inode(path);
    return Buffer.from(await this.call((call) => this.files.readLink(call, inode))).toString();
  }

  async remove(path: string): Promise<void> {
    const place = await this.#placeOf(path);
    await this.call((call) => this.files.remove(call, place.directory, place.name));
  }

  async rename(from: string, to: string): Promise<void> {
    const [source, target] = [await this.#placeOf(from), await this.#placeOf(to)];
    await this.call((call) => this.files.rename(call, source, target));
  }

  /** Names in a directory, sorted. */
  async list(path = ""): Promise<string[]> {
    const directory = await this.inode(path);
    const names: string[] = [];
    for (let after = 0; ; ) {
      const page = await this.call((call) =>
        this.files.readDirectory(call, directory, { after, limit: 100, attributes: true }),
      );
      names.push(...page.entries.map((entry) => entry.name));
      const last = page.entries.at(-1);
      if (page.endOfDirectory || last === undefined) return names.sort();
      after = last.cookie;
    }
  }

  /** Lets what was learned from S3 grow old, uses a directory, and waits until it has been listed again. */
  async refresh(path = ""): Promise<string[]> {
    await this.clock.advance(6000);
    await this.list(path);
    for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
    return this.list(path);
  }

  /** Exports everything. */
  async flush(): Promise<void> {
    const result = await this.engine.flush();
    if (result.pendingFiles > 0) {
      throw new Error(`Still pending after a flush: ${JSON.stringify(result)}`);
    }
  }

  /** Names in lost+found. */
  async lost(): Promise<string[]> {
    const directory = lostAndFoundName("test");
    return (await this.exists(directory)) ? this.list(directory) : [];
  }

  get lostDirectory(): string {
    return lostAndFoundName("test");
  }
}

/** Bytes that tell their offset, so that a shifted range shows. */
export function pattern(lengthBytes: number, seed = 0): Buffer {
  const data = Buffer.alloc(lengthBytes);
  for (let at = 0; at < lengthBytes; at++) data[at] = (at * 31 + (at >> 8) * 7 + seed * 101) & 255;
  return data;
}
