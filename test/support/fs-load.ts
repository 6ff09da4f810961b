/**
 * Makes the file system calls of a load-script in a directory, and appends to the file that S3FILES_RECORD names, after
 * each call that returned, `<load> <how many returned>`; `<load> error <call>: <message>` for one that failed.
 * Ends in order on SIGTERM, and then records `<load> end`. Runs in a guest.
 *
 * Usage: fs-load.ts <directory> <LoadOptions as JSON> [<calls to make>]
 */
import {
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { lineBytes, linesOf } from "./load-content.ts";
import type { LoadOp } from "./load-model.ts";
import { type LoadOptions, LoadScript } from "./load-script.ts";

/** Makes the calls of a script; descriptors stay open between them. */
class Load {
  readonly #directory: string;
  readonly #descriptors: (number | undefined)[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  run(op: LoadOp, version: number, fileOfSlot: (slot: number) => string): void {
    switch (op.kind) {
      case "open": {
        const flags = constants.O_RDWR | (op.append ? constants.O_APPEND : 0);
        this.#descriptors[op.slot] = openSync(this.#path(op.path), flags);
        return;
      }
      case "create":
        this.#descriptors[op.slot] = openSync(this.#path(op.path), "wx+");
        return;
      case "write": {
        const bytes = linesOf(fileOfSlot(op.slot), version, op.first, op.count);
        const at = op.append ? null : op.first * lineBytes;
        const written = writeSync(this.#open(op.slot), bytes, 0, bytes.length, at);
        if (written !== bytes.length) throw new Error(`Wrote ${written} of ${bytes.length} bytes`);
        return;
      }
      case "truncate":
        ftruncateSync(this.#open(op.slot), op.size * lineBytes);
        return;
      case "fsync":
        fsyncSync(this.#open(op.slot));
        return;
      case "close":
        closeSync(this.#open(op.slot));
        this.#descriptors[op.slot] = undefined;
        return;
      case "rename":
        renameSync(this.#path(op.from), this.#path(op.to));
        return;
      case "unlink":
        unlinkSync(this.#path(op.path));
        return;
      case "mkdir":
        mkdirSync(this.#path(op.path));
        return;
      case "fsyncdir": {
        const descriptor = openSync(this.#path(op.path), "r");
        fsyncSync(descriptor);
        closeSync(descriptor);
        return;
      }
    }
  }

  #path(path: string): string {
    return join(this.#directory, path);
  }

  #open(slot: number): number {
    const descriptor = this.#descriptors[slot];
    if (descriptor === undefined) throw new Error(`Nothing is open in slot ${slot}`);
    return descriptor;
  }
}

async function main(directory: string, options: LoadOptions, most: number): Promise<void> {
  const record = openSync(process.env["S3FILES_RECORD"] ?? "/dev/stdout", "a");
  const say = (text: string) => writeSync(record, `${options.name} ${text}\n`);
  let ending = false;
  process.on("SIGTERM", () => {
    ending = true;
  });
  const script = new LoadScript(options);
  const load = new Load(directory);
  for (let done = 0; !ending && done < most; ) {
    // The file that a slot has before the call: a close empties it.
    const files = script.model.slots.map((file) => file?.id ?? "");
    const op = script.next();
    try {
      load.run(op, done + 1, (slot) => files[slot] ?? "");
    } catch (error) {
      say(`error ${JSON.stringify(op)}: ${String(error)}`);
      process.exitCode = 1;
      return;
    }
    say(String(++done));
    // Lets a signal in.
    if (done % 4 === 0) await setImmediate();
  }
  say("end");
}

const [directory, options, most] = process.argv.slice(2);
if (directory === undefined || options === undefined) {
  throw new Error("Usage: fs-load.ts <directory> <options as JSON> [<calls to make>]");
}
await main(
  directory,
  JSON.parse(options),
  most === undefined ? Number.POSITIVE_INFINITY : Number(most),
);
