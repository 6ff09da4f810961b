import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { type Guest, quoteForShell } from "./guest.ts";
import { type LoadRecord, recordOf } from "./load-check.ts";
import { linesOf } from "./load-content.ts";
import type { LoadOptions } from "./load-script.ts";
import type { VerifyJob, VerifyResult } from "./load-verify.ts";

const support = import.meta.dirname;

/** The objects that must be there before a load starts: keys below the load's directory. */
export function baseObjects(load: LoadOptions): { readonly key: string; readonly bytes: Buffer }[] {
  return load.base.map(({ path, lines }) => ({
    key: `${load.name}/${path}`,
    bytes: linesOf(`${load.name}.${path}`, 0, 0, lines),
  }));
}

/** A load that runs in a guest. */
export class GuestLoad {
  readonly directory: string;
  readonly options: LoadOptions;
  readonly #guest: Guest;
  readonly #done: Promise<{ readonly output: string }>;
  #pid: number | undefined;
  #end: string | undefined;

  /** Starts the load `options.name` in the directory of that name below `mount`; `calls` bounds it. */
  constructor(guest: Guest, mount: string, options: LoadOptions, calls?: number) {
    this.#guest = guest;
    this.options = options;
    this.directory = join(mount, options.name);
    const words = [
      this.directory,
      JSON.stringify(options),
      ...(calls === undefined ? [] : [calls]),
    ];
    const { done } = guest.start(
      `mkdir -p ${quoteForShell(this.directory)}
echo "pid $$"
exec node ${join(support, "fs-load.ts")} ${words.map((word) => quoteForShell(String(word))).join(" ")}`,
      {
        onLine: (line) => {
          const [, pid] = /^pid (\d+)$/.exec(line) ?? [];
          if (pid !== undefined) this.#pid = Number(pid);
        },
      },
    );
    this.#done = done;
    done.then(
      ({ output }) => {
        this.#end = output;
      },
      (error: unknown) => {
        this.#end = String(error);
      },
    );
  }

  /** What it has recorded so far. @throws {Error} with the first call that failed. */
  record(): LoadRecord {
    const record = recordOf(this.options.name, this.#guest.recorded());
    const [error] = record.errors;
    if (error !== undefined) throw new Error(`The load '${this.options.name}' saw an ${error}`);
    return record;
  }

  /** Its directory, to be checked. */
  job(): VerifyJob {
    const { returned, ended } = this.record();
    return { directory: this.directory, options: this.options, record: { returned, ended } };
  }

  /** Resolves when `calls` more calls have returned than before. @throws {Error} when the load ends first, or after 2 minutes. */
  async progress(calls: number): Promise<void> {
    const wanted = this.record().returned + calls;
    for (let tries = 0; this.record().returned < wanted; tries++) {
      if (this.#end !== undefined) throw new Error(`The load has ended:\n${this.#end}`);
      if (tries === 2400) throw new Error(`The load '${this.options.name}' stands still`);
      await after(50);
    }
  }

  /** Ends it with SIGKILL in the middle of whatever it does. */
  async kill(): Promise<void> {
    await this.#signal("KILL");
  }

  /** Lets it finish the call under way and end. */
  async finish(): Promise<void> {
    if (this.#end === undefined) await this.#signal("TERM");
    if (!this.record().ended) throw new Error(`The load '${this.options.name}' ended too early`);
  }

  /** Resolves when it has made all of its calls. */
  async ended(): Promise<void> {
    await this.#done;
    if (!this.record().ended) throw new Error(`The load '${this.options.name}' ended too early`);
  }

  async #signal(name: "KILL" | "TERM"): Promise<void> {
    await this.#guest.check(`kill -${name} ${this.#pid}`);
    await this.#done;
  }
}

let jobFiles = 0;

/** Checks in the guest what loads left; with `check: false` only takes the digests of what is there. */
export async function verifyLoads(
  guest: Guest,
  jobs: readonly VerifyJob[],
  options: { readonly check?: boolean } = {},
): Promise<VerifyResult> {
  const path = join(guest.sharedDir, `verify-${++jobFiles}.json`);
  writeFileSync(path, JSON.stringify(jobs));
  const flags = options.check === false ? " --digests" : "";
  const output = await guest.check(`exec node ${join(support, "load-verify.ts")} ${path}${flags}`, {
    timeoutMs: 300_000,
  });
  return JSON.parse(output.split("\n").findLast((line) => line.startsWith("{")) ?? "");
}
