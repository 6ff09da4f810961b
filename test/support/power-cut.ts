import assert from "node:assert/strict";
import { setTimeout as after } from "node:timers/promises";
import { createDisk } from "./guest-disk.ts";
import { GuestLoad, verifyLoads } from "./guest-loads.ts";
import { createGuestNetwork, type GuestNetwork } from "./guest-network.ts";
import { Dice } from "./load-content.ts";
import type { LoadOptions } from "./load-script.ts";
import type { VerifyJob } from "./load-verify.ts";
import { bootGuest, type UmlGuest } from "./uml.ts";

/** A server whose state is on a disk that outlives power cuts. */
export interface CutStand extends AsyncDisposable {
  /** Where the disk is mounted in the guest. */
  readonly diskAt: string;
  /** Environment of the commands in the guest. */
  readonly env?: Readonly<Record<string, string>>;
  /** Starts the server in a fresh boot of the machine and mounts it. Resolves to the mounted directory. */
  start(guest: UmlGuest): Promise<string>;
  /** After each boot but the first, when what the cut left has been found right. */
  recovered?(loads: readonly VerifyJob[]): Promise<void>;
  /** In the last boot: what the loads left is settled now, only that it is the same everywhere is still to be shown. */
  finish?(guest: UmlGuest, mount: string, loads: readonly VerifyJob[]): Promise<void>;
}

/** How the power is to be cut. */
export interface CutOptions {
  readonly name: string;
  readonly cuts: number;
  readonly seed: number;
  /** Makes the server's surroundings; all base files of the loads must be there when it first starts. */
  readonly stand: (network: GuestNetwork, loads: readonly LoadOptions[]) => Promise<CutStand>;
}

/**
 * Cuts the power of a machine under load, boots it again with the same disk, and checks what is there; so many times.
 * Each cut has a load and a directory of its own. Reports to `say` what each cut met.
 */
export async function cutPower(options: CutOptions, say: (line: string) => void): Promise<void> {
  using disk = createDisk(2 ** 30);
  using network = createGuestNetwork();
  const dice = new Dice(options.seed);
  const loads = Array.from(
    { length: options.cuts },
    (_, i): LoadOptions => ({
      name: `load-${i}`,
      seed: options.seed + i,
      durable: "synchronised",
      longestWrite: 1024,
      base: [
        { path: "base-small", lines: 500 },
        { path: "base-large", lines: 20_000 },
      ],
    }),
  );
  await using stand = await options.stand(network, loads);
  const boot = (): Promise<UmlGuest> =>
    bootGuest({
      kind: "uml",
      name: options.name,
      disk,
      diskAt: stand.diskAt,
      network,
      memoryMb: 700,
      env: stand.env ?? {},
    });

  let before: VerifyJob | undefined;
  const all: VerifyJob[] = [];
  const recover = async (guest: UmlGuest): Promise<string> => {
    const mount = await stand.start(guest);
    if (before === undefined) return mount;
    const { problems } = await verifyLoads(guest, [before]);
    assert.deepEqual(problems, [], `after a cut, see ${guest.logPath}; seed ${options.seed}`);
    await stand.recovered?.(all);
    return mount;
  };

  for (const load of loads) {
    const began = performance.now();
    const guest = await boot();
    try {
      const mount = await recover(guest);
      const running = new GuestLoad(guest, mount, load);
      await running.progress(1);
      await after(200 + dice.below(1500));
      await guest.kill();
      before = running.job();
      const { returned } = before.record;
      say(`${load.name}: cut after ${returned} calls, ${Math.round(performance.now() - began)} ms`);
      all.push(before);
    } finally {
      await guest.kill();
    }
  }
  await using guest = await boot();
  const mount = await recover(guest);
  await stand.finish?.(guest, mount, all);
}
