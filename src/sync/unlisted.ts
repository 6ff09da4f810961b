import { rootInode } from "../cache/volume-state.ts";
import type { ObjectKey } from "../s3/object-store.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { FileName } from "../vfs/name.ts";
import type { SyncContext } from "./sync-context.ts";

/**
 * For a store whose listings may be behind: adds to `seen` the names that a listing lacks although S3 has an object of
 * theirs, so that they are not taken for deleted. One HEAD for each name that would go.
 */
export async function findUnlisted(
  context: SyncContext,
  directory: InodeNumber,
  seen: Set<FileName>,
): Promise<void> {
  const { state, store, signal } = context;
  if (context.abilities().listAfterWrite === "honoured") return;
  for (let after = 0; ; ) {
    const entries = state.entries.page(directory, after, 500);
    const last = entries.at(-1);
    if (last === undefined) return;
    after = last.cookie;
    for (const { name, inode, isLink } of entries) {
      if (isLink || seen.has(name) || state.isLocal(name, directory === rootInode)) continue;
      for (const key of keysOf(context, inode)) {
        if ((await store.head(key, { signal })).kind === "notFound") continue;
        seen.add(name);
        break;
      }
    }
  }
}

/** The keys that S3 has for an inode or anything below it, as far as is known. */
function* keysOf({ state }: SyncContext, inode: InodeNumber): Generator<ObjectKey> {
  for (const id of [inode, ...state.entries.descendants(inode)]) {
    const key = state.inodes.get(id)?.remote?.key;
    if (key !== undefined) yield key;
  }
}
