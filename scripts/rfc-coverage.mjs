// Checks docs/rfc-requirements.tsv: every requirement of the RFCs is obeyed at a place that exists and cites its section, or has
// a reason why it does not apply; every operation is there. Prints a table by section; exits 1 on a gap.
//   --table FILE      another table
//   --texts FOLDER    also counts the requirements in the texts, rfc8881.txt or rfc8881.txt.gz and so on
//   --citations       also lists every section that src and test cite
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values: options } = parseArgs({
  options: {
    table: { type: "string", default: join(root, "docs/rfc-requirements.tsv") },
    texts: { type: "string" },
    citations: { type: "boolean", default: false },
  },
});
const gaps = [];

/** The text of every TypeScript file of a folder, by its path in the folder. */
function sources(folder) {
  const found = new Map();
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
    const path = join(entry.parentPath, entry.name);
    found.set(path.slice(join(root, folder).length + 1), readFileSync(path, "utf8"));
  }
  return found;
}

/** Sections that a text cites: "RFC 8881 §18.1, §18.7", and what lies between the ends of "§18.10 to §18.12". */
function citations(text) {
  const cited = [];
  for (const [, rfc, list] of text.matchAll(
    /RFC (\d+) (§\d+(?:\.\d+)*(?:(?:, | and | to )§\d+(?:\.\d+)*)*)/g,
  )) {
    let last;
    for (const [, joint, section] of list.matchAll(/(, | and | to |)§(\d+(?:\.\d+)*)/g)) {
      if (joint === " to ") {
        const [parent, from, to] = [last.replace(/\d+$/, ""), last, section].map((each, at) =>
          at === 0 ? each : Number(each.split(".").at(-1)),
        );
        for (let between = from + 1; between < to; between += 1)
          cited.push([rfc, parent + between]);
      }
      cited.push([rfc, section]);
      last = section;
    }
  }
  return cited.map(([rfc, section]) => `${rfc} ${section}`);
}

const isWithin = (section, outer) => section === outer || section.startsWith(`${outer}.`);

/** Whether a citation is of a section, of one of its parts or of what it is part of; a whole chapter is too much to mean one. */
function isCited(cited, rfc, section) {
  return cited.some((each) => {
    const [of, other] = each.split(" ");
    if (of !== rfc) return false;
    if (isWithin(other, section)) return true;
    return other.includes(".") && isWithin(section, other);
  });
}

function readTable(path) {
  const reasons = new Map();
  const rows = [];
  for (const [at, line] of readFileSync(path, "utf8").split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const columns = line.split("\t");
    if (line.startsWith("@")) {
      reasons.set(columns[0].slice(1), columns[1] ?? "");
      continue;
    }
    const [rfc, section, number, text, where = "", test = ""] = columns;
    rows.push({ line: at + 1, rfc, section, number, text, where, test });
  }
  return { reasons, rows };
}

