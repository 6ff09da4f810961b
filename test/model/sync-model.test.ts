import assert from "node:assert/strict";
import { FsError } from "../../src/vfs/error.ts";
import { pattern, sizes, TestVolume } from "../unit/sync/test-volume.ts";

/*
 * Random local operations, changes by other clients of the bucket, faults, kills and restarts; at the end everything
 * is flushed, and the bucket and the file system must be one. `SYNC_MODEL_SEED` repeats one run, `SYNC_MODEL_RUNS`
 * makes more.
 */

type Random = () => number;

/** Mulberry32. */
function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}

const directories = ["d0", "d1", "d0/d2", "d1/d2"];
const folders = ["", ...directories];
const names = ["f0", "f1", "f2"];
const paths = folders.flatMap((folder) =>
  names.map((name) => (folder === "" ? name : `${folder}/${name}`)),
);
const failpoints = ["sync.frozen", "sync.uploaded", "sync.deleted", "sync.recorded"];

/** Runs what may be refused for reasons of the file system's own; true when it was done. */
async function attempt(run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    if (error instanceof FsError) return false;
    throw error;
  }
}

async function tree(volume: TestVolume, at = ""): Promise<Map<string, Buffer | "directory">> {
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

function bucketTree(volume: TestVolume): Map<string, Buffer | "directory"> {
  const found = new Map<string, Buffer | "directory">();
  for (const key of volume.bucket.keys()) {
    const parts = key.split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      found.set(parts.slice(0, depth).join("/"), "directory");
    }
    if (!key.endsWith("/")) found.set(key, volume.bucket.bytes(key) ?? Buffer.alloc(0));
  }
  return found;
}

function show(found: ReadonlyMap<string, Buffer | "directory">): string[] {
  return [...found]
    .map(([path, what]) =>
      what === "directory"
        ? `${path}/`
        : `${path} ${what.length} ${what.toString("latin1", 0, 40)}`,
    )
    .sort();
}

async function settle(volume: TestVolume): Promise<void> {
  volume.faults.clear();
  await volume.restart();
  for (let round = 0; round < 12; round++) {
    const result = await volume.engine.flush();
    await volume.pass(61_000);
    await volume.refresh();
    await tree(volume);
    if (result.pendingFiles === 0 && volume.engine.status().pendingFiles === 0 && round >= 2)
      return;
  }
  const { problems } = volume.engine.status();
  assert.fail(`Still pending: ${JSON.stringify(problems)}`);
}

