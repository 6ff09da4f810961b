// Over 400 lines: one step is one arm.
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InodeNumber } from "../../src/vfs/attributes.ts";
import { FsError } from "../../src/vfs/error.ts";
import type { Driver } from "../support/file-system-driver.ts";
import type { VolumeCase } from "../support/volume-case.ts";
import { type Node, ReferenceTree } from "./reference-tree.ts";

export type Step =
  | { readonly kind: "create" | "mkdir" | "remove" | "commit" | "open"; readonly path: string }
  | { readonly kind: "rename" | "link"; readonly path: string; readonly to: string }
  | { readonly kind: "write"; readonly path: string; readonly at: number; readonly size: number }
  | { readonly kind: "truncate"; readonly path: string; readonly size: number }
  | {
      readonly kind: "punch" | "allocate";
      readonly path: string;
      readonly at: number;
      readonly size: number;
    }
  | {
      readonly kind: "copy";
      readonly path: string;
      readonly to: string;
      readonly from: number;
      readonly at: number;
      readonly size: number;
    }
  | { readonly kind: "writeOpen"; readonly which: number; readonly at: number }
  | { readonly kind: "close"; readonly which: number }
  | { readonly kind: "remotePut"; readonly path: string; readonly size: number }
  | { readonly kind: "export" | "sync" | "evict" | "kill" }
  | { readonly kind: "powerCut"; readonly seed: number };

interface OpenFile {
  readonly inode: InodeNumber;
  readonly node: Node;
}

/** One volume on disk and the reference, given the same steps. */
export class FileSystemModel {
  readonly #volume: VolumeCase;
  readonly #tree = new ReferenceTree();
  #open: OpenFile[] = [];
  /** Cache files as their last fdatasync left them, by path below `data`. */
  #synced = new Map<string, Buffer>();
  /** The database at its last sync, with the tree of that moment. */
  #snapshot: { readonly folder: string; readonly root: Node } | undefined;
  #dbSynced = false;
  #value = 0;
  #boots = 1;

  constructor(volume: VolumeCase) {
    this.#volume = volume;
    this.#watch();
  }

