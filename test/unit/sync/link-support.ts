import assert from "node:assert/strict";
import { TestVolume } from "./test-volume.ts";

/** Another node on the bucket of a volume, which knows nothing yet. */
export function freshNode(volume: TestVolume): Promise<TestVolume> {
  return new TestVolume({ store: volume.bucket, prefix: volume.prefix }).start();
}

/** Keys without those below `.s3files/`. */
export function objects(volume: TestVolume): string[] {
  return volume.bucket.keys().filter((key) => !key.includes(".s3files/"));
}

/** What the records in the bucket say. */
export function records(volume: TestVolume): { primary: string; names: string[] }[] {
  return volume.bucket
    .keys()
    .filter((key) => key.startsWith(`${volume.prefix}.s3files/links/`))
    .map((key) => JSON.parse(volume.bucket.text(key) ?? ""))
    .map(({ primary, names }) => ({ primary, names }));
}

/** Asserts that all paths are one file with this content and no other name. */
export async function isOneFile(
  volume: TestVolume,
  paths: readonly string[],
  content: string,
  when = "",
): Promise<void> {
  const inodes = new Set<number>();
  for (const path of paths) {
    const { inode, linkCount } = await volume.attributes(path);
    inodes.add(inode);
    assert.equal(linkCount, paths.length, `link count of ${path} ${when}`);
    assert.equal(await volume.text(path), content, `content of ${path} ${when}`);
  }
  assert.equal(inodes.size, 1, `inodes of ${paths} ${when}`);
}
