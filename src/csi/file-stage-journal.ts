import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CsiError } from "./error.ts";
import type { StageJournal, StageRecord } from "./stage-journal.ts";

/**
 * Stage records as JSON files, `<folder>/<SHA-256 of the handle>.json`: written beside, synced and renamed, so that
 * a crash or a power cut leaves the old record or the new one. Caller: one call at a time works on a volume.
 */
export class FileStageJournal implements StageJournal {
  readonly #folder: string;
  #made = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws {CsiError} INTERNAL for a record that is damaged or of a newer version. */
  async read(volumeId: string): Promise<StageRecord | undefined> {
    const path = this.#path(volumeId);
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    const record = parse(text);
    // The name is a digest: a record that somebody copied here must not pass for another volume's.
    if (record?.format === 1 && record.volumeId === volumeId) return record;
    throw new CsiError(
      "INTERNAL",
      `Volume ${volumeId}: the stage record ${path} is damaged or of another version`,
    );
  }

  async list(): Promise<readonly StageRecord[]> {
    const names = await readdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    const records: StageRecord[] = [];
    for (const name of names.filter((one) => one.endsWith(".json"))) {
      const record = parse(await readFile(join(this.#folder, name), "utf8"));
      if (record?.format === 1) records.push(record);
    }
    return records;
  }

  async write(record: StageRecord): Promise<void> {
    await this.#makeFolder();
    const path = this.#path(record.volumeId);
    const beside = `${path}.new`;
    {
      await using file = await open(beside, "w", 0o600);
      await file.writeFile(`${JSON.stringify(record)}\n`);
      await file.sync();
    }
    await rename(beside, path);
    await syncFolder(this.#folder);
  }

  async remove(volumeId: string): Promise<void> {
    await this.#makeFolder();
    const path = this.#path(volumeId);
    // A crash in the middle of a write may have left the second.
    for (const name of [path, `${path}.new`]) await rm(name, { force: true });
    await syncFolder(this.#folder);
  }

  async #makeFolder(): Promise<void> {
    if (this.#made) return;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    this.#made = true;
  }

  #path(volumeId: string): string {
    return join(this.#folder, `${createHash("sha256").update(volumeId).digest("hex")}.json`);
  }
}

function parse(text: string): StageRecord | undefined {
  try {
    return JSON.parse(text) as StageRecord;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, "r");
  await folder.sync();
}
