/**
 * How long a client of a volume waits while what serves it is killed or replaced: `node bench/pauses.ts [<runs, default 5>]`.
 * The client sends a compound every two milliseconds and connects again at once, as the kernel's does behind a port that
 * never refuses; what the kernel adds is measured by the scenarios of test/e2e/cluster.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as after } from "node:timers/promises";
import { systemClock } from "../src/base/clock.ts";
import { silentLog } from "../src/base/log.ts";
import { SupervisorClient } from "../src/control/supervisor-client.ts";
import { Launcher } from "../src/supervisor/launcher.ts";
import { SocketKeeper } from "../src/supervisor/socket-keeper.ts";
import { supervisorSocket } from "../src/supervisor/volume-paths.ts";
import { volumeSpec } from "../test/fakes/volume-spec.ts";
import { s3filesProgram } from "../test/support/guest-driver.ts";
import { PrivateRun } from "../test/support/private-run.ts";

/** A compound of PUTROOTFH alone: out of a session it is answered, with an error, by the protocol layer. */
const prober = `use strict; use IO::Socket::INET; use Time::HiRes qw(time sleep);
$| = 1; $SIG{PIPE} = "IGNORE";
my ($socket, $xid, $last, $refused) = (undef, 0, time, 0);
my $next = $last;
while (1) {
  unless ($socket) {
    $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:2049");
    unless ($socket) { $refused++; sleep 0.002; next }
  }
  my $call = pack("N10", ++$xid, 0, 2, 100003, 4, 1, 0, 0, 0, 0) . pack("N4", 0, 1, 1, 24);
  my $answer;
  unless (syswrite($socket, pack("N", 0x80000000 | length $call) . $call) && sysread($socket, $answer, 4096)) {
    close $socket; undef $socket; next;
  }
  my $now = time;
  printf "%.1f %d\\n", ($now - $last) * 1000, $refused if $now - $last > 0.02 || $refused;
  ($last, $refused) = ($now, 0);
  if ($now > $next) { print "tick\\n"; $next = $now + 0.25 }
  sleep 0.002;
}`;

/** A client of one volume. */
class Client implements Disposable {
  readonly #child: ChildProcess;
  #longestMs = 0;
  #refused = 0;
  #ticks = 0;
  readonly #waiting = new Set<() => void>();

  constructor(pin: string) {
    this.#child = spawn("nsenter", [`--net=${pin}`, "perl", "-e", prober], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      if (line === "tick") this.#ticks += 1;
      else {
        const [gap, refused] = line.split(" ").map(Number);
        this.#longestMs = Math.max(this.#longestMs, gap ?? 0);
        this.#refused += refused ?? 0;
      }
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
    });
  }

  /** Resolves when it has been answered for some time. */
  async steady(): Promise<void> {
    const until = this.#ticks + 4;
    while (this.#ticks < until) await new Promise<void>((wake) => this.#waiting.add(wake));
  }

  reset(): void {
    this.#longestMs = 0;
    this.#refused = 0;
  }

  get longestMs(): number {
    return this.#longestMs;
  }

  get refused(): number {
    return this.#refused;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

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

async function measure(volumes: number, runs: number): Promise<void> {
  using undoing = new DisposableStack();
  const run = undoing.use(new PrivateRun());
  const buckets = Array.from({ length: volumes }, (_, i) => `bench-${i}`);
  const s3 = undoing.use(await devS3(buckets));
  const mounter = new Mounter(run);
  await mounter.start();
  const clients: Client[] = [];
  for (const bucket of buckets) {
    const spec = volumeSpec({ volumeId: bucket, bucket, endpoint: s3.endpoint });
    const { pin } = await mounter.client.start({ spec, credentials: s3.keys });
    await mounter.keeper.keep(bucket);
    clients.push(undoing.use(new Client(pin)));
  }
  for (const [name, disturb] of Object.entries(events)) {
    const pauses: number[] = [];
    let refused = 0;
    for (let i = 0; i < runs; i++) {
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

const runs = Number(process.argv[2] ?? "5");
for (const volumes of (process.argv[3] ?? "1,10").split(",").map(Number)) {
  await measure(volumes, runs);
}
