import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { undoWhenAbandoned } from "../support/abandon.ts";
import { leftovers, orphans } from "../support/guest-leftovers.ts";
import { projectDir } from "../support/uml.ts";

/** The steps that `make demo` prints, and 0 for what it does before the first. `make soak` interrupts it in each of them. */
const steps = Array.from({ length: 13 }, (_, step) => step);
const interrupts = Number(process.env["S3FILES_INTERRUPTS"] ?? "1");

const first = Math.floor(Math.random() * steps.length);
const chosen = steps.filter((step) => (step + first) % steps.length < interrupts);

/** Everything that descends from a run has this in its environment, whatever its parent and its session are. */
const mark = "S3FILES_INTERRUPTED_DEMO";

function processesOf(run: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`${mark}=${run}`);
    } catch {
      return false; // Not a process, or one that has ended meanwhile.
    }
  });
}

/** A demo as a terminal starts it: a session whose foreground processes all get Ctrl-C. */
class Demo {
  readonly run: string;
  #output = "";
  readonly #make: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(run: string) {
    this.run = run;
    this.#make = spawn("make", ["demo"], {
      cwd: projectDir,
      detached: true,
      env: { ...process.env, [mark]: run },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#ended = once(this.#make, "exit");
    for (const stream of [this.#make.stdout, this.#make.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
      });
    }
  }

  get output(): string {
    return this.#output;
  }

  async reaches(step: number): Promise<void> {
    if (step === 0) return;
    while (!this.#output.includes(`] ${step}. `)) {
      assert.equal(
        this.#make.exitCode,
        null,
        `The demo ended before step ${step}:\n${this.output}`,
      );
      await sleep(20);
    }
  }

  interrupt(): void {
    try {
      process.kill(-(this.#make.pid ?? 0), "SIGINT");
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }

  async end(): Promise<number | NodeJS.Signals | null> {
    await this.#ended;
    return this.#make.exitCode ?? this.#make.signalCode;
  }
}

describe("make demo, interrupted with Ctrl-C", () => {
  for (const step of chosen) {
    const delay = Math.floor(Math.random() * (step === 0 ? 1000 : 3000));

    it(`leaves nothing on the machine, ${delay} ms into step ${step}`, async function () {
      this.timeout(300_000);
      const demo = new Demo(`${process.pid}-${step}`);
      using _ = undoWhenAbandoned(() => demo.interrupt());
      await demo.reaches(step);
      await sleep(delay);
      demo.interrupt();
      const status = await demo.end();
      // The last steps may be over before the interrupt comes.
      assert.ok(status !== 0 || step >= 11, `exit status ${status}:\n${demo.output}`);
      // A guest's own processes have an environment of their own.
      const left = () => [...processesOf(demo.run), ...orphans()];
      for (let tries = 0; tries < 100 && left().length > 0; tries++) await sleep(50);
      assert.deepEqual(left(), [], demo.output);
      assert.deepEqual(leftovers([join(projectDir, "build/guests"), "/dev/shm"]), []);
    });
  }
});
