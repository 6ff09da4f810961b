import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { root, run } from "./support.ts";

const pages = [
  ...readdirSync(join(root, "docs")).map((file) => `docs/${file}`),
  "charts/s3files-csi-driver/README.md",
  "README.md",
].filter((path) => path.endsWith(".md"));

const text = (path: string) => readFileSync(join(root, path), "utf8");

/** The commands of a page's shell blocks, comments and line breaks removed. */
function commandsOf(page: string): string[] {
  return [...text(page).matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = ""]) =>
    block
      .replaceAll("\\\n", " ")
      .split("\n")
      .map((line) => line.replace(/ #.*/, "").trim())
      .filter((line) => line !== ""),
  );
}

/** The words of a command, as a shell splits them; no variables. */
const wordsOf = (command: string) =>
  [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");

/** What a message in the page says in any case: without the parts that differ from time to time. */
function fixedPartsOf(message: string): string[] {
  return message.split(/…|'[^']*'|: | at |s old/).filter((part) => part.trim().length > 5);
}

describe("the installation pages", () => {
  const folder = mkdtempSync(join(tmpdir(), "s3files-docs-"));
  after(() => rmSync(folder, { recursive: true }));

  it("have helm commands that the chart accepts", async () => {
    const certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    writeFileSync(join(folder, "ca.crt"), certificate);
    let accepted = 0;
    for (const page of pages) {
      const [, values] = /`values\.yaml`:\n\n```yaml\n(.*?)```/s.exec(text(page)) ?? [];
      writeFileSync(join(folder, "values.yaml"), values ?? "{}");
      for (const command of commandsOf(page)) {
        const [, verb, ...words] = wordsOf(command);
        if (!command.startsWith("helm ") || (verb !== "install" && verb !== "upgrade")) continue;
        const options = words
          .filter((word) => word !== "--create-namespace" && word !== "--reuse-values")
          .map((word) => word.replace(/(^|=)(values\.yaml|ca\.crt)$/, `$1${join(folder, "$2")}`));
        const { status, stderr } = await run("helm", ["template", ...options]);
        assert.equal(status, 0, `${page}: ${command}: ${stderr}`);
        accepted++;
      }
    }
    assert.ok(accepted >= 6, `only ${accepted} helm commands`);
  });

  it("apply only files that are there", () => {
    for (const page of pages) {
      for (const command of commandsOf(page)) {
        for (const [, path = ""] of command.matchAll(/(?:--filename|charts\/)[ =]?(\S+)/g)) {
          const file = command.includes("charts/") ? `charts/${path}` : path;
          if (command.includes("--filename")) assert.ok(existsSync(join(root, path)), command);
          else assert.ok(existsSync(join(root, file)), command);
        }
      }
    }
  });
});

describe("the pages' links", () => {
  it("lead to files of the repository", () => {
    for (const page of pages) {
      for (const [, link = ""] of text(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
        assert.ok(existsSync(join(root, dirname(page), link)), `${page}: ${link}`);
      }
    }
  });
});

describe("the troubleshooting page", () => {
  it("quotes only messages that the program can print", () => {
    const source = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.(ts|c)$/.test(file))
      .map((file) => text(join("src", file)))
      .join("\n")
      // Literals of C that go over two lines.
      .replaceAll(/"\n\s*"/g, "");
    const rows = text("docs/troubleshooting.md")
      .split("\n| message |")
      .slice(1)
      .flatMap((table) => table.split("\n\n")[0]?.split("\n| `").slice(1) ?? []);
    let checked = 0;
    for (const row of rows) {
      const [cell = ""] = `\`${row}`.split(" | ");
      if (/\(from (kubelet|the provisioner)\)/.test(cell)) continue;
      for (const [, message = ""] of cell.matchAll(/`([^`]+)`/g)) {
        // Codes of S3 and of the network are not ours.
        if (/^[A-Za-z_]+( \(\d+\))?$/.test(message)) continue;
        for (const part of fixedPartsOf(message)) {
          assert.ok(source.includes(part), `'${part}' of '${message}'`);
          checked++;
        }
      }
    }
    assert.ok(checked >= 25, `only ${checked} parts of messages`);
  });
});
