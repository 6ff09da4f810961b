import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { FsError } from "../../src/vfs/error.ts";
import { unreachable } from "../fakes/faulty-object-store.ts";
import { pattern, sizes, TestVolume } from "../unit/sync/test-volume.ts";

/*
 * Random local operations, changes by other clients of the bucket, faults, kills and restarts; at the end everything
 * is flushed, and the bucket and the file system must be one.
 *
 * Over 400 lines: two histories and the world that they share.
 */

/** One history to run. */
export interface History {
  readonly seed: number;
  readonly steps: number;
  /** Breaks the engine: called for each process of the volume before it does anything. */
  readonly mutate?: (volume: TestVolume) => void;
}

/** The longest time after which a request may be executed that nobody waits for any more. */
const latestMs = 600_000;

/** Numbers from 0 to below 1. */
export type Random = () => number;

/** Mulberry32. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** One of them. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}

const directories = ["d0", "d1", "d0/d2", "d1/d2"];
const folders = ["", ...directories];
const names = ["f0", "f1", "f2"];
const paths = folders.flatMap((folder) =>
  names.map((name) => (folder === "" ? name : `${folder}/${name}`)),
);
const failpoints = [
  "sync.frozen",
  "sync.uploaded",
  "sync.deleted",
  "sync.recorded",
  "sync.linkJournalled",
  "sync.linkWritten",
  "sync.linkRecorded",
];

/** Runs what may be refused for reasons of the file system's own; true when it was done. */
export async function attempt(run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    if (error instanceof FsError) return false;
    throw error;
  }
}

/** Asks again for as long as S3 does not answer. */
async function patiently<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== "DELAY" || tries === 100) throw error;
    }
  }
}

/** What a volume shows, by path. */
export async function tree(
  volume: TestVolume,
  at = "",
): Promise<Map<string, Buffer | "directory">> {
  const found = new Map<string, Buffer | "directory">();
  for (const name of await volume.list(at)) {
    if (name === volume.lostDirectory) continue;
    const path = at === "" ? name : `${at}/${name}`;
    // A listing in the background may take a name away between two calls.
    await attempt(async () => {
      const { type } = await volume.attributes(path);
      if (type === "directory") {
        found.set(path, "directory");
        for (const [below, what] of await tree(volume, path)) found.set(below, what);
      } else {
        found.set(path, await volume.read(path));
      }
    });
  }
  return found;
}

/** What the records of files with several names say. */
export function records(
  volume: TestVolume,
): { readonly primary: string; readonly names: string[] }[] {
  const keys = volume.bucket.keys().filter((key) => key.startsWith(".s3files/links/"));
  return keys.map((key) => JSON.parse(volume.bucket.text(key) ?? ""));
}

/** A bucket's paths, as objects and the records of files with several names tell them. */
export function bucketTree(volume: TestVolume): Map<string, Buffer | "directory"> {
  const found = new Map<string, Buffer | "directory">();
  const add = (path: string, object: string): void => {
    const parts = path.split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      found.set(parts.slice(0, depth).join("/"), "directory");
    }
    if (!path.endsWith("/")) found.set(path, volume.bucket.bytes(object) ?? Buffer.alloc(0));
  };
  for (const key of volume.bucket.keys()) if (!key.startsWith(".s3files/")) add(key, key);
  for (const { primary, names } of records(volume)) {
    assert.ok(volume.bucket.keys().includes(primary), `a record without its object ${primary}`);
    for (const name of names) {
      assert.ok(!found.has(name), `an object, or two records, have the name ${name}`);
      add(name, primary);
    }
  }
  return found;
}

/** As lines that can be compared and read. */
export function show(found: ReadonlyMap<string, Buffer | "directory">): string[] {
  return [...found]
    .map(([path, what]) =>
      what === "directory"
        ? `${path}/`
        : `${path} ${what.length} ${what.toString("latin1", 0, 40)}`,
    )
    .sort();
}

