import type { VolumeState } from "../cache/volume-state.ts";
import { FsError } from "../vfs/error.ts";
import type { Space as SpaceFigures } from "../vfs/file-system.ts";
import type { FileSystemDependencies, FileSystemOptions } from "./options.ts";

/** Files that a volume shows room for. */
const totalFiles = 1_000_000_000;
/** Below this the ballast is given back; new names are refused when the room left without it is less than half. */
const lowSpaceBytes = 4 << 20;
/** Transactions that need no new space, whoever has filled the disk. */
const databaseRoomBytes = 4 << 20;
/** How long figures of the disk are taken for current: a change of every compound must not ask again. */
const figuresForMs = 5;
/** How often a writer without room looks again, in milliseconds. */
const pollMs = 200;

/** The limits of disk and claim: room for data, room for names, and what `df` shows. */
export class Space {
  readonly #options: FileSystemOptions;
  readonly #dependencies: FileSystemDependencies;
  readonly #state: VolumeState;
  readonly #waiting = new Set<() => void>();
  #eviction: (neededBytes: number) => void = () => {};
  #figures: ReturnType<VolumeState["files"]["diskSpace"]> | undefined;
  #figuresMs = 0;

  constructor(options: FileSystemOptions, dependencies: FileSystemDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#state = dependencies.state;
    // Another program may fill the disk between two looks at it.
    this.#state.db.onFull = () => {
      this.#figures = undefined;
      this.relieve();
    };
  }

  /** `evict` is called when a writer needs room on the disk; it answers by {@link freed}. */
  onNeed(evict: (neededBytes: number) => void): void {
    this.#eviction = evict;
  }

  #disk(): ReturnType<VolumeState["files"]["diskSpace"]> {
    const nowMs = this.#dependencies.clock.monotonicMs();
    if (this.#figures === undefined || nowMs - this.#figuresMs > figuresForMs) {
      this.#figures = this.#state.files.diskSpace();
      this.#figuresMs = nowMs;
    }
    return this.#figures;
  }

  /** Free space that data leaves on the disk. */
  minFreeBytes(totalBytes: number): number {
    return this.#options.minFreeBytes ?? Math.max(64 << 20, totalBytes / 100);
  }

  /** @throws {FsError} NOSPC when the claim has no room for `growthBytes` more. */
  requireCapacity(growthBytes: number): void {
    const { capacityBytes, volumeId } = this.#options;
    if (capacityBytes === undefined || growthBytes <= 0) return;
    const { bytes } = this.#state.inodes.usage();
    if (bytes + growthBytes > capacityBytes) {
      throw new FsError(
        "NOSPC",
        `Volume ${volumeId} has ${capacityBytes} bytes, ${bytes} of them used`,
      );
    }
  }

  /** Whether the disk has room for data that is `sizeBytes` long, beside what is on its way to it. */
  hasDiskRoom(sizeBytes: number): boolean {
    const { freeBytes, totalBytes } = this.#disk();
    const staged = this.#dependencies.writes.stagedBytes;
    return freeBytes - staged - sizeBytes >= this.minFreeBytes(totalBytes);
  }

  /** Asks for room without waiting for it. */
  want(sizeBytes: number): void {
    this.#eviction(sizeBytes);
  }

  /** Milliseconds that a write may wait for room. */
  get waitMs(): number {
    return this.#options.spaceWaitMs ?? 30_000;
  }

  /** Asks for room and resolves when there may be some: when something was freed, or after a moment. */
  async wait(sizeBytes: number): Promise<void> {
    this.#eviction(sizeBytes);
    this.#dependencies.synchroniser.spaceWanted?.();
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        cancel();
        this.#waiting.delete(wake);
        resolve();
      };
      const cancel = this.#dependencies.clock.schedule(pollMs, wake);
      this.#waiting.add(wake);
    });
  }

  /** Says that room may have become free. */
  freed(): void {
    this.#figures = undefined;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Before any change: on a full disk the ballast makes room for its transaction. */
  relieve(): void {
    const { ballast, db } = this.#state;
    const { freeBytes } = this.#disk();
    if (freeBytes >= lowSpaceBytes) return;
    db.lowSpace = true;
    if (!ballast.held) return;
    ballast.release();
    this.#figures = undefined;
  }

  /** Takes the ballast when there is ample room for it. To be called now and then. */
  async restock(): Promise<void> {
    const { ballast, db } = this.#state;
    const { freeBytes } = this.#state.files.diskSpace();
    if (freeBytes < 4 * lowSpaceBytes + 2 * ballast.sizeBytes) return;
    db.lowSpace = false;
    await ballast.take();
    db.keepRoom(databaseRoomBytes);
    this.#figures = undefined;
  }

  /** @throws {FsError} NOSPC when new names would use up what unlink and truncate need. */
  requireMetadataRoom(): void {
    const { ballast } = this.#state;
    const { freeBytes } = this.#disk();
    const without = ballast.held ? freeBytes : freeBytes - ballast.sizeBytes;
    if (without < lowSpaceBytes / 2) {
      throw new FsError("NOSPC", `The disk of volume ${this.#options.volumeId} is full`);
    }
  }

  /** What `df` shows: the claim where there is one, else the disk. */
  figures(): SpaceFigures {
    const { bytes, files } = this.#state.inodes.usage();
    const freeFiles = Math.max(0, totalFiles - files);
    const { capacityBytes } = this.#options;
    if (capacityBytes !== undefined) {
      const freeBytes = Math.max(0, capacityBytes - bytes);
      return { totalBytes: capacityBytes, freeBytes, totalFiles, freeFiles };
    }
    const disk = this.#disk();
    const freeBytes = Math.max(0, disk.freeBytes - this.minFreeBytes(disk.totalBytes));
    return { totalBytes: disk.totalBytes, freeBytes, totalFiles, freeFiles };
  }
}
