import { execFileSync } from "node:child_process";
import { undoWhenAbandoned } from "./abandon.ts";
import { guestTag } from "./guest-leftovers.ts";

/** A network namespace on the host with a tap device to one guest, so that nothing of a test is on the host's own network. */
export interface GuestNetwork extends Disposable {
  /** For `ip netns exec`: servers for the guest are started in it. */
  readonly namespace: string;
  readonly device: string;
  /** Where the guest finds servers that listen in {@link namespace}. */
  readonly hostAddress: string;
  /** Address and prefix length of the guest. */
  readonly guestAddress: string;
}

let made = 0;

/** Makes the namespace and its tap device; needs root. Dispose it after the guest: processes in it must have ended. */
export function createGuestNetwork(): GuestNetwork {
  const namespace = `${guestTag}-${++made}`;
  // In a session of its own: Ctrl-C must not leave it half done, it is undone right after.
  const ip = (...args: string[]) =>
    execFileSync("setsid", ["ip", ...args], { stdio: ["ignore", "ignore", "pipe"] });
  const remove = () => void ip("netns", "del", namespace);
  ip("netns", "add", namespace);
  const undo = undoWhenAbandoned(remove);
  const inside = (...args: string[]) => ip("-n", namespace, ...args);
  inside("link", "set", "lo", "up");
  inside("tuntap", "add", "tap0", "mode", "tap");
  inside("addr", "add", "10.77.0.1/24", "dev", "tap0");
  inside("link", "set", "tap0", "up");
  return {
    namespace,
    device: "tap0",
    hostAddress: "10.77.0.1",
    guestAddress: "10.77.0.2/24",
    [Symbol.dispose]() {
      undo[Symbol.dispose]();
      remove();
    },
  };
}
