import type {
  Attributes,
  Device,
  FileType,
  InodeNumber,
  Timespec,
} from "../../src/vfs/attributes.ts";
import { FsError } from "../../src/vfs/error.ts";
import type { FileName, XattrName } from "../../src/vfs/name.ts";
import { MemoryBytes } from "./memory-bytes.ts";
import type { UndoLog } from "./memory-state-store.ts";

/** One inode. Changed only after {@link MemoryTree.save}. */
export interface Node {
  readonly inode: InodeNumber;
  readonly type: FileType;
  readonly device: Device | undefined;
  readonly bytes: MemoryBytes;
  readonly target: Uint8Array;
  readonly verifier: Uint8Array | undefined;
  readonly entries: Map<FileName, Entry>;
  xattrs: ReadonlyMap<XattrName, Uint8Array>;
  mode: number;
  uid: number;
  gid: number;
  links: number;
  sizeBytes: number;
  accessTime: Timespec;
  modifyTime: Timespec;
  changeTime: Timespec;
  change: number;
  /** Of directories; undefined for the root and for what has no name. */
  parent: InodeNumber | undefined;
}

/** What a name stands for. */
export interface Entry {
  readonly cookie: number;
  readonly inode: InodeNumber;
}

const rootInode = 1 as InodeNumber;

/** Owner, group and mode of a new node. */
export interface Ownership {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What some kinds of nodes have more than others. */
interface Extra {
  readonly target?: Uint8Array;
  readonly verifier?: Uint8Array | undefined;
  readonly device?: Device;
}

/** Inodes and names, each change of which can be taken back with the transaction that it is made in. */
export class MemoryTree {
  readonly nodes = new Map<InodeNumber, Node>();
  readonly #now: () => Timespec;
  readonly #undoLog: UndoLog | undefined;
  #lastInode: number = rootInode;
  #lastCookie = 2;

  constructor(now: () => Timespec, undoLog: UndoLog | undefined) {
    this.#now = now;
    this.#undoLog = undoLog;
    const root = this.#newNode(rootInode, "directory", { mode: 0o755, uid: 0, gid: 0 });
    this.nodes.set(rootInode, { ...root, links: 2 });
  }

  undo(undo: () => void): void {
    this.#undoLog?.undo(undo);
  }

  /** @throws {FsError} STALE. */
  node(inode: InodeNumber): Node {
    const node = this.nodes.get(inode);
    if (node === undefined) throw new FsError("STALE", `Inode ${inode} is gone`);
    return node;
  }

  /** @throws {FsError} NOENT. */
  entry(directory: Node, name: FileName): Entry {
    const entry = directory.entries.get(name);
    if (entry !== undefined) return entry;
    throw new FsError("NOENT", `No entry '${name}' in inode ${directory.inode}`);
  }

  parentOf({ parent }: Node): Node | undefined {
    return parent === undefined ? undefined : this.node(parent);
  }

  /** A node without a name. */
  make(type: FileType, ownership: Ownership, extra: Extra): Node {
    this.#lastInode += 1;
    const inode = this.#lastInode as InodeNumber;
    const node = this.#newNode(inode, type, ownership, extra);
    this.undo(() => this.nodes.delete(inode));
    this.nodes.set(inode, node);
    return node;
  }

  addEntry(directory: Node, name: FileName, child: Node): void {
    this.save(directory);
    this.save(child);
    this.#lastCookie += 1;
    this.undo(() => directory.entries.delete(name));
    directory.entries.set(name, { cookie: this.#lastCookie, inode: child.inode });
    if (child.type === "directory") {
      child.parent = directory.inode;
      child.links = 2;
      directory.links += 1;
    } else {
      child.links += 1;
    }
    this.#touch(directory);
  }

  removeEntry(directory: Node, name: FileName, child: Node): void {
    this.save(directory);
    this.save(child);
    const entry = this.entry(directory, name);
    this.undo(() => {
      const entries = [...directory.entries, [name, entry] as const];
      directory.entries.clear();
      for (const [each, found] of entries.sort(([, a], [, b]) => a.cookie - b.cookie)) {
        directory.entries.set(each, found);
      }
    });
    directory.entries.delete(name);
    if (child.type === "directory") {
      child.parent = undefined;
      child.links = 0;
      directory.links -= 1;
    } else {
      child.links -= 1;
    }
    this.#touch(directory);
  }

  drop(inode: InodeNumber): void {
    const node = this.nodes.get(inode);
    if (node === undefined) return;
    this.undo(() => this.nodes.set(inode, node));
    this.nodes.delete(inode);
  }

  /** Counts a change of a node that was saved. */
  changed(node: Node, now: Timespec): void {
    node.changeTime = now;
    node.change += 1;
  }

  /** Counts a change of what is told of a node that was saved, now. */
  touchMetadata(node: Node): void {
    this.changed(node, this.#now());
  }

  /** Takes back what is changed in the fields of a node from here on. */
  save(node: Node): void {
    const before = { ...node };
    this.undo(() => Object.assign(node, before));
  }

  #touch(directory: Node): void {
    directory.modifyTime = this.#now();
    this.changed(directory, directory.modifyTime);
  }

  #newNode(inode: InodeNumber, type: FileType, ownership: Ownership, extra: Extra = {}): Node {
    const now = this.#now();
    const { target = new Uint8Array(0), verifier, device } = extra;
    return {
      ...{ device, inode, type, target, verifier, bytes: new MemoryBytes(), entries: new Map() },
      xattrs: new Map(),
      ...ownership,
      ...{ links: 0, sizeBytes: target.length, change: 1, parent: undefined },
      ...{ accessTime: now, modifyTime: now, changeTime: now },
    };
  }
}

/** The attributes that a node stands for. */
export function attributesOf(node: Node): Attributes {
  const isDirectory = node.type === "directory";
  return {
    ...{ inode: node.inode, type: node.type, mode: node.mode, uid: node.uid, gid: node.gid },
    ...(node.device === undefined ? {} : { device: node.device }),
    linkCount: node.links,
    sizeBytes: isDirectory ? 4096 : node.sizeBytes,
    usedBytes: isDirectory ? 0 : node.bytes.usedBytes,
    ...{ accessTime: node.accessTime, modifyTime: node.modifyTime, changeTime: node.changeTime },
    change: node.change,
  };
}

/** @throws {FsError} ISDIR, INVAL, FBIG. */
export function checkSize({ inode, type }: Pick<Node, "inode" | "type">, sizeBytes: number): void {
  if (type === "directory") throw new FsError("ISDIR", `Inode ${inode} is a directory`);
  if (type !== "file") throw new FsError("INVAL", `Inode ${inode} is a ${type}`);
  if (sizeBytes > Number.MAX_SAFE_INTEGER)
    throw new FsError("FBIG", `Inode ${inode} with ${sizeBytes} bytes`);
}

/** @throws {FsError} ISDIR, SYMLINK, WRONG_TYPE. */
export function requireFile(node: Node): Node {
  const { type, inode } = node;
  if (type === "directory") throw new FsError("ISDIR", `Inode ${inode} is a directory`);
  if (type === "symlink") throw new FsError("SYMLINK", `Inode ${inode} is a symbolic link`);
  if (type !== "file") throw new FsError("WRONG_TYPE", `Inode ${inode} is a ${type}`);
  return node;
}
