import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import type { KubectlOptions } from "./target.ts";

/** Runs a program and resolves to its standard output. @throws {Error} with its error output when it fails or takes too long. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: KubectlOptions = {},
): Promise<string> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  const timeoutMs = options.timeoutMs ?? 120_000;
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  // A program may end without having read everything.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const [output, complaint] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  clearTimeout(timer);
  if (child.exitCode !== 0) {
    const how =
      child.signalCode === null
        ? `exit code ${child.exitCode}`
        : `${child.signalCode} after ${timeoutMs} ms at most`;
    throw new Error(`${program} ${args.join(" ")}: ${how}\n${complaint}${output}`);
  }
  return output;
}
