import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";

/** A part of an image: the files of a folder, or those of it below `only`, or all but those below `without`. */
export interface ImageLayer {
  readonly folder: string;
  readonly only?: string;
  readonly without?: string;
}

/** What a container image is made of. */
export interface ImageOptions {
  /** Full names, as containerd knows images: `docker.io/library/busybox:1.37`. */
  readonly names: readonly string[];
  readonly layers: readonly ImageLayer[];
  readonly entrypoint?: readonly string[];
  /** As in a Dockerfile. */
  readonly user?: string;
  readonly env?: readonly string[];
}

const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Writes an image as an archive that `ctr images import` takes, in the format of `docker save`, without Docker. Equal
 * files give an equal archive.
 */
export async function writeImage(archive: string, options: ImageOptions): Promise<void> {
  mkdirSync(dirname(archive), { recursive: true });
  const work = mkdtempSync(`${archive}.`);
  try {
    const layers: string[] = [];
    for (const layer of options.layers) layers.push(await writeLayer(work, layer));
    const config = JSON.stringify({
      architecture: { x64: "amd64" }[process.arch as string] ?? process.arch,
      os: "linux",
      created: "1970-01-01T00:00:00Z",
      config: {
        ...(options.entrypoint === undefined ? {} : { Entrypoint: options.entrypoint }),
        ...(options.user === undefined ? {} : { User: options.user }),
        Env: [path, ...(options.env ?? [])],
        WorkingDir: "/",
      },
      rootfs: { type: "layers", diff_ids: layers.map((digest) => `sha256:${digest}`) },
      history: layers.map(() => ({ created: "1970-01-01T00:00:00Z" })),
    });
    const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
    writeFileSync(join(work, configName), config);
    const manifest = {
      Config: configName,
      RepoTags: options.names,
      Layers: layers.map((digest) => `${digest}.tar`),
    };
    writeFileSync(join(work, "manifest.json"), JSON.stringify([manifest]));
    const partial = `${archive}.partial`;
    tar(partial, work, ["manifest.json", configName, ...manifest.Layers]);
    renameSync(partial, archive);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function writeLayer(work: string, layer: ImageLayer): Promise<string> {
  const file = join(work, "layer");
  const without = layer.without === undefined ? [] : [`--exclude=./${layer.without}`];
  tar(file, layer.folder, [...without, layer.only === undefined ? "." : `./${layer.only}`]);
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const digest = hash.digest("hex");
  renameSync(file, join(work, `${digest}.tar`));
  return digest;
}

function tar(archive: string, folder: string, what: readonly string[]): void {
  const same = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"];
  execFileSync("tar", ["--format=gnu", ...same, "-C", folder, "-cf", archive, ...what]);
}

/** An image whose only file is one static program. */
export async function writeProgramImage(
  archive: string,
  name: string,
  program: string,
): Promise<void> {
  const folder = mkdtempSync(`${archive}.root.`);
  try {
    copyFileSync(program, join(folder, "program"));
    await writeImage(archive, {
      names: [name],
      layers: [{ folder }],
      entrypoint: ["/program"],
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