/** Ends all faults, and lets a volume and its bucket become one. */
export async function settle(volume: TestVolume, mutate: History["mutate"]): Promise<void> {
  volume.faults.clear();
  await restart(volume, mutate);
  await volume.pass(latestMs);
  for (let round = 0; round < 12; round++) {
    const result = await volume.engine.flush();
    await volume.pass(61_000);
    await volume.refresh();
    await tree(volume);
    if (result.pendingFiles === 0 && volume.engine.status().pendingFiles === 0 && round >= 2) {
      // Uploads that nobody has heard of are given some hours.
      await volume.pass(3 * 3_600_000);
      assert.deepEqual(volume.bucket.unfinishedUploads(), [], "uploads are left");
      return;
    }
  }
  const { problems } = volume.engine.status();
  assert.fail(`Still pending: ${JSON.stringify(problems)}`);
}

async function restart(volume: TestVolume, mutate: History["mutate"]): Promise<void> {
  const { start } = volume;
  // Between the process's birth and its first step.
  volume.start = async () => {
    mutate?.(volume);
    return start.call(volume);
  };
  await volume.restart();
  volume.start = start;
}

/** Has requests fail, get lost, or arrive late. */
export function addFaults(volume: TestVolume, chance: number, random: Random): void {
  volume.faults.add({ chance, action: { kind: "fail" } });
  volume.faults.add({ chance: chance / 2, action: { kind: "fail", error: unreachable() } });
  volume.faults.add({
    operation: ["put", "copy", "completeMultipart", "delete"],
    chance: chance / 2,
    action: { kind: "refuse" },
  });
  volume.faults.add({
    operation: ["put", "copy", "completeMultipart", "delete", "createMultipart"],
    chance: chance / 2,
    action: { kind: "late", delayMs: Math.floor(random() * latestMs) },
  });
  volume.faults.add({
    operation: ["put", "copy", "completeMultipart", "delete", "createMultipart"],
    chance,
    action: { kind: "lose" },
  });
}

/** The latest flush of a volume that nobody waited for. */
const flushes = new WeakMap<TestVolume, Promise<unknown>>();

/** Waits until no background work changes what is shown. */
async function quiesce(volume: TestVolume): Promise<void> {
  await flushes.get(volume);
  await volume.idle();
}

/** One step of the world around the local operations. */
export async function disturb(
  volume: TestVolume,
  random: Random,
  faultChance: number,
  mutate: History["mutate"],
): Promise<void> {
  const dice = random();
  if (dice < 0.3) await volume.clock.advance(random() * 40_000);
  else if (dice < 0.4) flushes.set(volume, volume.engine.flush());
  else if (dice < 0.46) volume.killAt(pick(random, failpoints), 1 + Math.floor(random() * 3));
  if (volume.isDead || dice > 0.96) {
    await restart(volume, mutate);
    addFaults(volume, faultChance, random);
  }
}

/** All contents that any file has ever had; each object has to be one of them, never a mixture. */
class Moments {
  readonly #volume: TestVolume;
  readonly #known = new Set<string>();
  readonly #checked = new Set<string>();

  constructor(volume: TestVolume) {
    this.#volume = volume;
  }

  add(content: Buffer): void {
    this.#known.add(hash("sha1", content));
  }

  check(when: string): void {
    const { bucket } = this.#volume;
    for (const key of bucket.keys()) {
      const etag = bucket.info(key)?.etag ?? "";
      if (key.endsWith("/") || key.startsWith(".s3files/") || this.#checked.has(etag)) continue;
      const isKnown = this.#known.has(hash("sha1", bucket.bytes(key) ?? ""));
      assert.ok(isKnown, `${when} object ${key} is no moment of any file`);
      this.#checked.add(etag);
    }
  }
}

/** What files have been, so that no record may ever give a file's name to another one's content. */
class Past {
  readonly #volume: TestVolume;
  readonly #files = new Map<object, { contents: Set<string>; names: Set<string> }>();

