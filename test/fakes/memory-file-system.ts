import type { Clock } from "../../src/base/clock.ts";
import type {
  AttributeChanges,
  Attributes,
  ChangeInfo,
  Device,
  FileType,
  InodeNumber,
  Timespec,
} from "../../src/vfs/attributes.ts";
import type { Call, WaitReason } from "../../src/vfs/call.ts";
import { FsError } from "../../src/vfs/error.ts";
import {
  type Access,
  type Content,
  type CreateMode,
  type DirectoryEntry,
  type DirectoryPage,
  type FileSystem,
  maxLinks,
  type ReadResult,
  type Space,
  type Stability,
  type XattrMode,
} from "../../src/vfs/file-system.ts";
import type { FileName, XattrName } from "../../src/vfs/name.ts";
import {
  granted,
  modeAfter,
  need,
  needChangeable,
  needRemovable,
  stripped,
} from "./memory-permission.ts";
import type { UndoLog } from "./memory-state-store.ts";
import { attributesOf, checkSize, MemoryTree, type Node, requireFile } from "./memory-tree.ts";
import { changeXattr, xattr, xattrNames } from "./memory-xattrs.ts";

/** What a memory file system is made of. */
export interface MemoryFileSystemOptions {
  readonly clock: Clock;
  /** Its transactions: changes are refused outside one, and taken back with it. Absent: every change stays. */
  readonly undoLog?: UndoLog;
  /** Asked before each attempt: what the operation has to wait for first, if anything. Asked once for a call. */
  readonly wait?: (method: string, inode: InodeNumber) => Promise<unknown> | undefined;
  /** What those waits are for; the disk unless told otherwise. */
  readonly waitReason?: WaitReason | (() => WaitReason);
  readonly totalBytes?: number;
}

// Over 400 lines: one class of one interface, each method short.
/** A file system in memory that obeys POSIX; the reference in model tests and the fake below the protocol. */
export class MemoryFileSystem implements FileSystem {
  readonly root = 1 as InodeNumber;
  writeVerifier: Uint8Array = Buffer.from("verifier");
  readonly #options: MemoryFileSystemOptions;
  readonly #tree: MemoryTree;
  readonly #holds = new Map<InodeNumber, number>();

  constructor(options: MemoryFileSystemOptions) {
    this.#options = options;
    this.#tree = new MemoryTree(() => this.now(), options.undoLog);
  }

  /** As after a new start of the process: nobody holds a file. */
  forgetHolds(): void {
    this.#holds.clear();
  }

  requireInode(inode: InodeNumber): void {
    this.#tree.node(inode);
  }

