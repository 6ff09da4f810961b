import { execFileSync } from "node:child_process";
import { undoWhenAbandoned } from "../../support/abandon.ts";
import { guestTag } from "../../support/guest-leftovers.ts";
import type { GuestNetwork } from "../../support/guest-network.ts";

/** A node's place in the cluster's network. */
export interface NodePlace {
  readonly name: string;
  /** Address of the node itself. */
  readonly address: string;
  /** The control plane's end of the node's link. */
  readonly gateway: string;
  /** Subnet of its pods. */
  readonly pods: string;
  /** For `bootGuest`. */
  readonly link: GuestNetwork;
}

/** Where the control plane and the store are, for every node and pod. */
export const controlPlaneAddress = "10.77.0.1";
/** Address of the Service `kubernetes`: it is one of the control plane's own, so that pods reach it without a proxy. */
export const kubernetesServiceAddress = "10.96.0.1";

/** The address that node number `index` (from 1) will have; its certificates are made before the network. */
export function nodeAddress(index: number): string {
  return `10.77.${index}.2`;
}

/**
 * A network namespace that holds the control plane, and a link to each node. Nothing of it is on this machine's own
 * network. Dispose it when all processes in it have ended.
 */
export class ClusterNetwork implements Disposable {
  readonly namespace: string;
  readonly nodes: readonly NodePlace[];
  readonly #undo: Disposable;

  constructor(names: readonly string[]) {
    const namespace = `${guestTag}-cluster`;
    this.namespace = namespace;
    ip("netns", "add", namespace);
    this.#undo = undoWhenAbandoned(() => ip("netns", "del", namespace));
    const inside = (...args: string[]) => ip("-n", namespace, ...args);
    inside("link", "set", "lo", "up");
    for (const address of [controlPlaneAddress, kubernetesServiceAddress]) {
      inside("addr", "add", `${address}/32`, "dev", "lo");
    }
    ip("netns", "exec", namespace, "sysctl", "-qw", "net.ipv4.ip_forward=1");
    this.nodes = names.map((name, position) => {
      const index = position + 1;
      const [device, gateway, address] = [`tap${index}`, `10.77.${index}.1`, nodeAddress(index)];
      const pods = `10.78.${index}.0/24`;
      inside("tuntap", "add", device, "mode", "tap");
      inside("addr", "add", `${gateway}/24`, "dev", device);
      inside("link", "set", device, "up");
      inside("route", "add", pods, "via", address);
      const link = {
        namespace,
        device,
        hostAddress: gateway,
        guestAddress: `${address}/24`,
        // The namespace is the cluster's, and stays when one of its nodes goes.
        [Symbol.dispose]() {},
      };
      return { name, address, gateway, pods, link };
    });
  }

  [Symbol.dispose](): void {
    this.#undo[Symbol.dispose]();
    ip("netns", "del", this.namespace);
  }
}

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}
