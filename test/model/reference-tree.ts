import type { FsErrorCode } from "../../src/vfs/error.ts";

/** A file or directory of the reference. */
export interface Node {
  readonly id: number;
  readonly type: "file" | "directory";
  bytes: Buffer;
  readonly children: Map<string, Node>;
  /** Contents since the last commit, that one first: what a power cut may bring back, byte by byte. */
  history: Buffer[];
}

type Outcome = FsErrorCode | undefined;

/** A tree of files as POSIX has it, without owners and times: the reference that the file system is compared with. */
export class ReferenceTree {
  root: Node;
  #nextId = 1;

  constructor() {
    this.root = this.#node("directory");
  }

  #node(type: Node["type"]): Node {
    const bytes = Buffer.alloc(0);
    return { id: this.#nextId++, type, bytes, children: new Map(), history: [bytes] };
  }

  /** A copy of the tree; files are shared where `share` is set. */
  snapshot(): Node {
    const copy = (node: Node): Node =>
      node.type === "file"
        ? node
        : {
            ...node,
            children: new Map([...node.children].map(([name, child]) => [name, copy(child)])),
          };
    return copy(this.root);
  }

  at(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    for (const name of path.split("/")) node = node?.children.get(name);
    return node;
  }

  /** The directory of a path. */
  parent(path: string): { node: Node | FsErrorCode; name: string } {
    const names = path.split("/");
    const name = names.pop() ?? "";
    let node = this.root;
    for (const step of names) {
      if (node.type === "file") return { node: "NOTDIR", name };
      const next = node.children.get(step);
      if (next === undefined) return { node: "NOENT", name };
      node = next;
    }
    return { node: node.type === "file" ? "NOTDIR" : node, name };
  }

  make(path: string, type: Node["type"]): Outcome {
    const { node, name } = this.parent(path);
    if (typeof node === "string") return node;
    if (node.children.has(name)) return "EXIST";
    node.children.set(name, this.#node(type));
    return undefined;
  }

  link(from: string, to: string): Outcome {
    const source = this.parent(from);
    if (typeof source.node === "string") return source.node;
    const child = source.node.children.get(source.name);
    if (child === undefined) return "NOENT";
    const target = this.parent(to);
    const isPlace = this.at(to.slice(0, Math.max(0, to.lastIndexOf("/")))) !== undefined;
    if (child.type === "directory" && isPlace) return "ISDIR";
    if (typeof target.node === "string") return target.node;
    if (child.type === "directory") return "ISDIR";
    if (target.node.children.has(target.name)) return "EXIST";
    target.node.children.set(target.name, child);
    return undefined;
  }

  /** All paths of each file. */
  paths(): Map<Node, string[]> {
    const paths = new Map<Node, string[]>();
    for (const { path, node } of this.walk()) {
      if (node.type === "file") paths.set(node, [...(paths.get(node) ?? []), path]);
    }
    return paths;
  }

  remove(path: string): Outcome {
    const { node, name } = this.parent(path);
    if (typeof node === "string") return node;
    const child = node.children.get(name);
    if (child === undefined) return "NOENT";
    if (child.children.size > 0) return "NOTEMPTY";
    node.children.delete(name);
    return undefined;
  }

  rename(from: string, to: string): Outcome {
    const source = this.parent(from);
    if (typeof source.node === "string") return source.node;
    const target = this.parent(to);
    if (typeof target.node === "string") return target.node;
    const child = source.node.children.get(source.name);
    if (child === undefined) return "NOENT";
    const replaced = target.node.children.get(target.name);
    if (replaced === child) return undefined;
    if (child.type === "directory" && `${to}/`.startsWith(`${from}/`)) return "INVAL";
    if (replaced !== undefined) {
      if (replaced.type !== child.type) return "EXIST";
      if (replaced.children.size > 0) return "NOTEMPTY";
    }
    source.node.children.delete(source.name);
    target.node.children.set(target.name, child);
    return undefined;
  }

  change(node: Node, bytes: Buffer): void {
    node.bytes = bytes;
    node.history.push(bytes);
  }

  write(node: Node, at: number, bytes: Buffer): void {
    // POSIX write(): nothing written does not extend a file.
    if (bytes.length === 0) return;
    const size = Math.max(node.bytes.length, at + bytes.length);
    const next = Buffer.alloc(size);
    node.bytes.copy(next);
    bytes.copy(next, at);
    this.change(node, next);
  }

  truncate(node: Node, size: number): void {
    const next = Buffer.alloc(size);
    node.bytes.copy(next, 0, 0, Math.min(size, node.bytes.length));
    this.change(node, next);
  }

  commit(node: Node): void {
    node.history = [node.bytes];
  }

  /** All paths with their nodes, parents first. */
  *walk(node = this.root, path = ""): Generator<{ readonly path: string; readonly node: Node }> {
    for (const [name, child] of [...node.children].sort(([one], [other]) =>
      one < other ? -1 : 1,
    )) {
      const at = path === "" ? name : `${path}/${name}`;
      yield { path: at, node: child };
      yield* this.walk(child, at);
    }
  }
}
