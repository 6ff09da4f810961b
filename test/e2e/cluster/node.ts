import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { undoWhenAbandoned } from "../../support/abandon.ts";
import type { CommandResult } from "../../support/guest-channel.ts";
import type { GuestDisk } from "../../support/guest-disk.ts";
import { guestTag } from "../../support/guest-leftovers.ts";
import { bootGuest, type UmlGuest } from "../../support/uml.ts";
import type { NodePlace } from "./network.ts";
import { places } from "./places.ts";

/** A working day: a cluster that somebody forgot ends by itself. */
const lifetimeSeconds = 8 * 3600;

/** A node: a guest with containerd and kubelet. Its disk stays over reboots and power cuts. */
export class ClusterNode implements AsyncDisposable {
  readonly place: NodePlace;
  readonly #disk: GuestDisk;
  readonly #memoryMb: number;
  #guest: UmlGuest | undefined;

  constructor(place: NodePlace, options: { readonly memoryMb: number }) {
    this.place = place;
    this.#memoryMb = options.memoryMb;
    this.#disk = copyOf(places.disk, place.name);
  }

  /** Boots the node, unless it runs. */
  async up(): Promise<void> {
    if (this.#guest !== undefined) return;
    const { name, address, gateway, pods, link } = this.place;
    const guest = await bootGuest({
      kind: "uml",
      name: `cluster-${name}`,
      memoryMb: this.#memoryMb,
      disk: this.#disk,
      diskAt: "/var/lib",
      network: link,
      lifetimeSeconds,
    });
    this.#guest = guest;
    await guest.check(join(places.harness, "node/start.sh"), {
      env: {
        ...{ NODE: name, ADDRESS: address, GATEWAY: gateway, PODS: pods },
        ...{ BIN: places.bin, CERTIFICATES: places.certificates },
      },
    });
  }

  /** Runs a bash script on the node, as root, beside kubelet. */
  run(script: string, timeoutMs: number): Promise<CommandResult> {
    if (this.#guest === undefined) throw new Error(`Node ${this.place.name} is off`);
    return this.#guest.run(`PATH=/run/node/bin:$PATH\n${script}`, { timeoutMs });
  }

  /** Cuts the power, unless the node is off. */
  async powerCut(): Promise<void> {
    const guest = this.#guest;
    this.#guest = undefined;
    await guest?.kill();
  }

  /** Ends the node as a service manager does: kubelet, every process in its turn, file systems, power. */
  async shutDown(): Promise<void> {
    const guest = this.#guest;
    if (guest === undefined) return;
    await guest.check(join(places.harness, "node/stop.sh"));
    this.#guest = undefined;
    await guest.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerCut();
    this.#disk[Symbol.dispose]();
  }
}

/** In memory: on a real disk each commit of ext4 would cost the guest about 10 ms. */
function copyOf(disk: string, name: string): GuestDisk {
  const path = join("/dev/shm", `${guestTag}-${name}.ext4`);
  const remove = () => rmSync(path, { force: true });
  const undo = undoWhenAbandoned(remove);
  execFileSync("cp", ["--sparse=always", disk, path]);
  return {
    path,
    [Symbol.dispose]() {
      undo[Symbol.dispose]();
      remove();
    },
  };
}
