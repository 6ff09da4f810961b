import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InodeNumber } from "../../src/vfs/attributes.ts";
import type { Call, Caller } from "../../src/vfs/call.ts";
import { FsError } from "../../src/vfs/error.ts";
import type { FileSystem } from "../../src/vfs/file-system.ts";
import { alice, type Driver, named, root } from "../support/file-system-driver.ts";
import { VolumeCase } from "../support/volume-case.ts";

/** The local disk answers as this user from here on. */
function become({ uid, gid, groups }: Caller): void {
  process.seteuid?.(0);
  process.setegid?.(0);
  process.setgroups?.([gid, ...groups]);
  process.setegid?.(gid);
  process.seteuid?.(uid);
}

const isProtected = fs.readFileSync("/proc/sys/fs/protected_hardlinks", "latin1").trim() === "1";

/** What a system call does with our file system, as the kernel splits it up: the path first, then the operation. */
class Calls {
  readonly #driver: Driver;
  readonly #caller: Caller;
  constructor(driver: Driver, caller: Caller) {
    this.#driver = driver;
    this.#caller = caller;
  }

  run<T>(operation: (call: Call, fs: FileSystem) => T): Promise<T> {
    return this.#driver.run(operation, this.#caller);
  }

  async parent(path: string): Promise<{ directory: InodeNumber; name: ReturnType<typeof named> }> {
    const cut = path.lastIndexOf("/");
    const directory = await this.#driver.at(path.slice(0, Math.max(0, cut)), this.#caller);
    const { type } = await this.#driver.attributes(directory);
    if (type !== "directory") throw new FsError("NOTDIR", path);
    await this.run((call, on) =>
      on.requireAccess(call, directory, { read: false, write: false, execute: true }),
    );
    return { directory, name: named(path.slice(cut + 1)) };
  }

  at(path: string): Promise<InodeNumber> {
    return this.#driver.at(path, this.#caller);
  }

