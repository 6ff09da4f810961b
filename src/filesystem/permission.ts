import type { InodeRow } from "../cache/inodes.ts";
import type { Caller } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { Access } from "../vfs/file-system.ts";
import type { MountGroups } from "./mount-groups.ts";

/** What permission checks look at. */
export type Protected = Pick<InodeRow, "id" | "type" | "mode" | "uid" | "gid">;

/** Set-user-id, set-group-id and sticky. */
export const modeBits = { setuid: 0o4000, setgid: 0o2000, sticky: 0o1000, groupExecute: 0o010 };

/** Whether the caller is root, who may do everything that a file allows at all. */
export function isRoot(caller: Caller): boolean {
  return caller.uid === 0;
}

/** Whether the caller may do what only the owner may. */
export function isOwner(row: Protected, caller: Caller): boolean {
  return isRoot(caller) || caller.uid === row.uid;
}

/** Whether `gid` is the caller's group or one of its supplementary groups. */
export function isInGroup(caller: Caller, gid: number): boolean {
  return caller.gid === gid || caller.groups.includes(gid);
}

/** What the file's mode grants the caller, by the one class (owner, group, others) that applies. */
export function permitted(row: Protected, caller: Caller, groups: MountGroups): Access {
  if (isRoot(caller)) {
    const execute = row.type === "directory" || (row.mode & 0o111) !== 0;
    return { read: true, write: true, execute };
  }
  const isMember = isInGroup(caller, row.gid) || groups.has(caller);
  const shift = caller.uid === row.uid ? 6 : isMember ? 3 : 0;
  const bits = (groups.modeOf(row) >> shift) & 7;
  return { read: (bits & 4) !== 0, write: (bits & 2) !== 0, execute: (bits & 1) !== 0 };
}

/** @throws {FsError} ACCESS unless the caller has each access that is true in `wanted`. */
export function requirePermitted(
  row: Protected,
  { caller, groups }: { readonly caller: Caller; readonly groups: MountGroups },
  wanted: Partial<Access>,
): void {
  const granted = permitted(row, caller, groups);
  for (const kind of ["read", "write", "execute"] as const) {
    if (wanted[kind] === true && !granted[kind]) {
      throw new FsError("ACCESS", `User ${caller.uid} has no ${kind} access to inode ${row.id}`);
    }
  }
}

/** The rule of the sticky bit for removing or renaming `child`. @throws {FsError} PERM. */
export function requireRemovable(directory: Protected, child: Protected, caller: Caller): void {
  if ((directory.mode & modeBits.sticky) === 0 || isOwner(directory, caller)) return;
  if (isOwner(child, caller)) return;
  throw new FsError("PERM", `Inode ${child.id} belongs to another user than ${caller.uid}`);
}

/** The mode after a write or a change of owner: without the bits that would lend somebody's rights. */
export function withoutPrivileges(mode: number): number {
  const cleared = mode & ~modeBits.setuid;
  return (mode & modeBits.groupExecute) === 0 ? cleared : cleared & ~modeBits.setgid;
}