  get #driver(): Driver {
    return this.#volume.driver;
  }

  /** Notices what is synced. */
  #watch(): void {
    const { files, db } = this.#volume.state;
    const { folder } = this.#volume;
    const sync = files.sync.bind(files);
    files.sync = async (inode, generation) => {
      await sync(inode, generation);
      const path = join((inode % 256).toString(16).padStart(2, "0"), `${inode}.${generation}`);
      const file = join(folder, "data", path);
      if (existsSync(file)) this.#synced.set(path, readFileSync(file));
    };
    const syncDatabase = db.sync.bind(db);
    db.sync = async () => {
      this.#dbSynced = true;
      await syncDatabase();
    };
  }

  async #takeSnapshot(): Promise<void> {
    await this.#volume.state.db.sync();
    this.#dropSnapshot();
    const folder = mkdtempSync(join(tmpdir(), "s3files-snapshot-"));
    for (const name of readdirSync(this.#volume.folder)) {
      if (name.startsWith("volume.db")) cpSync(join(this.#volume.folder, name), join(folder, name));
    }
    this.#snapshot = { folder, root: this.#tree.snapshot() };
    this.#dbSynced = false;
  }

  #dropSnapshot(): void {
    if (this.#snapshot !== undefined) rmSync(this.#snapshot.folder, { recursive: true });
    this.#snapshot = undefined;
  }

  /** Does the same on both; both succeed, or both fail in the same way. */
  async #both(work: () => Promise<unknown>, expected: string | undefined): Promise<boolean> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      // Which of two bad paths is found first does not matter.
      const same = (code: string): string => (code === "NOTDIR" ? "NOENT" : code);
      assert.equal(same(error.code), same(expected ?? "success"), error.message);
      return false;
    }
    assert.equal("success", expected ?? "success");
    return true;
  }

  #fill(size: number): Buffer {
    this.#value = (this.#value % 250) + 1;
    return Buffer.alloc(size, this.#value);
  }

  /** Does one step, then puts in order what the volume does in the background. */
  async run(step: Step): Promise<void> {
    await this.#step(step);
    await this.#volume.state.removalsDone();
    if (this.#dbSynced) await this.#takeSnapshot();
  }

  async #step(step: Step): Promise<void> {
    const tree = this.#tree;
    switch (step.kind) {
      case "create":
        await this.#both(() => this.#driver.create(step.path), tree.make(step.path, "file"));
        break;
      case "mkdir":
        await this.#both(() => this.#driver.mkdir(step.path), tree.make(step.path, "directory"));
        break;
      case "remove":
        await this.#both(() => this.#driver.remove(step.path), tree.remove(step.path));
        break;
      case "rename": {
        const expected = tree.rename(step.path, step.to);
        await this.#both(() => this.#driver.rename(step.path, step.to), expected);
        break;
      }
      case "link": {
        const expected = tree.link(step.path, step.to);
        await this.#both(() => this.#driver.link(step.path, step.to), expected);
        break;
      }
      case "write": {
        const bytes = this.#fill(step.size);
        await this.#withFile(step.path, async (inode, node) => {
          await this.#driver.write(inode, step.at, bytes);
          tree.write(node, step.at, bytes);
        });
        break;
      }
      case "truncate":
        await this.#withFile(step.path, async (inode, node) => {
          await this.#driver.set(inode, { sizeBytes: step.size });
          tree.truncate(node, step.size);
        });
        break;
      case "punch":
      case "allocate":
        await this.#withFile(step.path, async (inode, node) => {
          if (step.size === 0) return;
          const { kind, at, size } = step;
          await this.#driver.run((call, fs) =>
            kind === "punch"
              ? fs.deallocate(call, inode, at, size)
              : fs.allocate(call, inode, at, size),
          );
          const end = Math.min(at + size, node.bytes.length);
          if (kind === "punch") tree.write(node, at, Buffer.alloc(Math.max(0, end - at)));
          else tree.truncate(node, Math.max(node.bytes.length, at + size));
        });
        break;
      case "copy":
        await this.#withFile(step.path, (inode, node) =>
          this.#withFile(step.to, async (other, target) => {
            if (inode !== other) await this.#copy(step, [inode, node], [other, target]);
          }),
        );
        break;
      case "commit":
        await this.#withFile(step.path, async (inode, node) => {
          await this.#driver.commit(inode);
          await this.#volume.state.db.sync();
          tree.commit(node);
        });
        break;
      case "open":
        await this.#withFile(step.path, (inode, node) => {
          this.#volume.fileSystem.hold(inode);
          this.#open.push({ inode, node });
          return Promise.resolve();
        });
        break;
      case "writeOpen": {
        const file = this.#open[step.which % Math.max(1, this.#open.length)];
        if (file === undefined) break;
        const bytes = this.#fill(7);
        await this.#driver.write(file.inode, step.at, bytes);
        tree.write(file.node, step.at, bytes);
        break;
      }
      case "close": {
        const [file] = this.#open.splice(step.which % Math.max(1, this.#open.length), 1);
        if (file === undefined) break;
        this.#volume.transaction(() => this.#volume.fileSystem.release(file.inode));
        break;
      }
      case "remotePut":
        this.#remotePut(step.path, this.#fill(step.size));
        break;
      case "export":
        await this.#export();
        break;
      case "sync":
        await this.#takeSnapshot();
        break;
      case "evict":
        await this.#volume.clock.advance(1_000);
        break;
      case "kill":
        await this.#kill();
        break;
      case "powerCut":
        await this.#powerCut(step.seed);
        break;
    }
  }

  async #copy(
    step: { readonly from: number; readonly at: number; readonly size: number },
    [source, node]: readonly [InodeNumber, Node],
    [target, other]: readonly [InodeNumber, Node],
  ): Promise<void> {
    const length = Math.max(0, Math.min(step.size, node.bytes.length - step.from));
    for (let done = 0; done < length; ) {
      const from = { inode: source, offsetBytes: step.from + done };
      const to = { inode: target, offsetBytes: step.at + done };
      const count = await this.#driver.run((call, fs) =>
        fs.copyRange(call, from, to, length - done),
      );
      assert.ok(count > 0, "a copy that does not go on");
      const bytes = node.bytes.subarray(from.offsetBytes, from.offsetBytes + count);
      this.#tree.write(other, to.offsetBytes, Buffer.from(bytes));
      done += count;
    }
  }

  async #withFile(
    path: string,
    work: (inode: InodeNumber, node: Node) => Promise<void>,
  ): Promise<void> {
    const node = this.#tree.at(path);
    if (node?.type === "file") await work(await this.#driver.at(path), node);
  }

  #remotePut(path: string, bytes: Buffer): void {
    const { node, name } = this.#tree.parent(path);
    if (typeof node === "string") return;
    if (!this.#volume.bucket.putRemote(path, bytes)) return;
    if (!node.children.has(name)) this.#tree.make(path, "file");
    const file = this.#tree.at(path);
    if (file === undefined) throw new Error(`No '${path}' in the reference`);
    this.#tree.change(file, bytes);
    this.#tree.commit(file);
    this.#bucketChanged();
  }

  /** A real engine would find out after a power cut; this one must not forget what the bucket has. */
  #bucketChanged(): void {
    this.#dbSynced = true;
  }

  /** Afterwards the bucket holds exactly the tree. */
  async #export(): Promise<void> {
    while ((await this.#volume.bucket.exportAll()) > 0);
    this.#bucketChanged();
    const { objects } = this.#volume.bucket;
    const expected = new Map<string, Buffer>();
    // Of a file with several names, one has the object.
    for (const [node, paths] of this.#tree.paths()) {
      const [path, ...others] = paths.filter((each) => objects.has(each));
      assert.deepEqual(others, [], `objects of one file: ${paths}`);
      expected.set(path ?? paths[0] ?? "", node.bytes);
    }
    for (const { path, node } of this.#tree.walk()) {
      if (node.type === "directory" && node.children.size === 0) {
        expected.set(`${path}/`, Buffer.alloc(0));
      }
    }
    for (const [key, bytes] of expected) {
      const object = objects.get(key);
      assert.ok(object !== undefined, `no object '${key}'`);
      assert.ok(bytes.equals(object.bytes), `object '${key}' has other bytes`);
    }
    for (const key of objects.keys()) {
      const known = key.endsWith("/")
        ? this.#tree.at(key.slice(0, -1))?.type === "directory"
        : expected.has(key);
      assert.ok(known, `object '${key}' has no file`);
    }
  }

  async #kill(): Promise<void> {
    await this.#volume.crash((from, to) => cpSync(from, to, { recursive: true }));
    this.#watch();
    for (const { inode } of this.#open) this.#volume.fileSystem.hold(inode);
    this.#volume.fileSystem.dropOrphans();
    // Its log is not known to be on the disk, and the sweep syncs it.
    await this.#takeSnapshot();
    await this.check();
  }

  /** The disk keeps what was synced, and of the rest what chance has written. */
  async #powerCut(seed: number): Promise<void> {
    let random = seed;
    const flip = (): boolean => {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
      return (random & 0x10000) !== 0;
    };
    const snapshot = flip() ? this.#snapshot : undefined;
    const synced = this.#synced;
    this.#synced = new Map();
    await this.#volume.crash(
      (from, to) => {
        cpSync(from, to, { recursive: true });
        if (snapshot !== undefined) {
          for (const name of ["volume.db", "volume.db-wal"])
            rmSync(join(to, name), { force: true });
          cpSync(snapshot.folder, to, { recursive: true });
        }
        const data = join(to, "data");
        for (const name of readdirSync(data, { recursive: true, withFileTypes: true })) {
          if (!name.isFile()) continue;
          const path = join(name.parentPath, name.name);
          const key = path.slice(data.length + 1);
          const now = readFileSync(path);
          const then = synced.get(key) ?? Buffer.alloc(0);
          for (let at = 0; at < now.length; at += 16) {
            // What was never synced may be anything: here bytes that no step writes.
            if (!flip()) continue;
            now.fill(0xfe, at, Math.min(at + 16, now.length));
            now.set(then.subarray(at, at + 16), at);
          }
          writeFileSync(path, now);
        }
      },
      `boot ${++this.#boots}`,
    );
    if (snapshot !== undefined) this.#tree.root = snapshot.root;
    this.#open = [];
    this.#watch();
    this.#volume.fileSystem.dropOrphans();
    await this.#adoptSurvivors();
    await this.#takeSnapshot();
  }

  /** Names are as they were; each byte is one that was there since the last commit. */
  async #adoptSurvivors(): Promise<void> {
    for (const { path, node } of this.#tree.walk()) {
      if (node.type === "directory") continue;
      const found = await this.#driver.read(await this.#driver.at(path));
      const sizes = node.history.map(({ length }) => length);
      assert.ok(found.length <= Math.max(...sizes), `'${path}' has grown to ${found.length}`);
      assert.ok(found.length >= Math.min(...sizes), `'${path}' was cut to ${found.length}`);
      for (const [at, byte] of found.entries()) {
        const possible = node.history.map((bytes) => bytes[at] ?? 0);
        assert.ok(possible.includes(byte), `'${path}' has ${byte} at ${at}, not ${possible}`);
      }
      node.bytes = found;
      this.#tree.commit(node);
    }
    await this.check();
  }

  /** The volume shows what the reference shows. */
  async check(): Promise<void> {
    const found: string[] = [];
    const walk = async (path: string): Promise<void> => {
      for (const name of await this.#driver.names(path)) {
        const at = path === "" ? name : `${path}/${name}`;
        found.push(at);
        const inode = await this.#driver.at(at);
        const node = this.#tree.at(at);
        const { type, linkCount, sizeBytes } = await this.#driver.attributes(inode);
        assert.equal(type, node?.type, at);
        if (node?.type === "file") {
          assert.equal(sizeBytes, node.bytes.length, at);
          const names = this.#tree.paths().get(node) ?? [];
          assert.equal(linkCount, names.length, `link count of '${at}'`);
          for (const name of names) assert.equal(await this.#driver.at(name), inode, at);
          assert.ok((await this.#driver.read(inode)).equals(node.bytes), `bytes of '${at}'`);
          continue;
        }
        const folders = [...(node?.children.values() ?? [])].filter(
          (child) => child.type === "directory",
        );
        assert.equal(linkCount, 2 + folders.length, `link count of '${at}'`);
        await walk(at);
      }
    };
    await walk("");
    assert.deepEqual(
      found,
      [...this.#tree.walk()].map(({ path }) => path),
    );
    for (const { inode, node } of this.#open) {
      assert.ok((await this.#driver.read(inode)).equals(node.bytes), "bytes of an open file");
    }
    assert.deepEqual(this.#volume.state.inodes.usage(), this.#usageByTable());
  }

  #usageByTable(): { readonly files: number; readonly bytes: number } {
    const row = this.#volume.state.db.get(
      "SELECT count(*) AS files, sum(size - hole_bytes) AS bytes FROM inode",
    );
    return { files: Number(row?.["files"]), bytes: Number(row?.["bytes"]) };
  }

  async close(): Promise<void> {
    this.#dropSnapshot();
    await this.#volume.close();
  }
}