  async type(path: string): Promise<string> {
    return (await this.#driver.attributes(await this.at(path))).type;
  }

  async write(path: string, flags: string, mode: number, at: number, bytes: Buffer) {
    const { directory, name } = await this.parent(path);
    let inode: InodeNumber;
    const access = { read: flags === "r+", write: true };
    try {
      inode = await this.run((call, on) => on.lookup(call, directory, name));
      if (flags.endsWith("x")) throw new FsError("EXIST", path);
      await this.run((call, on) => on.open(call, inode, access));
      if (flags === "w") {
        await this.run((call, on) =>
          on.setAttributes(call, inode, { sizeBytes: 0 }, { opened: true }),
        );
      }
    } catch (error) {
      const isMissing = error instanceof FsError && error.code === "NOENT";
      if (!isMissing || flags === "r+") throw error;
      const changes = { mode: mode & ~0o022 };
      const made = await this.run((call, on) =>
        on.createFile(call, directory, name, { kind: "unchecked" }, changes),
      );
      inode = made.inode;
    }
    const { sizeBytes } = await this.#driver.attributes(inode);
    const offset = flags.startsWith("a") ? sizeBytes : at;
    await this.run((call, on) => on.write(call, inode, offset, [bytes], "unstable"));
  }

  /** rmdir and unlink: the kernel looks at the directory first, then at the kind of what is to go. */
  async remove(path: string, wanted: "directory" | "file"): Promise<void> {
    const { directory, name } = await this.parent(path);
    const isDirectory = (await this.type(path)) === "directory";
    await this.run((call, on) =>
      on.requireAccess(call, directory, { read: false, write: true, execute: true }),
    );
    const parent = await this.#driver.attributes(directory);
    const child = await this.#driver.attributes(await this.at(path));
    const isFree = (parent.mode & 0o1000) === 0 || this.#caller.uid === 0;
    if (!isFree && ![parent.uid, child.uid].includes(this.#caller.uid)) {
      throw new FsError("PERM", path);
    }
    if (isDirectory && wanted === "file") throw new FsError("ISDIR", path);
    if (!isDirectory && wanted === "directory") throw new FsError("NOTDIR", path);
    await this.run((call, on) => on.remove(call, directory, name));
  }

  /** The kernel looks at both paths first; whether the file is a directory, it asks last. */
  async link(from: string, to: string): Promise<void> {
    const inode = await this.at(from);
    const { directory, name } = await this.parent(to);
    const isThere = await this.at(to).then(
      () => true,
      (error: unknown) => {
        if (error instanceof FsError && error.code === "NOENT") return false;
        throw error;
      },
    );
    if (isThere) throw new FsError("EXIST", to);
    if (isProtected && !(await this.#mayLink(inode))) throw new FsError("PERM", from);
    await this.run((call, on) =>
      on.requireAccess(call, directory, { read: false, write: true, execute: true }),
    );
    if ((await this.type(from)) === "directory") throw new FsError("PERM", from);
    await this.run((call, on) => on.link(call, inode, directory, name));
  }

  /** The kernel's fs.protected_hardlinks, which an NFS client obeys before it asks the server. */
  async #mayLink(inode: InodeNumber): Promise<boolean> {
    const { uid, type, mode } = await this.#driver.attributes(inode);
    if (this.#caller.uid === 0 || this.#caller.uid === uid) return true;
    if (type !== "file" || (mode & 0o4000) !== 0 || (mode & 0o2010) === 0o2010) return false;
    const { read, write } = await this.run((call, on) => on.permittedAccess(call, inode));
    return read && write;
  }

  async rename(from: string, to: string): Promise<void> {
    const source = await this.parent(from);
    const target = await this.parent(to);
    const inode = await this.at(from);
    const found = await this.at(to).catch((error: unknown) => {
      if (error instanceof FsError && error.code === "NOENT") return undefined;
      throw error;
    });
    if (found === inode) return;
    if (`${from}/`.startsWith(`${to}/`)) throw new FsError("NOTEMPTY", to);
    if (`${to}/`.startsWith(`${from}/`)) throw new FsError("INVAL", to);
    try {
      await this.run((call, on) => on.rename(call, source, target));
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== "EXIST") throw error;
      // The client's kernel tells which of the two is the directory.
      throw new FsError((await this.type(from)) === "directory" ? "NOTDIR" : "ISDIR", to);
    }
  }
}

/** Numbers below `n`, the same ones for a seed. */
function randomOf(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

interface Step {
  readonly text: string;
  readonly path: string;
  readonly local: (base: string) => unknown;
  readonly ours: (calls: Calls) => Promise<unknown>;
}

function anyStep(below: (n: number) => number): Step {
  const oneOf = <T>(...values: readonly T[]): T => values[below(values.length)] as T;
  const anyPath = () => Array.from({ length: 1 + below(3) }, () => oneOf("a", "b", "c")).join("/");
  const path = anyPath();
  const to = anyPath();
  const mode = oneOf(
    0o644,
    0o600,
    0o755,
    0o777,
    0o700,
    0o4755,
    0o2755,
    0o2777,
    0o6711,
    0o070,
    0,
    0o1777,
    0o3777,
  );
  const size = below(3000);
  const at = below(5000);
  const bytes = Buffer.alloc(size, 1 + below(255));
  const id = oneOf(-1, 0, 1000, 2000, 3000);
  // Of nothing at all, the client makes a chmod without set-user-id.
  const group = id < 0 ? oneOf(0, 3000) : oneOf(-1, 0, 1000, 2000, 3000);
  const set = (changes: Parameters<Driver["set"]>[1]) => async (calls: Calls) => {
    const inode = await calls.at(path);
    await calls.run((call, on) => on.setAttributes(call, inode, changes, { opened: false }));
  };
  const step = (
    text: string,
    local: (full: string, base: string) => unknown,
    ours: Step["ours"],
  ) => ({
    text: `${text} ${path}`,
    path,
    local: (base: string) => local(join(base, path), base),
    ours,
  });
  switch (below(16)) {
    case 0:
    case 1:
    case 2: {
      const flags = oneOf("w", "wx", "a", "r+", "ax");
      return step(
        `write ${flags} ${mode.toString(8)} ${size}@${at}`,
        (full) => {
          const fd = fs.openSync(full, flags, mode);
          fs.writeSync(fd, bytes, 0, size, flags.startsWith("a") ? null : at);
          fs.closeSync(fd);
        },
        (calls) => calls.write(path, flags, mode, at, bytes),
      );
    }
    case 3:
    case 4:
      return step(
        "read",
        (full) => fs.readFileSync(full).toString("latin1"),
        async (calls) => {
          const inode = await calls.at(path);
          // A directory is opened for reading, if it may be, and cannot be read then.
          const access = { read: true, write: false, execute: false };
          await calls.run((call, on) => on.requireAccess(call, inode, access));
          return calls.run((call, on) =>
            Buffer.concat(on.read(call, inode, 0, 1 << 20).chunks).toString("latin1"),
          );
        },
      );
    case 5:
      return step(
        `truncate ${size}`,
        (full) => fs.truncateSync(full, size),
        set({ sizeBytes: size }),
      );
    case 6:
    case 7:
      return step(
        `mkdir ${mode.toString(8)}`,
        (full) => void fs.mkdirSync(full, mode),
        async (calls) => {
          const { directory, name } = await calls.parent(path);
          // mkdir(2) of Linux drops set-user-id and set-group-id of the mode.
          const changes = { mode: mode & 0o1777 & ~0o022 };
          await calls.run((call, on) =>
            on.createNode(call, directory, name, { type: "directory" }, changes),
          );
        },
      );
    case 8:
      return step(
        "rmdir",
        (full) => fs.rmdirSync(full),
        (calls) => calls.remove(path, "directory"),
      );
    case 9:
      return step(
        "unlink",
        (full) => fs.unlinkSync(full),
        (calls) => calls.remove(path, "file"),
      );
    case 10:
    case 11:
      return step(
        `rename to ${to}:`,
        (full, base) => fs.renameSync(full, join(base, to)),
        (calls) => calls.rename(path, to),
      );
    case 12:
      return step(`chmod ${mode.toString(8)}`, (full) => fs.chmodSync(full, mode), set({ mode }));
    case 13:
      return step(
        `chown ${id}:${group}`,
        (full) => fs.chownSync(full, id, group),
        set({ ...(id < 0 ? {} : { uid: id }), ...(group < 0 ? {} : { gid: group }) }),
      );
    case 14:
      return step(
        `link to ${to}:`,
        (full, base) => fs.linkSync(full, join(base, to)),
        (calls) => calls.link(path, to),
      );
    default:
      return step(
        "readdir",
        (full) => fs.readdirSync(full).sort().join(),
        async (calls) => {
          const directory = await calls.at(path);
          const page = { after: 0, limit: 100, attributes: false };
          const { entries } = await calls.run((call, on) =>
            on.readDirectory(call, directory, page),
          );
          return entries
            .map(({ name }) => String(name))
            .sort()
            .join();
        },
      );
  }
}

async function outcome(run: () => unknown): Promise<string> {
  try {
    return String((await run()) ?? "done");
  } catch (error) {
    if (error instanceof FsError) return `E${error.code === "ACCESS" ? "ACCES" : error.code}`;
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
}

function locally(run: () => unknown): string {
  try {
    return String(run() ?? "done");
  } catch (error) {
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
}

/** For each seed. */
const operations = Number(process.env["S3FILES_DIFFERENCES"] ?? 1500);

describe("the file system on disk, against the machine's own", () => {
  for (const seed of [1, 2 + (Date.now() % 1_000_000)]) {
    it(`answers root and a user alike, and leaves the same (seed ${seed})`, async function () {
      this.timeout(0);
      const volume = new VolumeCase({ dirMode: 0o777 });
      const base = fs.mkdtempSync(join(tmpdir(), "s3files-local-"));
      fs.chmodSync(base, 0o777);
      const mask = process.umask(0o022);
      const below = randomOf(seed);
      const history: string[] = [];
      const attributesOf = async (path: string) => {
        const ours = await outcome(async () => {
          const found = await volume.driver.attributes(await volume.driver.at(path));
          const size = found.type === "directory" ? "-" : found.sizeBytes;
          return `${found.mode.toString(8)} ${found.uid} ${found.gid} ${found.linkCount} ${size}`;
        });
        const theirs = locally(() => {
          const found = fs.lstatSync(join(base, path));
          const size = found.isDirectory() ? "-" : found.size;
          const bits = (found.mode & 0o7777).toString(8);
          return `${bits} ${found.uid} ${found.gid} ${found.nlink} ${size}`;
        });
        return [ours, theirs];
      };
      try {
        for (let count = 0; count < operations; count += 1) {
          const caller = below(2) === 0 ? root : alice;
          const step = anyStep(below);
          history.push(`${caller.uid}: ${step.text}`);
          become(caller);
          const theirs = locally(() => step.local(base));
          become(root);
          const ours = await outcome(() => step.ours(new Calls(volume.driver, caller)));
          const story = () => history.slice(-30).join("\n");
          // RFC 8881 §15.2: RENAME knows no PERM, so that a sticky directory and a missing permission are one.
          const same = (answer: string) => (answer === "EPERM" ? "EACCES" : answer);
          const isRename = step.text.startsWith("rename");
          const [one, other] = isRename ? [same(ours), same(theirs)] : [ours, theirs];
          assert.equal(one, other, `answers differ\n${story()}`);
          const [here, there] = await attributesOf(step.path);
          assert.equal(here, there, `what is left differs\n${story()}`);
        }
      } finally {
        become(root);
        process.umask(mask);
        fs.rmSync(base, { recursive: true });
        await volume.close();
      }
    });
  }
});
