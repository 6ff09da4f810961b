// third-party-licences.mjs: prints the licence of every package that package-lock.json installs for production, which
// are those that esbuild may have put into dist. Fails on a package without a licence.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
for (const [path, { dev, version }] of Object.entries(packages)) {
  const folder = join(root, path);
  if (path === "" || dev === true || path.startsWith("node_modules/node-linux-")) continue;
  // Optional packages for other machines are not installed.
  if (!existsSync(folder)) continue;
  const { name, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (typeof license !== "string") throw new Error(`${path} names no licence`);
  const file = readdirSync(folder).find((one) => /^licen[cs]e(\.|$)/i.test(one));
  const text = file === undefined ? "" : `\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
  process.stdout.write(`${"-".repeat(80)}\n${name} ${version}: ${license}\n${text}`);
}