const { reasons, rows } = readTable(options.table);
const code = sources("src");
const cited = new Map([...code].map(([path, text]) => [path, citations(text)]));
const titles = [...sources("test").values()].flatMap((text) =>
  [...text.matchAll(/\bit\(\s*(["'`])((?:(?!\1)[^\\]|\\.)*)\1/gs)].map(([, , title]) => title),
);

/** Why a line of the table does not hold, if it does not. */
function faultOf({ rfc, section, number, text, where, test }) {
  if (text === undefined || text === "") return "does not say what is asked";
  if (where === "") return "is neither obeyed nor not applicable";
  if (where.startsWith("-")) {
    const reason = reasons.get(where.slice(1));
    return reason === undefined || reason === "" ? `has no reason '${where}'` : undefined;
  }
  const places = where.split(" ");
  for (const place of places) {
    const [file, name] = place.split(":");
    const found = code.get(file);
    if (found === undefined) return `names src/${file}, which does not exist`;
    const isThere = name !== undefined && new RegExp(`(?<![\\w#])${name}(?!\\w)`).test(found);
    if (!isThere) return `names ${name}, which is not in src/${file}`;
  }
  // An operation's own name is its citation.
  if (
    number !== "0" &&
    !places.some((place) => isCited(cited.get(place.split(":")[0]), rfc, section))
  ) {
    return `is not cited as RFC ${rfc} §${section} in ${where}`;
  }
  if (test !== "" && !titles.some((title) => title.includes(test))) {
    return `names a test '${test}', which does not exist`;
  }
  return undefined;
}

for (const row of rows) {
  const fault = faultOf(row);
  const { rfc, section, number, line } = row;
  if (fault !== undefined) gaps.push(`line ${line}: RFC ${rfc} §${section} ${number} ${fault}`);
}

const operations = readFileSync(join(root, "src/nfs4/wire/operation.ts"), "utf8");
for (const [, name] of operations.matchAll(/\b(OP_[A-Z_]+): \d+/g)) {
  if (!rows.some(({ number, text }) => number === "0" && text === name)) {
    gaps.push(`${name} is missing`);
  }
}

/** How many sentences of each section ask for something, as the table counts them. */
function requirementsIn(text) {
  const counts = new Map();
  let section;
  let words = [];
  const end = () => {
    const sentences = words.join(" ").split(/(?<=[.;:!?])\s+(?=[A-Z"(*0-9])/);
    words = [];
    const count = sentences.filter((each) => /\b(MUST|REQUIRED|SHALL)\b/.test(each)).length;
    if (section !== undefined && count > 0) {
      counts.set(section, (counts.get(section) ?? 0) + count);
    }
  };
  for (const line of text.replaceAll(/[\r\f\ufeff]/g, "").split("\n")) {
    if (/^\S.*\[Page \d+\]$|^RFC \d+ {5,}.*\d{4}$/.test(line)) continue;
    const heading = /^(\d+(?:\.\d+)*)\. {1,2}\S/.exec(line);
    const isHeading = heading !== null && !/\. ?\./.test(line.slice(heading[0].length));
    const isAppendix = /^(Appendix|References|Acknowledg|Authors)/.test(line);
    if (isHeading || isAppendix || line.trim() === "" || /^\s+(\*|o|-|\d+\.)\s/.test(line)) end();
    if (isHeading) section = heading[1];
    else if (isAppendix) section = undefined;
    else if (line.trim() !== "") words.push(line.trim());
  }
  end();
  return counts;
}

function readText(folder, rfc) {
  const path = join(folder, `rfc${rfc}.txt`);
  if (existsSync(path)) return readFileSync(path, "utf8");
  return gunzipSync(readFileSync(`${path}.gz`)).toString("utf8");
}

if (options.texts !== undefined) {
  for (const rfc of new Set(rows.map((row) => row.rfc))) {
    const own = rows.filter((row) => row.rfc === rfc);
    for (const [section, count] of requirementsIn(readText(options.texts, rfc))) {
      const numbers = own.filter((row) => row.section === section && Number(row.number) > 0);
      const isWhole = own.some((row) => row.number === "*" && isWithin(section, row.section));
      if (numbers.length === 0 && isWhole) continue;
      const expected = Array.from({ length: count }, (_, at) => String(at + 1)).join();
      if (numbers.map(({ number }) => number).join() !== expected) {
        gaps.push(`RFC ${rfc} §${section} asks ${count} times, the table has ${numbers.length}`);
      }
    }
  }
}

const groups = new Map();
for (const { rfc, section, number, where, test } of rows) {
  const name = `RFC ${rfc} §${section.split(".").slice(0, 2).join(".")}`;
  const group = groups.get(name) ?? {
    obeyed: 0,
    tested: 0,
    notApplicable: 0,
    whole: 0,
    operations: 0,
  };
  groups.set(name, group);
  if (number === "0") group.operations += 1;
  else if (number === "*") group.whole += 1;
  else if (where.startsWith("-")) group.notApplicable += 1;
  else {
    group.obeyed += 1;
    if (test !== "") group.tested += 1;
  }
}
const total = { obeyed: 0, tested: 0, notApplicable: 0, whole: 0, operations: 0 };
const line = (name, group) =>
  `${name.padEnd(18)} obeyed ${String(group.obeyed).padStart(3)}, of them tested ${String(group.tested).padStart(3)}; ` +
  `not applicable ${String(group.notApplicable).padStart(3)}, as a whole ${String(group.whole).padStart(2)}; operations ${group.operations}`;
for (const [name, group] of groups) {
  console.log(line(name, group));
  for (const key of Object.keys(total)) total[key] += group[key];
}
console.log(line("all", total));

const inSource = new Map();
const inTests = new Map();
for (const [folder, counts] of [
  ["src", inSource],
  ["test", inTests],
]) {
  for (const text of sources(folder).values()) {
    for (const each of citations(text)) counts.set(each, (counts.get(each) ?? 0) + 1);
  }
}
const names = [...new Set([...inSource.keys(), ...inTests.keys()])];
names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
for (const name of options.citations ? names : []) {
  const counts = `src ${inSource.get(name) ?? 0}, test ${inTests.get(name) ?? 0}`;
  console.log(`RFC ${name.replace(" ", " §").padEnd(20)} ${counts}`);
}
console.log(`${inSource.size} sections are cited in src, ${inTests.size} in test`);
for (const gap of gaps) console.error(gap);
if (gaps.length > 0) {
  console.error(`${gaps.length} gaps`);
  process.exitCode = 1;
}
