import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  type Collection,
  collections,
  type RecordStore,
  type StoredRecord,
} from "./record-store.ts";
import { syncFolder } from "./sync-folder.ts";

/**
 * A record is one file, `records/<collection>/<2 hex>/<62 hex>.json`, named by the SHA-256 of its id and
 * holding `{"id": …, "value": …}`. It is written beside itself, synced and renamed: a reader after a crash
 * finds the old record or the new one, whole.
 */
export class FolderRecordStore implements RecordStore {
  readonly #directory: string;
  readonly #temporary: string;
  readonly #made = new Set<string>();

  constructor(directory: string, temporary: string) {
    this.#directory = directory;
    this.#temporary = temporary;
  }

  async *load(): AsyncIterable<StoredRecord> {
    for (const collection of collections) {
      const root = join(this.#directory, collection);
      await mkdir(root, { recursive: true });
      for (const shard of await readdir(root)) {
        for (const name of await readdir(join(root, shard))) {
          const text = await readFile(join(root, shard, name), "utf8");
          const { id, value } = JSON.parse(text) as { id: string; value: unknown };
          yield { collection, id, value };
        }
      }
    }
  }

  async put(collection: Collection, id: string, value: unknown): Promise<void> {
    const path = this.#path(collection, id);
    const folder = dirname(path);
    if (!this.#made.has(folder)) {
      await mkdir(folder, { recursive: true });
      await syncFolder(dirname(folder));
      this.#made.add(folder);
    }
    const temporary = join(this.#temporary, randomUUID());
    try {
      await using file = await open(temporary, "wx", 0o600);
      await file.writeFile(JSON.stringify({ id, value }));
      await file.datasync();
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(folder);
  }

  async remove(collection: Collection, id: string): Promise<void> {
    const path = this.#path(collection, id);
    await rm(path, { force: true });
    await syncFolder(dirname(path));
  }

  #path(collection: Collection, id: string): string {
    const name = createHash("sha256").update(id).digest("hex");
    return join(this.#directory, collection, name.slice(0, 2), `${name.slice(2)}.json`);
  }
}
