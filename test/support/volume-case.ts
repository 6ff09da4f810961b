import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Log, silentLog } from "../../src/base/log.ts";
import { WritesInFlight } from "../../src/cache/in-flight.ts";
import { VolumeState } from "../../src/cache/volume-state.ts";
import { createFileSystem, type DiskFileSystem } from "../../src/filesystem/create-file-system.ts";
import type { FileSystemOptions } from "../../src/filesystem/options.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { MemorySynchroniser } from "../fakes/memory-synchroniser.ts";
import { Driver, type FileSystemCase } from "./file-system-driver.ts";

/** A volume's file system over a temporary folder and a bucket in memory. */
export class VolumeCase implements FileSystemCase {
  folder: string;
  readonly clock = new FakeClock();
  readonly log: Log;
  readonly options: FileSystemOptions;
  bootId = "boot 1";
  state: VolumeState;
  writes: WritesInFlight;
  bucket: MemorySynchroniser;
  fileSystem: DiskFileSystem;

  constructor(options: Partial<FileSystemOptions> = {}, log: Log = silentLog) {
    this.folder = mkdtempSync(join(tmpdir(), "s3files-volume-"));
    this.log = log;
    this.options = {
      volumeId: "test",
      readOnly: false,
      cacheMode: "full",
      uid: 0,
      gid: 0,
      fileMode: 0o644,
      dirMode: 0o755,
      minFreeBytes: 0,
      ...options,
    };
    this.state = this.#openState();
    this.writes = new WritesInFlight({ maxStagedBytes: 8 << 20 });
    this.bucket = new MemorySynchroniser(this.state, this.writes);
    this.fileSystem = this.#openFileSystem();
  }

  #openState(): VolumeState {
    const { folder, bootId, log } = this;
    return new VolumeState({ folder, prefix: "", bootId, log, ballastBytes: 0 });
  }

  #openFileSystem(): DiskFileSystem {
    return createFileSystem(this.options, {
      state: this.state,
      synchroniser: this.bucket,
      writes: this.writes,
      clock: this.clock,
      log: this.log,
    });
  }

  get driver(): Driver {
    return new Driver(this);
  }

  transaction<T>(run: () => T): T {
    return this.state.db.transaction(run);
  }

  #open(): void {
    this.state = this.#openState();
    this.writes = new WritesInFlight({ maxStagedBytes: 8 << 20 });
    this.bucket = new MemorySynchroniser(this.state, this.writes, this.bucket);
    this.fileSystem = this.#openFileSystem();
  }

  /** Ends this process's use of the volume and starts again, in the same boot or in another one. */
  async restart(bootId = this.bootId): Promise<void> {
    await this.fileSystem.stop();
    await this.state.close();
    this.bootId = bootId;
    this.#open();
  }

  /**
   * Starts again from what `copy` puts into a new folder while the volume is still open: what a kill, or a power
   * cut, leaves. Nothing that the old process does afterwards can be seen.
   */
  async crash(copy: (from: string, to: string) => void, bootId = this.bootId): Promise<void> {
    const from = this.folder;
    this.folder = mkdtempSync(join(tmpdir(), "s3files-volume-"));
    copy(from, this.folder);
    await this.fileSystem.stop();
    await this.state.close();
    rmSync(from, { recursive: true });
    this.bootId = bootId;
    this.#open();
  }

  async close(): Promise<void> {
    await this.fileSystem.stop();
    await this.state.close();
    rmSync(this.folder, { recursive: true });
  }
}
