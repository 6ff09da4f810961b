import { existsSync } from "node:fs";
import { join } from "node:path";
import type { VolumeSpec } from "../control/volume-spec.ts";
import type { ServerProgram } from "./launcher.ts";
import type { VolumePaths } from "./volume-paths.ts";

/** The command line of a volume's server; `server` is `s3files serve` with what all servers are given. */
export function serverProgram(
  {
    server,
    runDir,
  }: {
    readonly server: { readonly node: string; readonly args: readonly string[] };
    readonly runDir: string;
  },
  spec: VolumeSpec,
  paths: VolumePaths,
): ServerProgram {
  // The buffers of memoryLimit lie outside V8's heap; half as much again bounds what describes them.
  const heapMib = Math.max(96, Math.round(spec.memoryLimitBytes / 2 ** 21));
  return {
    // Compiled code is kept from one server to the next: a restart is a pause of the mount.
    program: "env",
    programArguments: [
      `NODE_COMPILE_CACHE=${join(runDir, "compile-cache")}`,
      ...[server.node, `--max-old-space-size=${heapMib}`],
    ],
    serveArguments: [
      ...server.args,
      ...["--volume-dir", paths.folder, "--control-socket", paths.serverSocket],
      ...["--listen-fd", "3"],
      ...(existsSync(paths.credentials) ? ["--credentials", paths.credentials] : []),
    ],
  };
}
