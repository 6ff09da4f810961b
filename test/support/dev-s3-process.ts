import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { undoWhenAbandoned } from "./abandon.ts";
import { s3filesProgram } from "./guest-driver.ts";
import type { GuestNetwork } from "./guest-network.ts";

/** A running `s3files dev-s3`; disposal ends it. */
export interface DevS3Process extends AsyncDisposable {
  readonly pid: number;
  readonly endpoint: string;
}

/** Starts `s3files dev-s3` beside a guest, where {@link NetworkS3} with `serve: false` finds it. */
export async function startDevS3Process(network: GuestNetwork): Promise<DevS3Process> {
  const dev = ["dev-s3", "--listen", `${network.hostAddress}:9000`, "--json"];
  const child = spawn("ip", ["netns", "exec", network.namespace, ...s3filesProgram, ...dev], {
    stdio: ["ignore", "pipe", "inherit"],
    // Not in the terminal's process group: an interrupt is the demo's to handle.
    detached: true,
  });
  const undo = undoWhenAbandoned(() => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    ended.then(() => {
      throw new Error("s3files dev-s3 has ended");
    }),
  ]);
  const { endpoint, pid } = JSON.parse(String(line));
  return {
    endpoint,
    pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
      undo[Symbol.dispose]();
    },
  };
}