  getAttributes(call: Call, inode: InodeNumber): Attributes {
    this.#begin(call, "getAttributes", inode);
    return attributesOf(this.#tree.node(inode));
  }

  setAttributes(
    call: Call,
    inode: InodeNumber,
    changes: AttributeChanges,
    { opened }: { readonly opened: boolean },
  ): void {
    this.#begin(call, "setAttributes", inode);
    const node = this.#tree.node(inode);
    needChangeable(node, call.caller, changes, opened);
    const { sizeBytes, accessTime, modifyTime } = changes;
    if (sizeBytes !== undefined) checkSize(node, sizeBytes);
    if (Object.values(changes).every((value) => value === undefined)) return;
    this.#tree.save(node);
    const now = this.now();
    if (sizeBytes !== undefined) {
      this.#tree.undo(node.bytes.truncate(sizeBytes));
      node.sizeBytes = sizeBytes;
      node.modifyTime = now;
      if (call.caller.uid !== 0) node.mode = stripped(node.mode);
    }
    node.mode = modeAfter(node, call.caller, changes);
    node.uid = changes.uid ?? node.uid;
    node.gid = changes.gid ?? node.gid;
    if (accessTime !== undefined) node.accessTime = accessTime === "now" ? now : accessTime;
    if (modifyTime !== undefined) node.modifyTime = modifyTime === "now" ? now : modifyTime;
    this.#tree.changed(node, now);
  }

  permittedAccess(call: Call, inode: InodeNumber): Access {
    this.#begin(call, "permittedAccess", inode);
    return granted(this.#tree.node(inode), call.caller);
  }

  requireAccess(call: Call, inode: InodeNumber, access: Access): void {
    this.#begin(call, "requireAccess", inode);
    need(this.#tree.node(inode), call.caller, access);
  }

  lookup(call: Call, directory: InodeNumber, name: FileName): InodeNumber {
    this.#begin(call, "lookup", directory);
    return this.#tree.entry(this.#directory(call, directory, { execute: true }), name).inode;
  }

  lookupParent(call: Call, directory: InodeNumber): InodeNumber {
    this.#begin(call, "lookupParent", directory);
    const { parent } = this.#directory(call, directory, { execute: true });
    if (parent === undefined) throw new FsError("NOENT", `Inode ${directory} has no parent`);
    return parent;
  }

  readDirectory(
    call: Call,
    directory: InodeNumber,
    page: { readonly after: number; readonly limit: number; readonly attributes: boolean },
  ): DirectoryPage {
    this.#begin(call, "readDirectory", directory);
    const { entries } = this.#directory(call, directory, { read: true });
    const found: DirectoryEntry[] = [];
    for (const [name, { cookie, inode }] of entries) {
      if (cookie <= page.after) continue;
      if (found.length === page.limit) return { entries: found, endOfDirectory: false };
      const attributes = page.attributes
        ? { attributes: attributesOf(this.#tree.node(inode)) }
        : {};
      found.push({ cookie, name, inode, ...attributes });
    }
    return { entries: found, endOfDirectory: true };
  }

  readLink(call: Call, inode: InodeNumber): Uint8Array {
    this.#begin(call, "readLink", inode);
    const { type, target } = this.#tree.node(inode);
    if (type !== "symlink") throw new FsError("WRONG_TYPE", `Inode ${inode} is a ${type}`);
    return target;
  }

  createFile(
    call: Call,
    directory: InodeNumber,
    name: FileName,
    create: CreateMode,
    changes: AttributeChanges,
  ): { readonly inode: InodeNumber; readonly created: boolean; readonly directory: ChangeInfo } {
    this.#begin(call, "createFile", directory);
    const parent = this.#directory(call, directory, { execute: true });
    const entry = parent.entries.get(name);
    const verifier = create.kind === "exclusive" ? Uint8Array.from(create.verifier) : undefined;
    if (entry === undefined) {
      return {
        ...this.#make(call, parent, name, { type: "file", verifier }, changes),
        created: true,
      };
    }
    const node = this.#tree.node(entry.inode);
    const isSame =
      verifier !== undefined &&
      node.verifier !== undefined &&
      Buffer.compare(verifier, node.verifier) === 0;
    if (create.kind !== "unchecked" && !isSame) throw new FsError("EXIST", `'${name}' exists`);
    if (node.type === "directory") throw new FsError("ISDIR", `'${name}' is a directory`);
    if (node.type === "symlink") throw new FsError("SYMLINK", `'${name}' is a symbolic link`);
    const unchanged = { before: parent.change, after: parent.change };
    return { inode: entry.inode, created: isSame, directory: unchanged };
  }

  createNode(
    call: Call,
    directory: InodeNumber,
    name: FileName,
    node:
      | { readonly type: "directory" | "fifo" | "socket" }
      | { readonly type: "blockDevice" | "characterDevice"; readonly device: Device }
      | { readonly type: "symlink"; readonly target: Uint8Array },
    changes: AttributeChanges,
  ): { readonly inode: InodeNumber; readonly directory: ChangeInfo } {
    this.#begin(call, "createNode", directory);
    const parent = this.#directory(call, directory, { execute: true });
    if (parent.entries.has(name)) throw new FsError("EXIST", `'${name}' exists`);
    if ("device" in node && call.caller.uid !== 0) throw new FsError("PERM", `'${name}' is root's`);
    if (node.type !== "symlink") return this.#make(call, parent, name, node, changes);
    const { length } = node.target;
    if (length === 0) throw new FsError("INVAL", "Empty target");
    if (length > 4095) throw new FsError("NAMETOOLONG", `Target of ${length} bytes`);
    const target = Uint8Array.from(node.target);
    return this.#make(call, parent, name, { type: "symlink", target }, changes);
  }

  link(call: Call, inode: InodeNumber, directory: InodeNumber, name: FileName): ChangeInfo {
    this.#begin(call, "link", inode);
    const child = this.#tree.node(inode);
    if (child.type === "directory") throw new FsError("ISDIR", `Inode ${inode} is a directory`);
    const parent = this.#directory(call, directory, { execute: true });
    if (parent.entries.has(name)) throw new FsError("EXIST", `'${name}' exists`);
    need(parent, call.caller, { write: true });
    if (parent.parent === undefined && parent.inode !== this.root) {
      throw new FsError("NOENT", `Directory ${parent.inode} has been removed`);
    }
    if (child.links === 0) throw new FsError("STALE", `Inode ${inode} has no name any more`);
    if (child.links >= maxLinks) throw new FsError("MLINK", `Inode ${inode} has too many names`);
    const before = parent.change;
    this.#tree.addEntry(parent, name, child);
    this.#tree.changed(child, this.now());
    return { before, after: parent.change };
  }

  remove(call: Call, directory: InodeNumber, name: FileName): ChangeInfo {
    this.#begin(call, "remove", directory);
    const parent = this.#directory(call, directory, { write: true, execute: true });
    const child = this.#tree.node(this.#tree.entry(parent, name).inode);
    needRemovable(parent, child, call.caller);
    if (child.entries.size > 0) throw new FsError("NOTEMPTY", `'${name}' is not empty`);
    const before = parent.change;
    this.#unlink(parent, name, child);
    return { before, after: parent.change };
  }

  rename(
    call: Call,
    from: { readonly directory: InodeNumber; readonly name: FileName },
    to: { readonly directory: InodeNumber; readonly name: FileName },
  ): { readonly source: ChangeInfo; readonly target: ChangeInfo } {
    this.#begin(call, "rename", from.directory);
    const source = this.#directory(call, from.directory, { write: true, execute: true });
    const target = this.#directory(call, to.directory, { write: true, execute: true });
    const before = { source: source.change, target: target.change };
    const child = this.#tree.node(this.#tree.entry(source, from.name).inode);
    const found = target.entries.get(to.name);
    if (found?.inode !== child.inode) {
      needRemovable(source, child, call.caller);
      if (child.type === "directory") {
        for (let at: Node | undefined = target; at !== undefined; at = this.#tree.parentOf(at)) {
          if (at === child) throw new FsError("INVAL", `'${from.name}' cannot move into itself`);
        }
        if (source !== target) need(child, call.caller, { write: true });
      }
      const replaced = found && this.#tree.node(found.inode);
      if (replaced !== undefined) {
        needRemovable(target, replaced, call.caller);
        if ((replaced.type === "directory") !== (child.type === "directory")) {
          throw new FsError("EXIST", `'${to.name}' is a ${replaced.type}`);
        }
        if (replaced.entries.size > 0) throw new FsError("NOTEMPTY", `'${to.name}' is not empty`);
        this.#unlink(target, to.name, replaced);
      }
      this.#tree.removeEntry(source, from.name, child);
      this.#tree.addEntry(target, to.name, child);
      this.#tree.changed(child, this.now());
    }
    return {
      source: { before: before.source, after: source.change },
      target: { before: before.target, after: target.change },
    };
  }

  open(
    call: Call,
    inode: InodeNumber,
    access: { readonly read: boolean; readonly write: boolean },
  ): void {
    this.#begin(call, "open", inode);
    need(requireFile(this.#tree.node(inode)), call.caller, access);
  }

  hold(inode: InodeNumber): void {
    this.#holds.set(inode, (this.#holds.get(inode) ?? 0) + 1);
  }

  release(inode: InodeNumber): void {
    const holds = this.#holds.get(inode) ?? 0;
    if (holds === 0) throw new Error(`Inode ${inode} is released more often than held`);
    if (holds > 1) {
      this.#holds.set(inode, holds - 1);
      return;
    }
    this.#holds.delete(inode);
    if (this.#tree.nodes.get(inode)?.links === 0) this.#tree.drop(inode);
  }

  dropOrphans(): void {
    for (const { inode, links } of this.#tree.nodes.values()) {
      if (links === 0 && !this.#holds.has(inode)) this.#tree.drop(inode);
    }
  }

  read(call: Call, inode: InodeNumber, offsetBytes: number, lengthBytes: number): ReadResult {
    this.#begin(call, "read", inode);
    const node = requireFile(this.#tree.node(inode));
    const length = Math.max(0, Math.min(lengthBytes, node.sizeBytes - offsetBytes));
    const chunks = length === 0 ? [] : [node.bytes.read(offsetBytes, length)];
    return { chunks, lengthBytes: length, endOfFile: offsetBytes + length >= node.sizeBytes };
  }

  write(
    call: Call,
    inode: InodeNumber,
    offsetBytes: number,
    chunks: readonly Uint8Array[],
    stability: Stability,
  ): { readonly committed: Stability } {
    this.#begin(call, "write", inode);
    const node = requireFile(this.#tree.node(inode));
    const bytes = Buffer.concat(chunks);
    if (bytes.length === 0) return { committed: stability };
    checkSize(node, offsetBytes + bytes.length);
    this.#tree.save(node);
    this.#tree.undo(node.bytes.write(offsetBytes, bytes));
    const now = this.now();
    node.sizeBytes = Math.max(node.sizeBytes, offsetBytes + bytes.length);
    node.modifyTime = now;
    if (call.caller.uid !== 0) node.mode = stripped(node.mode);
    this.#tree.changed(node, now);
    return { committed: stability };
  }

  commit(call: Call, inode: InodeNumber): void {
    this.#begin(call, "commit", inode);
    requireFile(this.#tree.node(inode));
  }

  seek(call: Call, inode: InodeNumber, offset: number, what: Content): number | undefined {
    this.#begin(call, "seek", inode);
    const { bytes, sizeBytes } = requireFile(this.#tree.node(inode));
    if (offset >= sizeBytes) throw new FsError("NXIO", `Inode ${inode} ends before ${offset}`);
    return bytes.next(offset, sizeBytes, what) ?? (what === "hole" ? sizeBytes : undefined);
  }

  allocate(call: Call, inode: InodeNumber, offset: number, length: number): void {
    this.#begin(call, "allocate", inode);
    const node = this.#ranged(inode, length);
    checkSize(node, offset + length);
    this.#tree.undo(node.bytes.allocate(offset, offset + length));
    node.sizeBytes = Math.max(node.sizeBytes, offset + length);
    this.#modified(call, node);
  }

  deallocate(call: Call, inode: InodeNumber, offset: number, length: number): void {
    this.#begin(call, "deallocate", inode);
    const node = this.#ranged(inode, length);
    this.#tree.undo(node.bytes.deallocate(offset, Math.min(offset + length, node.sizeBytes)));
    this.#modified(call, node);
  }

  #ranged(inode: InodeNumber, length: number): Node {
    const node = this.#tree.node(inode);
    if (node.type !== "file") throw new FsError("WRONG_TYPE", `Inode ${inode} is a ${node.type}`);
    if (length === 0) throw new FsError("INVAL", "Empty range");
    this.#tree.save(node);
    return node;
  }

  #modified(call: Call, node: Node): void {
    node.modifyTime = this.now();
    if (call.caller.uid !== 0) node.mode = stripped(node.mode);
    this.#tree.changed(node, node.modifyTime);
  }

  copyRange(
    call: Call,
    from: { readonly inode: InodeNumber; readonly offsetBytes: number },
    to: { readonly inode: InodeNumber; readonly offsetBytes: number },
    lengthBytes: number,
  ): number {
    this.#begin(call, "copyRange", from.inode);
    const source = requireFile(this.#tree.node(from.inode));
    const target = requireFile(this.#tree.node(to.inode));
    const start = from.offsetBytes;
    const end = Math.min(start + lengthBytes, source.sizeBytes);
    if (start >= end) return 0;
    const data = Math.min(end, source.bytes.next(start, end, "data") ?? end);
    const length = data > start ? data - start : Math.min(end - start, 1 << 20);
    checkSize(target, to.offsetBytes + length);
    this.#tree.save(target);
    this.#tree.undo(target.bytes.deallocate(to.offsetBytes, to.offsetBytes + length));
    if (data === start) {
      this.#tree.undo(target.bytes.write(to.offsetBytes, source.bytes.read(start, length)));
    }
    target.sizeBytes = Math.max(target.sizeBytes, to.offsetBytes + length);
    this.#modified(call, target);
    return length;
  }

  getXattr(call: Call, inode: InodeNumber, name: XattrName): Uint8Array {
    this.#begin(call, "getXattr", inode);
    return xattr(this.#tree.node(inode), call, name);
  }

  setXattr(
    call: Call,
    inode: InodeNumber,
    attribute: { readonly name: XattrName; readonly value: Uint8Array; readonly mode: XattrMode },
  ): ChangeInfo {
    this.#begin(call, "setXattr", inode);
    const { name, value, mode } = attribute;
    return changeXattr(this.#tree, this.#tree.node(inode), call, name, value, mode);
  }

  listXattrs(call: Call, inode: InodeNumber): readonly XattrName[] {
    this.#begin(call, "listXattrs", inode);
    return xattrNames(this.#tree.node(inode), call);
  }

  removeXattr(call: Call, inode: InodeNumber, name: XattrName): ChangeInfo {
    this.#begin(call, "removeXattr", inode);
    return changeXattr(this.#tree, this.#tree.node(inode), call, name, undefined, "either");
  }

  space(): Space {
    const totalBytes = this.#options.totalBytes ?? 2 ** 40;
    const nodes = [...this.#tree.nodes.values()];
    const usedBytes = nodes.reduce((sum, { bytes }) => sum + bytes.usedBytes, 0);
    const freeFiles = 2 ** 32 - nodes.length;
    return { totalBytes, freeBytes: totalBytes - usedBytes, totalFiles: 2 ** 32, freeFiles };
  }

  now(): Timespec {
    const ns = this.#options.clock.nowNs();
    const nanoseconds = Number(BigInt.asUintN(64, ns % 1_000_000_000n));
    return { seconds: Number(ns / 1_000_000_000n), nanoseconds };
  }

  #begin(call: Call, method: string, inode: InodeNumber): void {
    call.check();
    if (call.staged === this) return;
    const work = this.#options.wait?.(method, inode);
    if (work === undefined) return;
    call.staged = this;
    const { waitReason = "disk" } = this.#options;
    throw call.suspend(work, typeof waitReason === "function" ? waitReason() : waitReason);
  }

  #directory(call: Call, inode: InodeNumber, access: Partial<Access>): Node {
    const node = this.#tree.node(inode);
    if (node.type !== "directory") throw new FsError("NOTDIR", `Inode ${inode} is a ${node.type}`);
    need(node, call.caller, access);
    return node;
  }

  #make(
    call: Call,
    parent: Node,
    name: FileName,
    what: {
      readonly type: FileType;
      readonly device?: Device;
      readonly target?: Uint8Array;
      readonly verifier?: Uint8Array | undefined;
    },
    changes: AttributeChanges,
  ): { readonly inode: InodeNumber; readonly directory: ChangeInfo } {
    const { caller } = call;
    need(parent, caller, { write: true });
    if (parent.parent === undefined && parent.inode !== this.root) {
      throw new FsError("NOENT", `Directory ${parent.inode} has been removed`);
    }
    const inherits = (parent.mode & 0o2000) !== 0;
    const gid = inherits ? parent.gid : caller.gid;
    const mode = what.type === "symlink" ? 0o777 : what.type === "directory" ? 0o755 : 0o644;
    const { sizeBytes, accessTime, modifyTime } = changes;
    const ownership = { mode, uid: caller.uid, gid };
    const planned = { inode: parent.inode, type: what.type, ...ownership };
    needChangeable(planned, caller, changes, true);
    if (sizeBytes !== undefined) checkSize(planned, sizeBytes);
    const node = this.#tree.make(what.type, ownership, what);
    node.mode = modeAfter(node, caller, changes);
    if (inherits && what.type === "directory") node.mode |= 0o2000;
    node.uid = changes.uid ?? node.uid;
    node.gid = changes.gid ?? node.gid;
    if (accessTime !== undefined && accessTime !== "now") node.accessTime = accessTime;
    if (modifyTime !== undefined && modifyTime !== "now") node.modifyTime = modifyTime;
    node.sizeBytes = sizeBytes ?? node.sizeBytes;
    const before = parent.change;
    this.#tree.addEntry(parent, name, node);
    return { inode: node.inode, directory: { before, after: parent.change } };
  }

  #unlink(directory: Node, name: FileName, child: Node): void {
    this.#tree.removeEntry(directory, name, child);
    this.#tree.changed(child, this.now());
    if (child.links === 0 && !this.#holds.has(child.inode)) this.#tree.drop(child.inode);
  }
}