  constructor(volume: TestVolume) {
    this.#volume = volume;
  }

  add(model: ReadonlyMap<string, { readonly data: Buffer } | "directory">): void {
    for (const [path, file] of model) {
      if (file === "directory") continue;
      const known = this.#files.get(file) ?? { contents: new Set(), names: new Set() };
      this.#files.set(file, known);
      known.names.add(path);
      known.contents.add(hash("sha1", file.data));
    }
  }

  check(when: string): void {
    const { bucket } = this.#volume;
    for (const { primary, names } of records(this.#volume)) {
      const content = bucket.bytes(primary);
      if (content === undefined || content.length === 0) continue;
      const isOne = [...this.#files.values()].some(
        (file) =>
          file.contents.has(hash("sha1", content)) &&
          [primary, ...names].every((name) => file.names.has(name)),
      );
      assert.ok(
        isOne,
        `${when} ${[primary, ...names]} were never names of one file with this content`,
      );
    }
  }
}

/** Local changes alone: the bucket must end as a plain model does, and lost+found empty. */
export async function runAlone({ seed, steps, mutate }: History): Promise<void> {
  const random = seeded(seed);
  const cacheMode = random() < 0.5 ? "full" : "metadata-only";
  await using volume = new TestVolume({
    random,
    cacheMode,
    writeBackDelayMs: pick(random, [0, 5000, 60_000]),
  });
  mutate?.(volume);
  await volume.start();
  const model = new Map<string, { data: Buffer } | "directory">();
  for (const path of ["f0", "d0/f0", "d0/d2/f1"]) {
    const data = pattern(Math.floor(random() * 3 * sizes.part), seed);
    volume.bucket.putObject(path, data);
    for (const directory of ["d0", "d0/d2"]) model.set(directory, "directory");
    model.set(path, { data });
  }
  /** What the model's paths show. */
  const contents = (): Map<string, Buffer | "directory"> =>
    new Map([...model].map(([path, what]) => [path, what === "directory" ? what : what.data]));
  const faultChance = pick(random, [0, 0.05, 0.15]);
  await tree(volume);
  addFaults(volume, faultChance, random);
  const moments = new Moments(volume);
  moments.add(Buffer.alloc(0));
  const past = new Past(volume);
  past.add(model);
  for (const what of model.values()) if (what !== "directory") moments.add(what.data);
  const fileAt = (path: string): { data: Buffer } | undefined => {
    const found = model.get(path);
    return found === "directory" ? undefined : found;
  };
  const fill = (path: string, data: Buffer): void => {
    const file = fileAt(path);
    if (file === undefined) model.set(path, { data });
    else file.data = data;
  };
  const move = (from: string, to: string): void => {
    // POSIX rename(): of two names of one file, both stay.
    if (fileAt(from) !== undefined && fileAt(from) === fileAt(to)) return;
    const moved = [...model].filter(([path]) => path === from || path.startsWith(`${from}/`));
    for (const [path] of moved) model.delete(path);
    for (const [path, what] of moved) model.set(to + path.slice(from.length), what);
  };
  for (let step = 0; step < steps; step++) {
    const path = pick(random, paths);
    const other = pick(random, paths);
    const directory = pick(random, directories);
    const old = fileAt(path)?.data;
    const size = pick(random, [10, 1000, sizes.part + 5, 3 * sizes.part]);
    const data = pattern(Math.floor(random() * size), step);
    const dice = random();
    // What needs S3 and does not get it has changed nothing, or has changed just a part: so the model asks first.
    if (dice < 0.3) {
      moments.add(data);
      if (await attempt(() => volume.create(path))) {
        if (old === undefined) fill(path, Buffer.alloc(0));
        if (await attempt(() => volume.write(path, data))) fill(path, data);
        else {
          const now = await patiently(() => volume.attributes(path));
          assert.equal(now.sizeBytes, 0);
          fill(path, Buffer.alloc(0));
        }
      }
    } else if (dice < 0.5 && old !== undefined) {
      const offset = Math.floor(random() * (old.length + 100));
      const next = Buffer.alloc(Math.max(old.length, data.length === 0 ? 0 : offset + data.length));
      old.copy(next);
      data.copy(next, offset);
      moments.add(next);
      if (await attempt(() => volume.patch(path, offset, data))) fill(path, next);
    } else if (dice < 0.58 && old !== undefined) {
      const length = Math.floor(random() * (old.length + 1000));
      const cut = async (): Promise<void> =>
        volume.setAttributes(await volume.inode(path), { sizeBytes: length });
      const next = Buffer.alloc(length);
      old.copy(next);
      moments.add(next);
      if (await attempt(cut)) fill(path, next);
    } else if (dice < 0.67) {
      if (path !== other && (await attempt(() => volume.rename(path, other)))) move(path, other);
    } else if (dice < 0.71) {
      const file = fileAt(path);
      if (file !== undefined && (await attempt(() => volume.hardLink(path, other)))) {
        model.set(other, file);
      }
    } else if (dice < 0.76) {
      const target = pick(random, directories);
      const hasRoom = ![...model.keys()].some((key) => key.startsWith(`${target}/`));
      if (
        directory !== target &&
        hasRoom &&
        (await attempt(() => volume.rename(directory, target)))
      ) {
        move(directory, target);
      }
    } else if (dice < 0.84) {
      if (await attempt(() => volume.remove(path))) model.delete(path);
    } else if (dice < 0.9) {
      if (await attempt(() => volume.makeDirectory(directory))) model.set(directory, "directory");
    } else if (dice < 0.93) {
      if (await attempt(() => volume.remove(directory))) model.delete(directory);
    } else if (dice < 0.96) {
      await attempt(async () => volume.setAttributes(await volume.inode(path), { mode: 0o600 }));
    } else if (old !== undefined) {
      let seen: Buffer | undefined;
      if (await attempt(async () => (seen = await volume.read(path)))) {
        assert.ok(seen?.equals(old), `step ${step}: ${path} reads wrong`);
      }
    }
    past.add(model);
    await disturb(volume, random, faultChance, mutate);
    moments.check(`after step ${step}`);
    past.check(`after step ${step}`);
  }
  await settle(volume, mutate);
  moments.check("at the end");
  assert.deepEqual(show(await tree(volume)), show(contents()), "the file system");
  const bucket = bucketTree(volume);
  assert.deepEqual(show(bucket), show(contents()), "the bucket");
  for (const [path, want] of contents()) {
    const found = bucket.get(path);
    if (want !== "directory") assert.ok(Buffer.isBuffer(found) && found.equals(want), path);
  }
  const several = Map.groupBy(model, ([, what]) => what);
  several.delete("directory");
  for (const files of several.values()) await checkOne(volume, files.map(([path]) => path).sort());
  assert.deepEqual(await volume.lost(), []);
  assert.deepEqual(
    volume.state.journal.all().filter(({ state }) => state !== "superseded"),
    [],
  );
}

/** These paths are one file, here and in the bucket. */
async function checkOne(volume: TestVolume, paths: readonly string[]): Promise<void> {
  const inodes = new Set<number>();
  for (const path of paths) {
    const { inode, linkCount } = await volume.attributes(path);
    inodes.add(inode);
    assert.equal(linkCount, paths.length, `link count of ${path}, of ${paths}`);
  }
  assert.equal(inodes.size, 1, `inodes of ${paths}`);
  const told = records(volume).map(({ primary, names }) => [primary, ...names].sort().join());
  if (paths.length > 1) assert.ok(told.includes(paths.join()), `no record of ${paths}: ${told}`);
}

/** Other clients change the bucket too: both sides must end as one, and no version may vanish that nobody replaced. */
export async function runTogether({ seed, steps, mutate }: History): Promise<void> {
  const random = seeded(seed);
  await using volume = new TestVolume({
    random,
    writeBackDelayMs: pick(random, [0, 5000, 60_000]),
  });
  mutate?.(volume);
  await volume.start();
  const alive = new Set<string>();
  let tokens = 0;
  const token = (where: string): string => {
    const text = `<${where} ${seed}.${++tokens}>`;
    alive.add(text);
    return text;
  };
  const kill = (text: string | undefined): void => {
    if (text !== undefined) alive.delete(text);
  };
  /** Shown is what a user sees, so what a user means to replace; undefined where S3 is needed and does not answer. */
  const shown = async (
    path: string,
  ): Promise<{ readonly text: string | undefined; readonly names: number } | undefined> => {
    let text: string | undefined;
    let names = 0;
    const isKnown = await attempt(async () => {
      // Each look may have a directory further down listed again.
      for (const _ of path.split("/")) {
        await volume.exists(path);
        await quiesce(volume);
      }
      if (!(await volume.exists(path))) return;
      text = await volume.text(path);
      names = (await volume.attributes(path)).linkCount;
    });
    return isKnown ? { text, names } : undefined;
  };
  for (const path of ["f0", "f1", "d0/f0", "d1/f1"]) volume.bucket.putObject(path, token("first"));
  const faultChance = pick(random, [0, 0.05, 0.15]);
  await tree(volume);
  addFaults(volume, faultChance, random);
  for (let step = 0; step < steps; step++) {
    const path = pick(random, paths);
    const other = pick(random, paths);
    const dice = random();
    await quiesce(volume);
    if (dice < 0.25) {
      const before = await shown(path);
      if (before !== undefined) {
        const text = token("local");
        if (!(await attempt(() => volume.write(path, text)))) kill(text);
        // Even where the write fails, the file may have been cut before.
        kill(before.text);
      }
    } else if (dice < 0.35) {
      const { text: before } = (await shown(path)) ?? {};
      if (before !== undefined) {
        const append = async (): Promise<void> => {
          const inode = await volume.inode(path);
          await volume.writeInode(inode, before.length, "+");
        };
        if (await attempt(append)) {
          kill(before);
          alive.add(`${before}+`);
        }
      }
    } else if (dice < 0.5) {
      const target = await shown(other);
      if (path !== other && target !== undefined) {
        const inode = await volume.inode(path).catch(() => undefined);
        const isSame = inode === (await volume.inode(other).catch(() => -1));
        const isLast = target.names === 1 && !isSame;
        if ((await attempt(() => volume.rename(path, other))) && isLast) kill(target.text);
      }
    } else if (dice < 0.56) {
      await attempt(() => volume.rename(pick(random, directories), pick(random, directories)));
    } else if (dice < 0.65) {
      const before = await shown(path);
      if (before !== undefined && (await attempt(() => volume.remove(path)))) {
        if (before.names === 1) kill(before.text);
      }
    } else if (dice < 0.68) {
      await attempt(() => volume.remove(pick(random, directories)));
    } else if (dice < 0.71) {
      await attempt(() => volume.makeDirectory(pick(random, directories)));
    } else if (dice < 0.77) {
      await attempt(() => volume.hardLink(path, other));
    } else if (dice < 0.9) {
      kill(volume.bucket.text(path));
      volume.bucket.putObject(path, token("remote"));
    } else {
      kill(volume.bucket.text(path));
      volume.bucket.deleteObject(path);
    }
    await disturb(volume, random, faultChance, mutate);
  }
  await settle(volume, mutate);
  assert.deepEqual(show(await tree(volume)), show(bucketTree(volume)));
  const kept = new Set<string>();
  for (const key of volume.bucket.keys()) kept.add(volume.bucket.text(key) ?? "");
  for (const name of await volume.lost()) {
    kept.add(await volume.text(`${volume.lostDirectory}/${name}`));
  }
  assert.deepEqual(
    [...alive].filter((text) => !kept.has(text)),
    [],
    "versions that nobody replaced are gone",
  );
}
