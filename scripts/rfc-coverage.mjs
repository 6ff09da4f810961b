// Lists the RFC sections cited in src and in test, and those that src obeys but no test names.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Sections by RFC, each with the number of places that cite it. */
function citations(folder) {
  const found = new Map();
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
    const text = readFileSync(join(entry.parentPath, entry.name), "utf8");
    for (const [, rfc, section] of text.matchAll(/RFC (\d+) §(\d+(?:\.\d+)*)/g)) {
      const name = `RFC ${rfc} §${section}`;
      found.set(name, (found.get(name) ?? 0) + 1);
    }
  }
  return found;
}

const [source, tests] = [citations("src"), citations("test")];
const names = [...new Set([...source.keys(), ...tests.keys()])];
names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
for (const name of names) {
  console.log(`${name.padEnd(24)} src ${source.get(name) ?? 0}, test ${tests.get(name) ?? 0}`);
}
const untested = names.filter((name) => source.has(name) && !tests.has(name)).length;
console.log(`${names.length} sections, ${untested} cited in src and in no test`);