function addFaults(volume: TestVolume, chance: number): void {
  volume.faults.add({ chance, action: { kind: "fail" } });
  volume.faults.add({
    operation: ["put", "completeMultipart", "delete", "createMultipart"],
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
async function disturb(volume: TestVolume, random: Random, faultChance: number): Promise<void> {
  const dice = random();
  if (dice < 0.3) await volume.clock.advance(random() * 40_000);
  else if (dice < 0.4) flushes.set(volume, volume.engine.flush());
  else if (dice < 0.46) volume.killAt(pick(random, failpoints), 1 + Math.floor(random() * 3));
  if (volume.isDead || dice > 0.96) {
    await volume.restart();
    addFaults(volume, faultChance);
  }
}

/** Local changes alone: the bucket must end as a plain model does, and lost+found empty. */
async function runAlone(seed: number): Promise<void> {
  const random = seeded(seed);
  const cacheMode = random() < 0.5 ? "full" : "metadata-only";
  await using volume = await new TestVolume({
    random,
    cacheMode,
    writeBackDelayMs: pick(random, [0, 5000, 60_000]),
  }).start();
  const model = new Map<string, Buffer | "directory">();
  for (const path of ["f0", "d0/f0", "d0/d2/f1"]) {
    const data = pattern(Math.floor(random() * 3 * sizes.part), seed);
    volume.bucket.putObject(path, data);
    for (const directory of ["d0", "d0/d2"]) model.set(directory, "directory");
    model.set(path, data);
  }
  const faultChance = pick(random, [0, 0.05, 0.15]);
  await tree(volume);
  addFaults(volume, faultChance);
  const fileAt = (path: string): Buffer | undefined => {
    const found = model.get(path);
    return Buffer.isBuffer(found) ? found : undefined;
  };
  const move = (from: string, to: string): void => {
    const moved = [...model].filter(([path]) => path === from || path.startsWith(`${from}/`));
    for (const [path] of moved) model.delete(path);
    for (const [path, what] of moved) model.set(to + path.slice(from.length), what);
  };
  for (let step = 0; step < 60; step++) {
    const path = pick(random, paths);
    const other = pick(random, paths);
    const directory = pick(random, directories);
    const old = fileAt(path);
    const size = pick(random, [10, 1000, sizes.part + 5, 3 * sizes.part]);
    const data = pattern(Math.floor(random() * size), step);
    const dice = random();
    // What needs S3 and does not get it has changed nothing, or has changed just a part: so the model asks first.
    if (dice < 0.3) {
      if (await attempt(() => volume.create(path))) {
        if (old === undefined) model.set(path, Buffer.alloc(0));
        if (await attempt(() => volume.write(path, data))) model.set(path, data);
        else {
          const now = await volume.attributes(path);
          assert.equal(now.sizeBytes, 0);
          model.set(path, Buffer.alloc(0));
        }
      }
    } else if (dice < 0.5 && old !== undefined) {
      const offset = Math.floor(random() * (old.length + 100));
      if (await attempt(() => volume.patch(path, offset, data))) {
        const next = Buffer.alloc(
          Math.max(old.length, data.length === 0 ? 0 : offset + data.length),
        );
        old.copy(next);
        data.copy(next, offset);
        model.set(path, next);
      }
    } else if (dice < 0.58 && old !== undefined) {
      const length = Math.floor(random() * (old.length + 1000));
      const cut = async (): Promise<void> =>
        volume.setAttributes(await volume.inode(path), { sizeBytes: length });
      if (await attempt(cut)) {
        const next = Buffer.alloc(length);
        old.copy(next);
        model.set(path, next);
      }
    } else if (dice < 0.7) {
      if (path !== other && (await attempt(() => volume.rename(path, other)))) move(path, other);
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
    await disturb(volume, random, faultChance);
  }
  await settle(volume);
  assert.deepEqual(show(await tree(volume)), show(model), "the file system");
  assert.deepEqual(show(bucketTree(volume)), show(model), "the bucket");
  for (const [path, want] of model) {
    if (want !== "directory")
      assert.ok(volume.bucket.bytes(path)?.equals(want), `bytes of ${path}`);
  }
  assert.deepEqual(await volume.lost(), []);
  assert.deepEqual(
    volume.state.journal.all().filter(({ state }) => state !== "superseded"),
    [],
  );
}

/** Other clients change the bucket too: both sides must end as one, and no version may vanish that nobody replaced. */
async function runTogether(seed: number): Promise<void> {
  const random = seeded(seed);
  await using volume = await new TestVolume({
    random,
    writeBackDelayMs: pick(random, [0, 5000, 60_000]),
  }).start();
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
  ): Promise<{ readonly text: string | undefined } | undefined> => {
    let text: string | undefined;
    const isKnown = await attempt(async () => {
      // Each look may have a directory further down listed again.
      for (const _ of path.split("/")) {
        await volume.exists(path);
        await quiesce(volume);
      }
      if (await volume.exists(path)) text = await volume.text(path);
    });
    return isKnown ? { text } : undefined;
  };
  for (const path of ["f0", "f1", "d0/f0", "d1/f1"]) volume.bucket.putObject(path, token("first"));
  const faultChance = pick(random, [0, 0.05, 0.15]);
  await tree(volume);
  addFaults(volume, faultChance);
  for (let step = 0; step < 60; step++) {
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
        if (await attempt(() => volume.rename(path, other))) kill(target.text);
      }
    } else if (dice < 0.56) {
      await attempt(() => volume.rename(pick(random, directories), pick(random, directories)));
    } else if (dice < 0.65) {
      const before = await shown(path);
      if (before !== undefined && (await attempt(() => volume.remove(path)))) kill(before.text);
    } else if (dice < 0.68) {
      await attempt(() => volume.remove(pick(random, directories)));
    } else if (dice < 0.71) {
      await attempt(() => volume.makeDirectory(pick(random, directories)));
    } else if (dice < 0.9) {
      kill(volume.bucket.text(path));
      volume.bucket.putObject(path, token("remote"));
    } else {
      kill(volume.bucket.text(path));
      volume.bucket.deleteObject(path);
    }
    await disturb(volume, random, faultChance);
  }
  await settle(volume);
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

const given = process.env["SYNC_MODEL_SEED"];
const runs = Number(process.env["SYNC_MODEL_RUNS"] ?? (given === undefined ? 8 : 1));
const first = given === undefined ? Math.floor(Math.random() * 1e9) : Number(given);
const seeds = Array.from({ length: runs }, (_, at) => first + at);

describe("the volume and its bucket", () => {
  for (const [what, run] of [
    ["end as the model does after local changes, faults and kills", runAlone],
    ["end as one, with nothing lost, when others change the bucket too", runTogether],
  ] as const) {
    it(what, async function () {
      this.timeout(20_000 + 10_000 * seeds.length);
      for (const seed of seeds) {
        try {
          await run(seed);
        } catch (error) {
          throw new Error(`SYNC_MODEL_SEED=${seed}`, { cause: error });
        }
      }
    });
  }
});
