/**
 * Checks what loads left in their directories, read past the client's page cache, and prints one JSON object:
 * {@link VerifyResult}. Runs in a guest. Usage: load-verify.ts <file with VerifyJob[] as JSON> [--digests, to check nothing]
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { checkTree, type FoundTree, type LoadRecord, replay } from "./load-check.ts";
import type { LoadOptions } from "./load-script.ts";
import { readFromServer } from "./mounted.ts";

/** A load whose directory is to be checked. */
export interface VerifyJob {
  readonly directory: string;
  readonly options: LoadOptions;
  readonly record: Omit<LoadRecord, "errors">;
}

/** What was found: empty `problems` when everything is as it must be. */
export interface VerifyResult {
  readonly problems: readonly string[];
  /** SHA-256 of each file, by its path. */
  readonly digests: Readonly<Record<string, string>>;
}

/** What is below `directory`; `read` is how to read a file there. */
export function treeAt(
  directory: string,
  read: (path: string) => Buffer,
  ignored = /^$/,
): FoundTree {
  const folders = new Set<string>();
  const files = new Map<string, () => Buffer>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const full = join(entry.parentPath, entry.name);
    const path = relative(directory, full);
    if (ignored.test(entry.name)) continue;
    if (entry.isDirectory()) folders.add(path);
    else files.set(path, () => read(full));
  }
  return { folders, files };
}

/** SHA-256 in hexadecimal. */
export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * The client renames a file that is open when another one is renamed over it (Linux does so whatever the server says) or,
 * with a server that cannot keep it, when it is unlinked; it removes it when it is closed. A client that died does not.
 */
function ignoredFor({ durable }: LoadOptions): RegExp {
  const isLeft = durable === "synchronised" || process.env["S3FILES_REFERENCE"] !== undefined;
  return isLeft ? /^\.nfs[0-9a-f]+$/ : /^$/;
}

function verify(jobs: readonly VerifyJob[], isChecked: boolean): VerifyResult {
  const problems: string[] = [];
  const digests: Record<string, string> = {};
  for (const { directory, options, record } of jobs) {
    const tree = treeAt(directory, readFromServer, ignoredFor(options));
    const files = new Map(
      [...tree.files].map(([path, read]) => {
        const bytes = read();
        digests[join(directory, path)] = digestOf(bytes);
        return [path, () => bytes];
      }),
    );
    if (!isChecked) continue;
    const found = checkTree(replay(options, record), { folders: tree.folders, files });
    problems.push(
      ...found.map((problem) => `${options.name} after ${record.returned}: ${problem}`),
    );
  }
  return { problems, digests };
}

if (import.meta.main) {
  const [path = "", flag] = process.argv.slice(2);
  const jobs: VerifyJob[] = JSON.parse(readFileSync(path, "utf8"));
  process.stdout.write(`${JSON.stringify(verify(jobs, flag === undefined))}\n`);
}
