import { createHash } from "node:crypto";
import { mkdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import type { BlobStore } from "./blob-store.ts";
import { FolderBlobStore } from "./folder-blobs.ts";
import { FolderRecordStore } from "./folder-records.ts";
import type { RecordStore } from "./record-store.ts";

/** A folder opened by this process alone. */
export interface Folder extends AsyncDisposable {
  readonly blobs: BlobStore;
  readonly records: RecordStore;
}

/** Version of the layout; there is no upgrade yet, so another one is refused. */
const format = "s3files-dev-s3 1\n";

async function checkFormat(path: string): Promise<void> {
  try {
    await writeFile(path, format, { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const found = await readFile(path, "utf8");
    // A crash may have left the file made and empty.
    if (found !== format && found !== "") {
      throw new Error(`Folder has an unknown format: ${JSON.stringify(found.slice(0, 40))}`);
    }
    if (found === "") await writeFile(path, format);
  }
}

/** Holds an abstract socket named after the folder: the kernel drops it with the process, however that ends. */
async function lock(directory: string): Promise<() => Promise<void>> {
  const name = createHash("sha256")
    .update(await realpath(directory))
    .digest("hex");
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      reject(new Error(`Folder ${directory} is in use by another process`, { cause }));
    });
    server.listen({ path: `\0s3files-dev-s3:${name}` }, resolve);
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

/**
 * Opens or makes the storage folder: `format`, `records/`, `blobs/` and `temporary/`, which is emptied.
 * Rejects when another process has it open or its format is unknown.
 */
export async function openFolder(directory: string): Promise<Folder> {
  await mkdir(directory, { recursive: true });
  const unlock = await lock(directory);
  try {
    await checkFormat(join(directory, "format"));
    const temporary = join(directory, "temporary");
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary);
    const blobs = new FolderBlobStore(join(directory, "blobs"), temporary);
    await blobs.prepare();
    const records = new FolderRecordStore(join(directory, "records"), temporary);
    return { blobs, records, [Symbol.asyncDispose]: unlock };
  } catch (error) {
    await unlock();
    throw error;
  }
}
