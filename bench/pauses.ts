/**
 * How long a client waits while what serves its volume is killed or replaced.
 * Usage: pauses.ts [<runs, default 5> [<volumes, default 1,10>]] [--kernel | --guest] [--only <words>]
 *
 * The client sends a compound every two milliseconds and connects again at once; with --kernel it is this machine's NFS
 * client, which writes with fsync; with --guest that of a User Mode Linux, in which all of it then runs.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as after } from "node:timers/promises";
import { parseArgs } from "node:util";
import { systemClock } from "../src/base/clock.ts";
import { silentLog } from "../src/base/log.ts";
import { SupervisorClient } from "../src/control/supervisor-client.ts";
import { Launcher } from "../src/supervisor/launcher.ts";
import { SocketKeeper } from "../src/supervisor/socket-keeper.ts";
import { supervisorSocket } from "../src/supervisor/volume-paths.ts";
import { volumeSpec } from "../test/fakes/volume-spec.ts";
import { s3filesProgram } from "../test/support/guest-driver.ts";
import { PrivateRun } from "../test/support/private-run.ts";
import { bootGuest, projectDir } from "../test/support/uml.ts";
import { PauseClient } from "./pause-client.ts";

interface Pod {
  readonly child: ReturnType<PrivateRun["startPod"]>;
}

/** The mounters of one node over the embedded S3. */
class Mounter {
  readonly run: PrivateRun;
  readonly client: SupervisorClient;
  readonly keeper: SocketKeeper;
  #pod: Pod | undefined;

  constructor(run: PrivateRun) {
    this.run = run;
    this.client = new SupervisorClient(supervisorSocket(run.runDir));
    const launcher = new Launcher({ path: run.launcher, allowNoIoFlusher: true });
    const { runDir } = run;
    this.keeper = new SocketKeeper({ runDir }, { launcher, clock: systemClock, log: silentLog });
  }

  get pod(): Pod {
    if (this.#pod === undefined) throw new Error("No mounter runs");
    return this.#pod;
  }

  /** As kubelet starts it; resolves when it is ready. */
  async start(): Promise<void> {
    const { runDir, stateDir, launcher } = this.run;
    const child = this.run.startPod("dist/main.js", [
      ...["supervisor", "--take-over", "--run-dir", runDir, "--state-dir", stateDir],
      ...["--launcher", launcher, "--allow-no-io-flusher"],
    ]);
    this.#pod = { child };
    while (!child.said().includes("Supervisor ready")) {
      if (child.exitCode !== null) throw new Error(`The mounter ended:\n${child.said()}`);
      await after(5);
    }
  }

  async isWhole(volumes: number): Promise<boolean> {
    try {
      const status = await this.client.status();
      return status.volumes.filter(({ usage }) => usage !== undefined).length === volumes;
    } catch {
      return false; // nobody answers at the moment
    }
  }

  /** A process of a pod, by words in its command line. */
  pids(words: string): number[] {
    const found = execFileSync("pgrep", ["-f", `^[^ ]*node .*${words}.*${this.run.runDir}`]);
    return found.toString().trim().split("\n").map(Number);
  }
}

const events: Readonly<Record<string, (mounter: Mounter) => Promise<void>>> = {
  "server killed": async (mounter) => {
    const [pid = 0] = mounter.pids(" serve ");
    process.kill(pid, "SIGKILL");
  },
  "supervisor killed": async (mounter) => {
    const [pid = 0] = mounter.pids(" supervisor ");
    process.kill(pid, "SIGKILL");
  },
  "mounter rolled (surge)": async (mounter) => {
    const { child } = mounter.pod;
    const [pid = 0] = mounter.pids(" supervisor ");
    await mounter.start();
    process.kill(pid, "SIGTERM");
    await once(child, "exit");
  },
  "mounter ended, next started": async (mounter) => {
    const { child } = mounter.pod;
    const [pid = 0] = mounter.pids(" supervisor ");
    process.kill(pid, "SIGTERM");
    await once(child, "exit");
    await mounter.start();
  },
  "mounter pod killed, next started": async (mounter) => {
    await mounter.run.end(mounter.pod.child, "SIGKILL");
    await mounter.start();
  },
};

interface Store extends Disposable {
  readonly endpoint: string;
  readonly keys: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

async function devS3(buckets: readonly string[]): Promise<Store> {
  const [program = "", ...args] = s3filesProgram;
  const made = buckets.flatMap((name) => ["--bucket", name]);
  const child = spawn(program, [...args, "dev-s3", "--json", ...made], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { endpoint, accessKeyId, secretAccessKey } = JSON.parse(String(line));
  const keys = { accessKeyId, secretAccessKey };
  return { endpoint, keys, [Symbol.dispose]: () => child.kill("SIGKILL") };
}

async function measure(
  volumes: number,
  runs: number,
  { kernel: isKernel = false, only }: { readonly kernel?: boolean; readonly only: string },
): Promise<void> {
  using undoing = new DisposableStack();
  const run = undoing.use(new PrivateRun());
  const buckets = Array.from({ length: volumes }, (_, i) => `bench-${i}`);
  const s3 = undoing.use(await devS3(buckets));
  const mounter = new Mounter(run);
  await mounter.start();
  const clients: PauseClient[] = [];
  for (const bucket of buckets) {
    const spec = volumeSpec({ volumeId: bucket, bucket, endpoint: s3.endpoint });
    const { pin } = await mounter.client.start({ spec, credentials: s3.keys });
    await mounter.keeper.keep(bucket);
    const target = join(run.folder, "mounts", bucket);
    const client = isKernel
      ? await PauseClient.overKernel(pin, target, run.launcher)
      : PauseClient.overSocket(pin);
    clients.push(undoing.use(client));
  }
  for (const [name, disturb] of Object.entries(events)) {
    if (!name.includes(only)) continue;
    const pauses: number[] = [];
    let refused = 0;
    for (let i = 0; i < runs; i++) {
      // The kernel waits with a connect until 3 s after the one before (XS_TCP_INIT_REEST_TO).
      if (isKernel) await after(4_000);
      await Promise.all(clients.map((client) => client.steady()));
      for (const client of clients) client.reset();
      await disturb(mounter);
      while (!(await mounter.isWhole(volumes))) await after(100);
      await mounter.keeper.sweep();
      await Promise.all(clients.map((client) => client.steady()));
      pauses.push(Math.max(...clients.map(({ longestMs }) => longestMs)));
      refused += clients.reduce((sum, client) => sum + client.refused, 0);
    }
    const figures = pauses.map((ms) => ms.toFixed(0).padStart(6)).join("");
    const line = `${name.padEnd(34)}${String(volumes).padStart(3)} volumes  longest pause ms:${figures}`;
    console.log(`${line}  refused: ${refused}`);
  }
}

const { values, positionals } = parseArgs({
  options: {
    ...{ kernel: { type: "boolean" }, guest: { type: "boolean" } },
    only: { type: "string", default: "" },
  },
  allowPositionals: true,
});
const [runs = "5", volumes = "1,10"] = positionals;
if (values.guest === true) {
  await using guest = await bootGuest({ kind: "uml", name: "pauses", memoryMb: 2500 });
  await guest.check(
    `cd ${projectDir} && node bench/pauses.ts ${runs} ${volumes} --kernel --only "${values.only}"`,
    {
      onLine: (line) => console.log(line),
      timeoutMs: 1_700_000,
    },
  );
} else {
  for (const count of volumes.split(",").map(Number)) {
    await measure(count, Number(runs), values);
  }
}
