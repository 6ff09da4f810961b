import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, fstatSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";

/** A fresh directory on the mount that the environment's `MOUNT` names, removed with all that is in it on disposal. */
export function scratchDirectory(): Disposable & { readonly path: string } {
  const mount = process.env["MOUNT"];
  if (mount === undefined) throw new Error("MOUNT must name the mounted directory");
  const path = mkdtempSync(join(mount, "scratch-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * Bytes of a file as the server has them: O_DIRECT makes the client write back what it holds, and read past its page cache.
 * Reads to the end of the file unless `lengthBytes` says less.
 */
export function readFromServer(path: string, offsetBytes = 0, lengthBytes?: number): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
  try {
    const wanted = lengthBytes ?? Math.max(0, fstatSync(fd).size - offsetBytes);
    const buffer = Buffer.alloc(wanted);
    let done = 0;
    while (done < wanted) {
      const got = readSync(fd, buffer, done, wanted - done, offsetBytes + done);
      if (got === 0) break;
      done += got;
    }
    return buffer.subarray(0, done);
  } finally {
    closeSync(fd);
  }
}

/** Runs a program to its end and returns its stdout. @throws {Error} with its stderr when it fails. */
export function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

const fsProbe = join(import.meta.dirname, "../../build/bin/fs-probe");

/** Runs test/support/fs-probe.c, whose header lists the verbs, and returns what it prints. */
export function probe(verb: string, ...args: readonly (string | number)[]): string {
  return run(fsProbe, verb, ...args.map(String)).trim();
}

/** Arguments of `fs-probe hold` and `try` after the verb. */
export type LockArguments = readonly [
  kind: "flock" | "fcntl",
  mode: "sh" | "ex",
  path: string,
  ...range: readonly number[],
];

/** A process that asked for a lock. */
export interface LockHolder {
  /** Resolves when it has the lock. */
  readonly locked: Promise<void>;
  /** Whether it has the lock. */
  readonly isLocked: () => boolean;
  /** Lets the process give the lock up by ending. */
  release(): Promise<void>;
}

/** Starts a process that waits for a lock and holds it until released. */
export function holdLock(...lock: LockArguments): LockHolder {
  const child = spawn(fsProbe, ["hold", ...lock.map(String)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  let held = false;
  const { promise: locked, resolve, reject } = Promise.withResolvers<void>();
  child.stdout.once("data", () => {
    held = true;
    resolve();
  });
  child.once("exit", (code) => reject(new Error(`fs-probe hold ended with ${code}`)));
  locked.catch(() => undefined);
  return {
    locked,
    isLocked: () => held,
    async release() {
      child.stdin.end();
      await ended;
    },
  };
}
