import type { InodeRow } from "../cache/inodes.ts";
import { addName, removeName } from "../cache/names.ts";
import { markMoved } from "../cache/subtree.ts";
import type { FileName } from "../vfs/name.ts";
import type { Context } from "./context.ts";
import { unlink } from "./remove.ts";
import { type SetAside, takeSetAside } from "./set-aside.ts";

/**
 * After the death of all clients, in the transaction of the repair: a file gets the name back that nothing else has
 * since, and loses the one that it was given where the rename had come to its end.
 */
export function settleSetAside(context: Context): void {
  const { state, log } = context;
  for (const { here, before } of takeSetAside(context)) {
    const entry = state.entries.get(here.directory, here.name);
    const child = entry === undefined ? undefined : state.inodes.get(entry.inode);
    const now = state.inodes.get(here.directory);
    if (entry === undefined || child === undefined || now === undefined) continue;
    const then = before?.directory === here.directory ? now : directoryAt(context, before);
    const isFree =
      before !== undefined &&
      then !== undefined &&
      then.links > 0 &&
      state.entries.get(before.directory, before.name) === undefined;
    log.warn(`A file that was open under another's name is ${isFree ? "back" : "removed"}`, {
      ...{ inode: child.id, path: (before ?? here).name, directory: (before ?? here).directory },
    });
    if (isFree) {
      const rows = { now, then, child };
      restore(context, rows, here.name, before.name, entry.isLink);
    } else unlink(context, now, here.name, child, context.now());
  }
}

function directoryAt({ state }: Context, place: SetAside["before"]): InodeRow | undefined {
  return place === undefined ? undefined : state.inodes.get(place.directory);
}

function restore(
  context: Context,
  rows: { readonly now: InodeRow; readonly then: InodeRow; readonly child: InodeRow },
  from: FileName,
  to: FileName,
  isLink: boolean,
): void {
  const { state } = context;
  const { now: here, then: before, child } = rows;
  const now = context.now();
  removeName(state, here, from, child, now);
  child.change += 1;
  state.inodes.put(child);
  addName(state, before, to, child, now, isLink);
  markMoved(state, child.id, { fromLocal: true, toLocal: false, nowMs: context.nowMs() });
}
