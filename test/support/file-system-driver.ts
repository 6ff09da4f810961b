import assert from "node:assert/strict";
import type { AttributeChanges, Attributes, InodeNumber } from "../../src/vfs/attributes.ts";
import { Call, type Caller, Suspended } from "../../src/vfs/call.ts";
import { FsError, type FsErrorCode } from "../../src/vfs/error.ts";
import type { DirectoryEntry, FileSystem, Stability } from "../../src/vfs/file-system.ts";
import { type FileName, fileName } from "../../src/vfs/name.ts";

/** A file system with what a protocol layer has around it. */
export interface FileSystemCase {
  readonly fileSystem: FileSystem;
  /** Runs `run` in one transaction of the store that the file system belongs to. */
  readonly transaction: <T>(run: () => T) => T;
  readonly close: () => Promise<void>;
}

export const root: Caller = { uid: 0, gid: 0, groups: [] };
export const alice: Caller = { uid: 1000, gid: 1000, groups: [3000] };
export const bob: Caller = { uid: 1001, gid: 1001, groups: [] };

/** A name as the file system takes it. */
export const named = (text: string): FileName => fileName(Buffer.from(text));

/** Runs operations the way a compound does: again after each suspension, each attempt in a transaction. */
export class Driver {
  readonly case: FileSystemCase;
  constructor(of: FileSystemCase) {
    this.case = of;
  }

  get fs(): FileSystem {
    return this.case.fileSystem;
  }

  /** Runs one operation to its end. */
  async run<T>(operation: (call: Call, fs: FileSystem) => T, caller: Caller = root): Promise<T> {
    using call = new Call(caller);
    for (let attempt = 0; attempt < 1000; attempt++) {
      try {
        return this.case.transaction(() => operation(call, this.fs));
      } catch (error) {
        if (!(error instanceof Suspended)) throw error;
        await error.ready;
      }
    }
    throw new Error("An operation was suspended a thousand times");
  }

  /** Asserts that an operation fails with one of `codes`. */
  async fails(
    codes: FsErrorCode | readonly FsErrorCode[],
    operation: (call: Call, fs: FileSystem) => unknown,
    caller: Caller = root,
  ): Promise<void> {
    await assert.rejects(this.run(operation, caller), (error) => {
      assert.ok(error instanceof FsError, String(error));
      assert.ok([codes].flat().includes(error.code), `${error.code}: ${error.message}`);
      return true;
    });
  }

  /** The inode at a path of names. */
  async at(path: string, caller: Caller = root): Promise<InodeNumber> {
    let inode = this.fs.root;
    for (const name of path.split("/").filter((part) => part !== "")) {
      const directory = inode;
      inode = await this.run((call, fs) => fs.lookup(call, directory, named(name)), caller);
    }
    return inode;
  }

  async #parent(path: string): Promise<{ directory: InodeNumber; name: FileName }> {
    const at = path.lastIndexOf("/");
    return {
      directory: await this.at(path.slice(0, Math.max(0, at))),
      name: named(path.slice(at + 1)),
    };
  }

  async create(path: string, changes: AttributeChanges = {}, caller = root): Promise<InodeNumber> {
    const { directory, name } = await this.#parent(path);
    const made = await this.run(
      (call, fs) => fs.createFile(call, directory, name, { kind: "guarded" }, changes),
      caller,
    );
    return made.inode;
  }

  async mkdir(path: string, changes: AttributeChanges = {}, caller = root): Promise<InodeNumber> {
    const { directory, name } = await this.#parent(path);
    const made = await this.run(
      (call, fs) => fs.createNode(call, directory, name, { type: "directory" }, changes),
      caller,
    );
    return made.inode;
  }

  async symlink(path: string, target: string): Promise<InodeNumber> {
    const { directory, name } = await this.#parent(path);
    const node = { type: "symlink", target: Buffer.from(target) } as const;
    return (await this.run((call, fs) => fs.createNode(call, directory, name, node, {}))).inode;
  }

  async link(from: string, to: string, caller = root): Promise<void> {
    const inode = await this.at(from);
    const { directory, name } = await this.#parent(to);
    await this.run((call, fs) => fs.link(call, inode, directory, name), caller);
  }

  async remove(path: string, caller = root): Promise<void> {
    const { directory, name } = await this.#parent(path);
    await this.run((call, fs) => fs.remove(call, directory, name), caller);
  }

  async rename(from: string, to: string, caller = root): Promise<void> {
    const source = await this.#parent(from);
    const target = await this.#parent(to);
    await this.run((call, fs) => fs.rename(call, source, target), caller);
  }

  async write(
    inode: InodeNumber,
    offset: number,
    bytes: Uint8Array | string,
    options: { readonly stability?: Stability; readonly caller?: Caller } = {},
  ): Promise<void> {
    const stability = options.stability ?? "unstable";
    const chunk = Buffer.from(bytes);
    const half = chunk.length >> 1;
    const chunks = [chunk.subarray(0, half), chunk.subarray(half)];
    await this.run(
      (call, fs) => fs.write(call, inode, offset, chunks, stability),
      options.caller ?? root,
    );
  }

  async read(inode: InodeNumber, offset = 0, length = 1 << 20): Promise<Buffer> {
    return await this.run((call, fs) => {
      const result = fs.read(call, inode, offset, length);
      const bytes = Buffer.concat(result.chunks);
      assert.equal(bytes.length, result.lengthBytes);
      return bytes;
    });
  }

  async text(path: string): Promise<string> {
    return (await this.read(await this.at(path))).toString();
  }

  async commit(inode: InodeNumber): Promise<void> {
    await this.run((call, fs) => fs.commit(call, inode));
  }

  async attributes(inode: InodeNumber): Promise<Attributes> {
    return await this.run((call, fs) => fs.getAttributes(call, inode));
  }

  async set(
    inode: InodeNumber,
    changes: AttributeChanges,
    caller: Caller = root,
    opened = false,
  ): Promise<void> {
    await this.run((call, fs) => fs.setAttributes(call, inode, changes, { opened }), caller);
  }

  /** All entries of a directory, read in pages. */
  async list(path = "", limit = 100): Promise<DirectoryEntry[]> {
    const directory = await this.at(path);
    const entries: DirectoryEntry[] = [];
    for (;;) {
      const after = entries.at(-1)?.cookie ?? 0;
      const page = await this.run((call, fs) =>
        fs.readDirectory(call, directory, { after, limit, attributes: false }),
      );
      entries.push(...page.entries);
      if (page.endOfDirectory) return entries;
      assert.ok(page.entries.length > 0, "an empty page that is not the last");
    }
  }

  async names(path = ""): Promise<string[]> {
    return (await this.list(path)).map((entry) => String(entry.name)).sort();
  }
}
