import assert from "node:assert/strict";
import { type Guest, quoteForShell } from "./guest.ts";
import { digestOf } from "./load-verify.ts";
import type { NetworkS3 } from "./network-s3.ts";

/** SHA-256 of every regular file's bytes and every symbolic link's target below a directory of a guest, by its path below it. */
export async function fileDigests(guest: Guest, directory: string): Promise<Map<string, string>> {
  const output = await guest.check(
    `cd ${quoteForShell(directory)} && find . -type f -exec sha256sum {} + &&
find . -type l | while read -r link; do
  digest=$(readlink -n "$link" | sha256sum); echo "\${digest%% *}  $link"
done`,
    { timeoutMs: 300_000 },
  );
  const lines = output.split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => [line.slice(68), line.slice(0, 64)]));
}

/** SHA-256 of every object of a bucket, by its key; without our own objects and the markers of directories. */
export async function objectDigests(s3: NetworkS3, bucket: string): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  for (const key of await s3.keys(bucket)) {
    if (key.startsWith(".s3files/") || key.endsWith("/")) continue;
    digests.set(key, digestOf((await s3.get(bucket, key)).bytes));
  }
  return digests;
}

/** Asserts that two sets of digests are the same, naming what differs. */
export function assertSameDigests(
  objects: ReadonlyMap<string, string>,
  files: ReadonlyMap<string, string>,
): void {
  const names = [...new Set([...objects.keys(), ...files.keys()])].sort();
  const differences = names.flatMap((name) => {
    const [object, file] = [objects.get(name), files.get(name)];
    if (object === file) return [];
    if (object === undefined) return `${name} is a file and no object`;
    return file === undefined ? `${name} is an object and no file` : `${name} differs`;
  });
  assert.deepEqual(differences, []);
}
