import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const root = join(import.meta.dirname, "../..");

/** What each folder of src may import: other folders or single files of src, and packages. Default deny. */
const layers: Readonly<Record<string, { src: readonly string[]; packages?: readonly string[] }>> = {
  base: { src: [] },
  xdr: { src: [] },
  vfs: { src: ["base"] },
  control: { src: ["base"] },
  "dev-s3": { src: ["base"], packages: ["fast-xml-parser", "@aws-sdk/crc64-nvme"] },
  kubernetes: { src: ["base"] },
  rpc: { src: ["xdr", "base"] },
  nfs4: { src: ["rpc", "xdr", "vfs", "base"] },
  s3: { src: ["base"], packages: ["@aws-sdk/*", "undici", "fast-xml-parser"] },
  cache: { src: ["s3/object-store.ts", "vfs", "base"], packages: ["node:sqlite"] },
  sync: {
    src: [
      ...["cache", "s3/object-store.ts", "handover/export-fence.ts", "probe/abilities.ts"],
      ...["vfs", "base"],
    ],
  },
  filesystem: { src: ["vfs", "cache", "sync", "s3/object-store.ts", "base"] },
  probe: { src: ["s3/object-store.ts", "base"] },
  handover: { src: ["s3/object-store.ts", "base"] },
  supervisor: { src: ["control", "base"] },
  csi: { src: ["control", "kubernetes", "base"], packages: ["@grpc/*"] },
  metrics: { src: ["vfs", "s3/object-store.ts", "base"], packages: ["prom-client"] },
  cli: { src: ["*"], packages: ["@aws-sdk/*"] },
  "main.ts": { src: ["cli"] },
};

/** Modules of Node that only these may import; every other module of Node is free. */
const confined: Readonly<Record<string, readonly string[]>> = {
  "node:fs": [
    "cache",
    "supervisor",
    "control",
    "dev-s3",
    "csi/mounter.ts",
    "csi/file-stage-journal.ts",
    "s3/credentials.ts",
    "kubernetes/api.ts",
    "cli",
  ],
  "node:child_process": ["supervisor", "csi/mounter.ts"],
  "node:sqlite": ["cache"],
  "process.env": ["cli/config.ts"],
};

interface Source {
  /** Below src, with forward slashes. */
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs|c|h|sh|pl)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

const sources: readonly Source[] = filesBelow("src")
  .filter((file) => file.endsWith(".ts") && !file.startsWith("src/csi/gen/"))
  .map((file) => {
    const path = file.slice("src/".length);
    const text = readFileSync(join(root, file), "utf8");
    const found = text.matchAll(/(?:\bfrom|^import|\bimport\()\s*"([^"\n]+)"/gm);
    const imports = [...found].map(([, name = ""]) =>
      name.startsWith(".") ? `src:${join(dirname(path), name)}` : name,
    );
    return { path, folder: path.split("/")[0] ?? path, text, imports };
  });

const matches = (path: string, rule: string) =>
  rule === "*" ||
  path === rule ||
  path.startsWith(`${rule}/`) ||
  (rule.endsWith("/*") && path.startsWith(rule.slice(0, -1)));

const isConfined = (name: string) =>
  Object.keys(confined).find((module) => name === module || name.startsWith(`${module}/`));

function allows(source: Source, name: string): boolean {
  const layer = layers[source.folder];
  if (layer === undefined) return false;
  if (name.startsWith("src:")) {
    const path = name.slice("src:".length);
    return path.split("/")[0] === source.folder || layer.src.some((rule) => matches(path, rule));
  }
  if (!name.startsWith("node:")) return (layer.packages ?? []).some((rule) => matches(name, rule));
  const module = isConfined(name);
  return (
    module === undefined || (confined[module] ?? []).some((rule) => matches(source.path, rule))
  );
}

describe("the layers of src", () => {
  it("have a row for each folder", () => {
    const unknown = new Set(
      sources.map(({ folder }) => folder).filter((name) => !(name in layers)),
    );
    assert.deepEqual([...unknown], []);
  });

  it("import only what their row allows", () => {
    const wrong = sources.flatMap((source) =>
      source.imports
        .filter((name) => !allows(source, name))
        .map((name) => `${source.path} imports ${name}`),
    );
    assert.deepEqual(wrong, []);
  });

  it("do not import each other in a circle", () => {
    const edges = new Map<string, Set<string>>();
    for (const { folder, imports } of sources) {
      const targets = imports.flatMap((name) =>
        name.startsWith("src:") ? [name.slice(4).split("/")[0] ?? ""] : [],
      );
      const known = edges.get(folder) ?? new Set();
      edges.set(folder, new Set([...known, ...targets.filter((target) => target !== folder)]));
    }
    const circle = (folder: string, path: readonly string[]): readonly string[] | undefined => {
      if (path.includes(folder)) return [...path, folder];
      for (const next of edges.get(folder) ?? []) {
        const found = circle(next, [...path, folder]);
        if (found !== undefined) return found;
      }
      return undefined;
    };
    for (const folder of edges.keys()) assert.equal(circle(folder, [])?.join(" → "), undefined);
  });

  it("read the environment in one file", () => {
    const readers = sources
      .filter(({ text }) => /\bprocess\.env\b/.test(text))
      .map(({ path }) => path);
    assert.deepEqual(
      readers.filter((path) => !confined["process.env"]?.includes(path)),
      [],
    );
  });

  it("say of every export what it guarantees", () => {
    const silent = sources.flatMap(({ path, text }) => {
      const lines = text.split("\n");
      return lines.flatMap((line, at) => {
        const [, name] =
          /^export (?:async |abstract |declare )*(?:function\*?|class|const|interface|type) (\w+)/.exec(
            line,
          ) ?? [];
        if (name === undefined || lines[at - 1]?.trimEnd().endsWith("*/")) return [];
        // An overload is documented at the first.
        const before = lines.slice(0, at).join("\n");
        return new RegExp(`\\*/\\nexport (?:async )?function ${name}\\b`).test(before)
          ? []
          : [`${path}: ${name}`];
      });
    });
    assert.deepEqual(silent, []);
  });
});

describe("every file of the repository", () => {
  it("has at most 400 lines, or says why not", () => {
    const long = ["src", "test", "scripts"].flatMap(filesBelow).filter((file) => {
      if (file.startsWith("src/csi/gen/")) return false;
      const text = readFileSync(join(root, file), "utf8");
      return (
        text.split("\n").length > 401 && !/^(?:\/\/|#|\/?\s*\*) Over 400 lines: \S/m.test(text)
      );
    });
    assert.deepEqual(long, []);
  });
});
