import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { undoWhenAbandoned } from "../test/support/abandon.ts";
import { requireProgram } from "../test/support/guest.ts";
import type { BenchPlace, BenchTarget } from "./target.ts";

function configuration(exported: string, folder: string): string {
  return `NFS_CORE_PARAM {
  Protocols = 4;
  NFS_Port = 2049;
  Enable_NLM = false;
  Enable_RQUOTA = false;
  Allow_Set_Io_Flusher_Fail = true;
}
NFSv4 {
  Minor_Versions = 1, 2;
  Lease_Lifetime = 10;
  Grace_Period = 10;
  Graceless = true;
  Only_Numeric_Owners = true;
  RecoveryBackend = fs;
  RecoveryRoot = ${folder}/recovery;
}
EXPORT {
  Export_Id = 1;
  Path = ${exported};
  Pseudo = /;
  Protocols = 4;
  Transports = TCP;
  Access_Type = RW;
  Squash = No_Root_Squash;
  SecType = sys;
  FSAL { Name = VFS; }
}
`;
}

/** nfs-ganesha over a folder of this machine's disk: the reference. */
export async function startGanesha(place: BenchPlace): Promise<BenchTarget> {
  const exported = join(place.folder, "ganesha-export");
  const own = join(place.folder, "ganesha");
  for (const folder of [exported, own, join(own, "recovery")]) mkdirSync(folder);
  const config = join(own, "ganesha.conf");
  writeFileSync(config, configuration(exported, own));
  const program = requireProgram("ganesha.nfsd", "nfs-ganesha nfs-ganesha-vfs");
  const log = join(own, "log");
  const server = spawn(
    "ip",
    // ip netns exec becomes the program it starts.
    ["netns", "exec", place.namespace, program, "-F", "-f", config, "-L", log, "-p", `${own}/pid`],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const undo = undoWhenAbandoned(() => server.kill("SIGKILL"));
  const ended = once(server, "exit");
  const stop = async (): Promise<void> => {
    undo[Symbol.dispose]();
    server.kill("SIGKILL");
    await ended;
  };
  for (let tries = 0; !listens(place.namespace); tries++) {
    if (server.exitCode !== null || tries === 150) {
      await stop();
      throw new Error(`nfs-ganesha does not listen; its log is ${log}`);
    }
    await after(100);
  }
  return {
    name: "nfs-ganesha",
    source: `${place.hostAddress}:/`,
    options: "",
    [Symbol.asyncDispose]: stop,
  };
}

function listens(namespace: string): boolean {
  const sockets = execFileSync("ip", ["netns", "exec", namespace, "ss", "-Htln", "sport = :2049"]);
  return sockets.length > 0;
}
