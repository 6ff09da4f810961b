import type { ChangeInfo } from "../../src/vfs/attributes.ts";
import type { Call } from "../../src/vfs/call.ts";
import { FsError } from "../../src/vfs/error.ts";
import type { XattrMode } from "../../src/vfs/file-system.ts";
import type { XattrName } from "../../src/vfs/name.ts";
import { need } from "./memory-permission.ts";
import type { MemoryTree, Node } from "./memory-tree.ts";

const maxBytes = 1600;

/** @throws {FsError} ACCESS, NOXATTR. */
export function xattr(node: Node, call: Call, name: XattrName): Uint8Array {
  need(node, call.caller, { read: true });
  return present(node, name);
}

/** @throws {FsError} ACCESS. */
export function xattrNames(node: Node, call: Call): readonly XattrName[] {
  need(node, call.caller, { read: true });
  return [...node.xattrs.keys()];
}

function present(node: Node, name: XattrName): Uint8Array {
  const value = node.xattrs.get(name);
  if (value === undefined) throw new FsError("NOXATTR", `Inode ${node.inode} has no '${name}'`);
  return value;
}

/** Sets, or removes when `value` is undefined. @throws {FsError} ACCESS, PERM, EXIST, NOXATTR, XATTR2BIG. */
export function changeXattr(
  tree: MemoryTree,
  node: Node,
  call: Call,
  name: XattrName,
  value: Uint8Array | undefined,
  mode: XattrMode,
): ChangeInfo {
  const { uid } = call.caller;
  need(node, call.caller, { write: true });
  if (node.type !== "file" && node.type !== "directory") {
    throw new FsError("PERM", `Inode ${node.inode} is a ${node.type}`);
  }
  if (node.type === "directory" && (node.mode & 0o1000) !== 0 && uid !== 0 && uid !== node.uid) {
    throw new FsError("PERM", `Directory ${node.inode} is sticky`);
  }
  const before = node.change;
  const known = node.xattrs.get(name);
  if (mode === "create" && known !== undefined) throw new FsError("EXIST", `'${name}' exists`);
  if (mode === "replace" || value === undefined) present(node, name);
  if (value !== undefined && known !== undefined && Buffer.compare(known, value) === 0) {
    return { before, after: before };
  }
  const xattrs = new Map(node.xattrs);
  if (value === undefined) xattrs.delete(name);
  else xattrs.set(name, Uint8Array.from(value));
  const bytes = [...xattrs].reduce((sum, [key, each]) => sum + key.length + each.length, 0);
  if (bytes > maxBytes) throw new FsError("XATTR2BIG", `Inode ${node.inode}: ${bytes} bytes`);
  tree.save(node);
  node.xattrs = xattrs;
  tree.touchMetadata(node);
  return { before, after: node.change };
}
