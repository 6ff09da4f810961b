/**
 * Does the same random operations below two directories, and compares what each answers and what is there afterwards:
 * `difference-worker.ts <one> <other> <seed> <operations>`. Ends with 1, and the operations that led there, at the first
 * difference.
 *
 * Intended differences, left out here: size, blocks and access times of directories; atime.
 */
import * as fs from "node:fs";
import { join } from "node:path";

const [one = "", other = "", seedText = "1", countText = "100"] = process.argv.slice(2);
let random = Number(seedText) >>> 0;
const below = (n: number): number => {
  random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((random / 2 ** 32) * n);
};
const oneOf = <T>(...values: readonly T[]): T => values[below(values.length)] as T;

interface User {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

const root: User = { uid: 0, gid: 0, groups: [0] };
const users: readonly User[] = [root, { uid: 1000, gid: 1000, groups: [1000, 3000] }];

/** What follows is done as that user. */
function become({ uid, gid, groups }: User): void {
  process.seteuid?.(0);
  process.setegid?.(0);
  process.setgroups?.([...groups]);
  process.setegid?.(gid);
  process.seteuid?.(uid);
}

const anyPath = (): string =>
  Array.from({ length: 1 + below(3) }, () => oneOf("a", "b", "c", "d")).join("/");
const anyMode = (): number =>
  oneOf(0o644, 0o600, 0o755, 0o777, 0o700, 0o4755, 0o2755, 0o2775, 0o1777, 0o6711, 0o070, 0o000);

interface Step {
  readonly text: string;
  readonly path: string;
  readonly run: (base: string) => unknown;
}

function anyStep(): Step {
  const path = anyPath();
  const to = anyPath();
  const mode = anyMode();
  const size = below(20_000);
  const at = below(30_000);
  const byte = 1 + below(255);
  const id = oneOf(-1, 0, 1000, 2000, 3000);
  const group = oneOf(-1, 0, 1000, 2000, 3000);
  const step = (text: string, run: (full: string, base: string) => unknown): Step => ({
    text: `${text} ${path}`,
    path,
    run: (base) => run(join(base, path), base),
  });
  switch (below(19)) {
    case 0:
    case 1:
    case 2: {
      const flags = oneOf("w", "wx", "a", "r+", "ax");
      return step(`write ${flags} ${mode.toString(8)} ${size}@${at}`, (full) => {
        const fd = fs.openSync(full, flags, mode);
        try {
          return fs.writeSync(fd, Buffer.alloc(size, byte), 0, size, flags === "a" ? null : at);
        } finally {
          fs.closeSync(fd);
        }
      });
    }
    case 3:
    case 4:
      return step("read", (full) => {
        const fd = fs.openSync(full, "r");
        try {
          const bytes = Buffer.alloc(65_536);
          const length = fs.readSync(fd, bytes, 0, bytes.length, 0);
          return bytes.subarray(0, length).toString("latin1");
        } finally {
          fs.closeSync(fd);
        }
      });
    case 5:
      return step(`truncate ${size}`, (full) => fs.truncateSync(full, size));
    case 6:
    case 7:
      return step(`mkdir ${mode.toString(8)}`, (full) => void fs.mkdirSync(full, mode));
    case 8:
      return step("rmdir", (full) => fs.rmdirSync(full));
    case 9:
      return step("unlink", (full) => fs.unlinkSync(full));
    case 10:
    case 11:
      return step(`rename to ${to}:`, (full, base) => fs.renameSync(full, join(base, to)));
    case 12:
      return step(`symlink ${to}:`, (full) => fs.symlinkSync(`./${to}`, full));
    case 13:
      return step("readlink", (full) => fs.readlinkSync(full));
    case 14:
      return step(`chmod ${mode.toString(8)}`, (full) => fs.chmodSync(full, mode));
    case 15:
      return step(`chown ${id}:${group}`, (full) => fs.lchownSync(full, id, group));
    case 16:
      return step(`utimes ${at}`, (full) => {
        fs.utimesSync(full, at, at + 0.5);
        const { atimeMs, mtimeMs } = fs.statSync(full);
        return [atimeMs, mtimeMs];
      });
    case 17:
      return step(`link to ${to}:`, (full, base) => fs.linkSync(full, join(base, to)));
    default:
      return step("readdir", (full) => fs.readdirSync(full).sort());
  }
}

/** The value, or the errno's name. */
function outcome(run: () => unknown): string {
  try {
    return JSON.stringify(run()) ?? "done";
  } catch (error) {
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
}

function attributesOf(path: string): readonly unknown[] {
  try {
    const found = fs.lstatSync(path, { bigint: true });
    const { mode, uid, gid, nlink, size } = found;
    return [mode.toString(8), uid, gid, nlink, found.isDirectory() ? "-" : size].map(String);
  } catch (error) {
    return [error instanceof Error && "code" in error ? error.code : String(error)];
  }
}

function times(path: string): fs.BigIntStats | undefined {
  try {
    return fs.lstatSync(path, { bigint: true });
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

process.umask(0o022);
const history: string[] = [];
for (let count = Number(countText); count > 0; count -= 1) {
  const user = oneOf(...users);
  const step = anyStep();
  history.push(`${user.uid}: ${step.text}`);
  become(root);
  const before = [one, other].map((base) => times(join(base, step.path)));
  become(user);
  const [first, second] = [one, other].map((base) => outcome(() => step.run(base)));
  become(root);
  const after = [one, other].map((base) => times(join(base, step.path)));
  const found = [one, other].map((base) => attributesOf(join(base, step.path)).join(" "));
  const moved = (which: number, time: "ctimeNs" | "mtimeNs") =>
    before[which] !== undefined &&
    after[which]?.ino === before[which]?.ino &&
    after[which]?.[time] !== before[which]?.[time];
  const problems: string[] = [];
  if (first !== second)
    problems.push(`answers ${first?.slice(0, 200)} and ${second?.slice(0, 200)}`);
  if (found[0] !== found[1]) problems.push(`leaves ${found[0]} and ${found[1]}`);
  for (const time of ["ctimeNs", "mtimeNs"] as const) {
    // The other's clock is coarse: that it has not moved says nothing.
    if (!moved(0, time) && moved(1, time)) problems.push(`${time} has moved only at the second`);
  }
  if (problems.length > 0) {
    process.stdout.write(`${history.slice(-25).join("\n")}\n${problems.join("\n")}\n`);
    process.exit(1);
  }
}
