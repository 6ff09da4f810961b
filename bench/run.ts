/**
 * `make bench`: our server against nfs-ganesha, through the same Linux NFS client, on the same machine, in turns.
 * Usage: run.ts [<rounds, default 3>]
 */
import { mkdirSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { undoWhenAbandoned } from "../test/support/abandon.ts";
import { bootGuest, projectDir, type UmlGuest } from "../test/support/uml.ts";
import { startGanesha } from "./ganesha.ts";
import { startOurs } from "./s3files.ts";
import type { BenchPlace, BenchTarget } from "./target.ts";

const mebibytes = 256;
const smallFiles = 1000;
const smallBytes = 4096;
const load = join(projectDir, "build/bin/bench-load");
const mountPoint = "/mnt/bench";

/** One load, and how its seconds become a number of which more is better. */
interface Phase {
  readonly name: string;
  readonly unit: string;
  readonly amount: number;
  readonly command: string;
}

const phases: readonly Phase[] = [
  {
    name: "sequential write + fsync",
    unit: "MiB/s",
    amount: mebibytes,
    command: `write ${mountPoint}/large ${mebibytes}`,
  },
  {
    name: "sequential read, server warm",
    unit: "MiB/s",
    amount: mebibytes,
    command: `read ${mountPoint}/large`,
  },
  {
    name: "create of 4 KiB files",
    unit: "files/s",
    amount: smallFiles,
    command: `create ${mountPoint}/small ${smallFiles} ${smallBytes}`,
  },
  {
    name: "stat",
    unit: "files/s",
    amount: smallFiles,
    command: `stat ${mountPoint}/small ${smallFiles}`,
  },
  {
    name: "unlink",
    unit: "files/s",
    amount: smallFiles,
    command: `unlink ${mountPoint}/small ${smallFiles}`,
  },
];

/** Each phase begins with nothing in the client's cache: the mount is a new one. */
async function measure(guest: UmlGuest, target: BenchTarget): Promise<Map<Phase, number>> {
  const results = new Map<Phase, number>();
  const options = `vers=4.2,sec=sys,hard,noatime,rsize=1048576,wsize=1048576${target.options}`;
  const mount = `mount -t nfs4 -o ${options} ${target.source} ${mountPoint}
D=$(mountpoint -d ${mountPoint}); echo 15360 > /sys/class/bdi/$D/read_ahead_kb`;
  await guest.check(
    `set -eu; mkdir -p ${mountPoint}; ${mount}; mkdir ${mountPoint}/small; umount ${mountPoint}`,
  );
  for (const phase of phases) {
    const output = await guest.check(
      `set -eu; ${mount}\n${load} ${phase.command}\numount ${mountPoint}`,
    );
    results.set(phase, phase.amount / Number(output.trim()));
  }
  await guest.check(
    `set -eu; ${mount}; rm -r ${mountPoint}/small ${mountPoint}/large; umount ${mountPoint}`,
  );
  return results;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function main(rounds: number): Promise<void> {
  const folder = join(projectDir, "build/bench");
  const remove = () => rmSync(folder, { recursive: true, force: true });
  remove();
  mkdirSync(folder, { recursive: true });
  using undoing = new DisposableStack();
  undoing.defer(remove);
  undoing.use(undoWhenAbandoned(remove));
  await using guest = await bootGuest({ name: "bench", network: "tap", memoryMb: 1500 });
  if (guest.network === undefined) throw new Error("The benchmark needs a guest with a network");
  const { namespace, hostAddress } = guest.network;
  const place: BenchPlace = { namespace, hostAddress, folder };

  const starters = [startGanesha, startOurs];
  const measured = new Map<string, Map<Phase, number[]>>();
  for (let round = 1; round <= rounds; round++) {
    for (const start of starters) {
      const folderOfRound = join(folder, `round-${round}`);
      mkdirSync(folderOfRound, { recursive: true });
      await using target = await start({ ...place, folder: folderOfRound });
      console.log(`round ${round} of ${rounds}: ${target.name}`);
      const numbers = measured.get(target.name) ?? new Map<Phase, number[]>();
      measured.set(target.name, numbers);
      for (const [phase, value] of await measure(guest, target)) {
        numbers.set(phase, [...(numbers.get(phase) ?? []), value]);
      }
      rmSync(folderOfRound, { recursive: true, force: true });
    }
  }
  print(measured);
}

function print(measured: ReadonlyMap<string, ReadonlyMap<Phase, readonly number[]>>): void {
  const [reference, ours] = [...measured.values()];
  console.log(
    `\n${cpus()[0]?.model ?? "unknown CPU"}, ${cpus().length} CPUs; medians; ratio = s3files / nfs-ganesha`,
  );
  console.log(
    `${"".padEnd(30)}${[...measured.keys()].map((name) => name.padStart(14)).join("")}         ratio`,
  );
  for (const phase of phases) {
    const [base, own] = [reference, ours].map((numbers) => median(numbers?.get(phase) ?? []));
    const numbers = [base, own].map((value) => value?.toFixed(0).padStart(14)).join("");
    const ratio = ((own ?? Number.NaN) / (base ?? Number.NaN)).toFixed(2).padStart(9);
    console.log(`${phase.name.padEnd(30)}${numbers} ${phase.unit.padEnd(8)}${ratio}`);
  }
}

await main(Number(process.argv[2] ?? "3"));
