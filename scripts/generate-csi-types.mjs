// Makes src/csi/gen from proto/csi.proto with the generator that comes with @grpc/proto-loader.
// `npm install` runs it (the `prepare` script) under whatever Node the machine has, so: plain
// JavaScript, Node 20 or newer. Options must agree with `csiLoaderOptions` in src/csi/proto.ts.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const output = join(root, "src/csi/gen");
const partial = `${output}.partial`;
const require = createRequire(import.meta.url);
const loader = dirname(require.resolve("@grpc/proto-loader/package.json"));

rmSync(partial, { recursive: true, force: true });
execFileSync(
  process.execPath,
  [
    join(loader, "build/bin/proto-loader-gen-types.js"),
    "--longs=String",
    "--enums=String",
    "--defaults",
    "--oneofs",
    "--grpcLib=@grpc/grpc-js",
    "--targetFileExtension=.ts",
    "--importFileExtension=.ts",
    `--outDir=${partial}`,
    join(root, "proto/csi.proto"),
  ],
  { stdio: ["ignore", "ignore", "inherit"] },
);

for (const entry of readdirSync(partial, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const file = join(entry.parentPath ?? entry.path, entry.name);
  // The generator notes where the source lies on this machine: nothing of that belongs in the output.
  const text = readFileSync(file, "utf8").replace(/^\/\/ Original file: .*\n/gm, "");
  writeFileSync(file, text);
}
rmSync(output, { recursive: true, force: true });
renameSync(partial, output);
