import type { AttributeChanges, Attributes } from "../../src/vfs/attributes.ts";
import type { Caller } from "../../src/vfs/call.ts";
import { FsError } from "../../src/vfs/error.ts";
import type { Access } from "../../src/vfs/file-system.ts";

type Owned = Pick<Attributes, "inode" | "type" | "mode" | "uid" | "gid">;

const inGroup = (caller: Caller, gid: number) =>
  [caller.gid, ...caller.groups].some((group) => group === gid);

/** What POSIX grants: the bits of the first class that fits, and root everything that makes sense. */
export function granted(node: Owned, caller: Caller): Access {
  if (caller.uid === 0) {
    return {
      read: true,
      write: true,
      execute: node.type === "directory" || /[1357]/.test((node.mode & 0o777).toString(8)),
    };
  }
  const [owner = 0, group = 0, others = 0] = [6, 3, 0].map((shift) => (node.mode >> shift) & 7);
  const bits = node.uid === caller.uid ? owner : inGroup(caller, node.gid) ? group : others;
  return { read: bits >= 4, write: [2, 3, 6, 7].includes(bits), execute: bits % 2 === 1 };
}

/** @throws {FsError} ACCESS. */
export function need(node: Owned, caller: Caller, access: Partial<Access>): void {
  const have = granted(node, caller);
  const lacks = (["read", "write", "execute"] as const).filter((way) => access[way] && !have[way]);
  if (lacks.length > 0) {
    throw new FsError("ACCESS", `Caller ${caller.uid} cannot ${lacks.join()} inode ${node.inode}`);
  }
}

/** The sticky bit's rule. @throws {FsError} PERM. */
export function needRemovable(directory: Owned, child: Owned, caller: Caller): void {
  const owners = [0, directory.uid, child.uid];
  if ((directory.mode & 0o1000) !== 0 && !owners.includes(caller.uid)) {
    throw new FsError("PERM", `Inode ${directory.inode} is sticky`);
  }
}

/** Who may change which attributes. @throws {FsError} PERM, ACCESS. */
export function needChangeable(
  node: Owned,
  caller: Caller,
  changes: AttributeChanges,
  opened: boolean,
): void {
  const isRoot = caller.uid === 0;
  const isOwner = isRoot || caller.uid === node.uid;
  const { mode, uid, gid, accessTime, modifyTime, sizeBytes } = changes;
  const refuse = () => new FsError("PERM", `Inode ${node.inode} is not of ${caller.uid}`);
  if ((mode ?? uid ?? gid) !== undefined && !isOwner) throw refuse();
  if (uid !== undefined && uid !== node.uid && !isRoot) throw refuse();
  if (gid !== undefined && gid !== node.gid && !isRoot && !inGroup(caller, gid)) throw refuse();
  if ((accessTime ?? modifyTime) !== undefined && !isOwner) {
    if (accessTime !== "now" || modifyTime !== "now") throw refuse();
    need(node, caller, { write: true });
  }
  if (sizeBytes !== undefined && !opened) need(node, caller, { write: true });
}

/** The mode without set-user-id, and without set-group-id where the group may execute. */
export function stripped(mode: number): number {
  return mode & ~(mode & 0o010 ? 0o6000 : 0o4000);
}

/** The mode after a chmod or chown by `caller`. */
export function modeAfter(node: Owned, caller: Caller, changes: AttributeChanges): number {
  let mode = changes.mode === undefined ? node.mode : changes.mode & 0o7777;
  const gid = changes.gid ?? node.gid;
  const isChown = changes.uid !== undefined || changes.gid !== undefined;
  if (isChown && node.type !== "directory") mode = stripped(mode);
  if (changes.mode !== undefined && caller.uid !== 0 && !inGroup(caller, gid)) mode &= ~0o2000;
  return mode;
}
