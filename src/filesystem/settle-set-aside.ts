import type { InodeRow } from "../cache/inodes.ts";
import { addName, removeName } from "../cache/names.ts";
import { markMoved } from "../cache/subtree.ts";
import type { FileName } from "../vfs/name.ts";
import type { Context } from "./context.ts";
import { unlink } from "./remove.ts";
import { takeSetAside } from "./set-aside.ts";

/**
 * After the death of all clients, in the transaction of the repair: a file gets the name back that nothing else has
 * since, and is removed where the rename had come to its end.
 */
export function settleSetAside(context: Context): void {
  const { state, log } = context;
  for (const { inode, directory, name } of takeSetAside(context)) {
    const now = state.entries.parent(inode);
    const child = state.inodes.get(inode);
    const here = now === undefined ? undefined : state.inodes.get(now.directory);
    if (child === undefined || now === undefined || here === undefined) continue;
    const before = now.directory === directory ? here : state.inodes.get(directory);
    const isFree =
      before !== undefined && before.links > 0 && state.entries.get(directory, name) === undefined;
    log.warn(`A file that was open under another's name is ${isFree ? "back" : "removed"}`, {
      ...{ inode, path: name, directory },
    });
    if (isFree) restore(context, { here, before, child }, now.name, name);
    else unlink(context, here, now.name, child, context.now());
  }
}

function restore(
  context: Context,
  rows: { readonly here: InodeRow; readonly before: InodeRow; readonly child: InodeRow },
  from: FileName,
  to: FileName,
): void {
  const { state } = context;
  const { here, before, child } = rows;
  const now = context.now();
  removeName(state, here, from, child, now);
  child.change += 1;
  state.inodes.put(child);
  addName(state, before, to, child, now);
  markMoved(state, child.id, { fromLocal: true, toLocal: false, nowMs: context.nowMs() });
}
