import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Arguments } from "./arguments.ts";

/** Where the image has the native helper. */
const installed = "/usr/local/bin/s3files-launcher";

/** The native helper: option `--launcher`, else what `make` built in this checkout, else the image's. */
export function launcherPath(args: Arguments): string {
  const given = args.text("launcher");
  if (given !== undefined) return given;
  const built = fileURLToPath(new URL("../../build/bin/s3files-launcher", import.meta.url));
  return existsSync(built) ? built : installed;
}
