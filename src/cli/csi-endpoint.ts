import { lstat, mkdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, isAbsolute } from "node:path";
import type { Log } from "../base/log.ts";
import { CsiServer, type CsiServices } from "../csi/server.ts";
import { type Arguments, CommandError, UsageError } from "./arguments.ts";
import type { Config } from "./config.ts";
import { aborted } from "./shutdown.ts";

/** The longest path that a unix socket's address holds, its final zero byte aside. */
const maxSocketPathBytes = 107;

/** The option every CSI process has. */
export const csiEndpointOption = {
  "csi-endpoint": { value: "unix:PATH", help: "socket to listen on; default: $CSI_ENDPOINT" },
} as const;

/** The socket's path in `--csi-endpoint` or `CSI_ENDPOINT`: `unix:///path`, `unix:/path` or a path. @throws {UsageError} */
export function csiSocketPath(args: Arguments, config: Config): string {
  const endpoint = args.required("csi-endpoint", config.csiEndpoint);
  const path = endpoint.replace(endpoint.startsWith("unix://") ? "unix://" : /^unix:/, "");
  if (!isAbsolute(path)) {
    throw new UsageError(`CSI endpoint '${endpoint}' is no unix:///absolute/path`);
  }
  if (Buffer.byteLength(path) > maxSocketPathBytes) {
    throw new UsageError(`CSI endpoint '${endpoint}' is longer than ${maxSocketPathBytes} bytes`);
  }
  return path;
}

/**
 * Serves the services on a unix socket until `signal` aborts. A socket that a killed process left is removed, one
 * on which somebody listens is not. @throws {CommandError} when the place is taken or cannot be bound.
 */
export async function serveCsi(
  services: CsiServices,
  at: { readonly path: string; readonly name: string; readonly signal: AbortSignal },
): Promise<void> {
  const { path, name, signal } = at;
  const server = new CsiServer(services);
  try {
    await mkdir(dirname(path), { recursive: true });
    await removeStaleSocket(path, services.log);
    await server.listen(path);
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError(`Cannot listen at ${path}`, { cause });
  }
  process.stdout.write(`s3files ${name} answers at unix://${path}\n`);
  await aborted(signal);
  services.log.info("Ending", { reason: (signal.reason as Error).message });
  await server.close();
}

async function removeStaleSocket(path: string, log: Log): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw new CommandError(`${path} is there and is no socket`);
  if (await isAnswered(path)) throw new CommandError(`Another process listens at ${path}`);
  await rm(path, { force: true });
  log.info("Removed a socket on which nobody listened", { path });
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      else reject(error);
    });
  });
}
