import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { silentLog } from "../src/base/log.ts";
import { KernelMounter } from "../src/csi/mounter.ts";

/** What every client says: each pause in milliseconds with the refused connects in it, and four times a second that it goes on. */
const said = `sub answered {
  my $now = time;
  printf "%.1f %d\\n", ($now - $last) * 1000, $refused if $now - $last > 0.02 || $refused;
  ($last, $refused) = ($now, 0);
  if ($now > $next) { print "tick\\n"; $next = $now + 0.25 }
}
`;
const beginning = `use strict; use Time::HiRes qw(time sleep); $| = 1; $SIG{PIPE} = "IGNORE";
our ($last, $refused) = (time, 0); our $next = $last;
${said}`;

/** A compound of PUTROOTFH alone: out of a session it is answered, with an error, by the protocol layer. */
const caller = `use IO::Socket::INET; ${beginning}
my ($socket, $xid) = (undef, 0);
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
  answered();
  sleep 0.002;
}`;

/** Appends a line and syncs it. */
const writer = `use IO::Handle; ${beginning}
open(my $file, ">>", shift) or die "open: $!";
while (1) {
  defined syswrite($file, "12345678\\n") or die "write: $!";
  $file->sync or die "fsync: $!";
  answered();
  sleep 0.01;
}`;

/** Somebody who uses one volume all the time and notes how long it was away. */
export class PauseClient implements Disposable {
  readonly #child: ChildProcess;
  readonly #end: () => void;
  #longestMs = 0;
  #refused = 0;
  #ticks = 0;
  readonly #waiting = new Set<() => void>();

  private constructor(program: string, args: readonly string[], end: () => void) {
    this.#end = end;
    this.#child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
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

  /** Speaks RPC itself, and connects again at once. */
  static overSocket(pin: string): PauseClient {
    return new PauseClient("nsenter", [`--net=${pin}`, "perl", "-e", caller], () => undefined);
  }

  /** Writes with fsync through this kernel's NFS client, mounted at `target`. */
  static async overKernel(pin: string, target: string, launcher: string): Promise<PauseClient> {
    mkdirSync(target, { recursive: true });
    await new KernelMounter({ launcher }, { log: silentLog }).mountVolume({
      ...{ pin, target, readOnly: false, vfsFlags: [], nfsOptions: [] },
    });
    return new PauseClient("perl", ["-e", writer, `${target}/log`], () => {
      spawnSync("umount", ["-f", "-l", target]);
    });
  }

  /** Resolves when it has gone on for a second. */
  async steady(): Promise<void> {
    const until = this.#ticks + 4;
    while (this.#ticks < until) await new Promise<void>((wake) => this.#waiting.add(wake));
  }

  /** Forgets what was. */
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
    this.#end();
  }
}
