import { markDirty } from "../cache/dirty.ts";
import { dirtyBits, type InodeRow } from "../cache/inodes.ts";
import type { Call } from "../vfs/call.ts";
import type { Context } from "./context.ts";
import { isRoot, withoutPrivileges } from "./permission.ts";

/** Times, privileges, dirty bits and what else a change of a file's bytes brings with it; puts the row. */
export function contentChanged(context: Context, call: Call, row: InodeRow): void {
  const now = context.now();
  row.modifyTime = now;
  row.changeTime = now;
  row.change += 1;
  if (!isRoot(call.caller)) row.mode = withoutPrivileges(row.mode);
  markDirty(row, dirtyBits.data, context.nowMs());
  context.state.inodes.put(row);
  context.changed();
}
