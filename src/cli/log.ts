import { writeSync } from "node:fs";
import { jsonLog, type Log } from "../base/log.ts";
import type { Config } from "./config.ts";

/** Writes a whole line to standard error, at once: the last lines before a crash are those that matter. */
export function writeLogLine(line: string): void {
  try {
    writeSync(2, line);
  } catch (error) {
    // A full pipe (EAGAIN) or a reader that is gone (EPIPE) costs lines, never the process.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EAGAIN" && code !== "EPIPE") throw error;
  }
}

/** The log of this process: JSON lines on standard error, tagged with its component. */
export function processLog(config: Pick<Config, "logLevel">, component: string): Log {
  return jsonLog({ level: config.logLevel, fields: { component } }, writeLogLine);
}
