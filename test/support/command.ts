import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { undoWhenAbandoned } from "./abandon.ts";

const script = join(import.meta.dirname, "../../src/main.ts");

/** How a command ended, and everything it said. */
export interface CommandResult {
  readonly status: number | NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Variables that would send a test to somebody's real account. */
const forbidden = /^(?:AWS_|S3FILES_|CSI_ENDPOINT$|NODE_ID$)/;

function spawnCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): ChildProcess & { readonly result: () => CommandResult } {
  const inherited = Object.entries(process.env).filter(([name]) => !forbidden.test(name));
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...Object.fromEntries(inherited),
      // The AWS chain ends here, and not at the metadata service of the machine.
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_CONFIG_FILE: "/nonexistent",
      AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
      ...environment,
    },
  });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
      said[name] += chunk;
    });
  }
  const result = () => ({ status: child.exitCode ?? child.signalCode, ...said });
  return Object.assign(child, { result });
}

/** Runs `s3files` with these arguments to its end. */
export async function runCommandLine(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const child = spawnCommand(args, environment);
  using _undo = undoWhenAbandoned(() => child.kill("SIGKILL"));
  await once(child, "close");
  return child.result();
}

/** A running `s3files` process; disposing ends it with SIGTERM. */
export interface RunningCommand extends AsyncDisposable {
  /** The line it printed when it was ready. */
  readonly ready: string;
  readonly pid: number;
  /** Sends the signal and resolves with how it ended. */
  end(signal: NodeJS.Signals): Promise<CommandResult>;
  /** What it has said so far. */
  said(): CommandResult;
}

/** Starts a server command; resolves with the line that it prints when it is ready. */
export async function startCommandLine(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<RunningCommand> {
  const child = spawnCommand(args, environment);
  const undo = undoWhenAbandoned(() => child.kill("SIGKILL"));
  assert.ok(child.stdout);
  const closed = once(child, "close");
  const ready = await Promise.race([
    once(createInterface(child.stdout), "line").then(([line]) => String(line)),
    closed.then(() => assert.fail(`It ended: ${JSON.stringify(child.result())}`)),
  ]);
  const end = async (signal: NodeJS.Signals): Promise<CommandResult> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await closed;
    undo[Symbol.dispose]();
    return child.result();
  };
  return {
    ready,
    pid: child.pid ?? 0,
    end,
    said: child.result,
    async [Symbol.asyncDispose]() {
      await end("SIGTERM");
    },
  };
}

/** A `dev-s3` process: how to reach it, and its requests from outside the process. */
export interface DevS3Process extends AsyncDisposable {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  readonly process: RunningCommand;
}

/** Starts `s3files dev-s3`. */
export async function startDevS3Process(...args: readonly string[]): Promise<DevS3Process> {
  const command = await startCommandLine(["dev-s3", "--json", ...args]);
  const ready = JSON.parse(command.ready) as Omit<DevS3Process, "process">;
  return {
    ...ready,
    process: command,
    [Symbol.asyncDispose]: () => command[Symbol.asyncDispose](),
  };
}
