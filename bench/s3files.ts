import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { writeVolumeRecord } from "../src/control/volume-folder.ts";
import type { VolumeSpec } from "../src/control/volume-spec.ts";
import { undoWhenAbandoned } from "../test/support/abandon.ts";
import { s3filesProgram } from "../test/support/guest-driver.ts";
import { NetworkS3, type S3Access } from "../test/support/network-s3.ts";
import type { BenchPlace, BenchTarget } from "./target.ts";

const bucket = "bench";

/** Opens a listening socket as descriptor 3, and becomes the program that follows: what s3files-launcher does on a node. */
const listenAndExec = `use IO::Socket::INET; use POSIX ();
my $address = shift;
my $socket = IO::Socket::INET->new(LocalAddr => $address, Listen => 128, ReuseAddr => 1) or die "listen $address: $!";
POSIX::dup2(fileno($socket), 3) if fileno($socket) != 3;
fcntl($socket, 2, 0) if fileno($socket) == 3;
exec @ARGV;`;

function specOf({ endpoint, region }: S3Access): VolumeSpec {
  const mebibyte = 2 ** 20;
  return {
    volumeId: "bench",
    ...{ bucket, prefix: "", endpoint, region, forcePathStyle: true },
    cacheMode: "full",
    cacheSizeBytes: 10 * 1024 * mebibyte,
    ...{ writeBackDelayMs: 60_000, writeBackMaxDelayMs: 900_000, revalidateAfterMs: 5_000 },
    importSizeLessThanBytes: mebibyte / 8,
    ...{ uid: 0, gid: 0, fileMode: 0o644, dirMode: 0o755 },
    memoryLimitBytes: 256 * mebibyte,
    ...{ trustObjectModes: false, capacityBytes: 0, readOnly: false },
  };
}

/** Our volume server with its defaults, over the embedded S3; the launcher's namespace is replaced by the benchmark's. */
export async function startOurs(place: BenchPlace): Promise<BenchTarget> {
  const folder = join(place.folder, "s3files");
  mkdirSync(folder);
  const s3 = await NetworkS3.start({ ...place });
  try {
    await s3.createBucket(bucket);
    writeVolumeRecord(folder, specOf(s3.access));
    const keys = join(folder, "keys.json");
    const { accessKeyId, secretAccessKey } = s3.access;
    writeFileSync(keys, JSON.stringify({ accessKeyId, secretAccessKey }));
    const address = `${place.hostAddress}:2049`;
    const options = ["--volume-dir", folder, "--control-socket", join(folder, "control.sock")];
    const serve = ["serve", ...options, "--credentials", keys, "--allow-no-io-flusher"];
    const program = ["perl", "-e", listenAndExec, address, ...s3filesProgram, ...serve];
    const server = spawn("ip", ["netns", "exec", place.namespace, ...program], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const undo = undoWhenAbandoned(() => server.kill("SIGKILL"));
    const ended = once(server, "exit");
    let log = "";
    server.stderr.on("data", (bytes: Buffer) => {
      log += String(bytes);
    });
    const stop = async (): Promise<void> => {
      undo[Symbol.dispose]();
      server.kill("SIGKILL");
      await ended;
      await s3[Symbol.asyncDispose]();
    };
    for (let tries = 0; !log.includes("accepts connections"); tries++) {
      if (server.exitCode !== null || tries === 600) {
        await stop();
        throw new Error(`s3files serve does not listen:\n${log}`);
      }
      await after(100);
    }
    return {
      name: "s3files",
      source: `${place.hostAddress}:/`,
      options: "",
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await s3[Symbol.asyncDispose]();
    throw error;
  }
}
