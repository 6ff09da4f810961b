import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { requireProgram } from "../../support/guest.ts";
import { projectDir } from "../../support/uml.ts";
import { writeImage, writeProgramImage } from "./image.ts";
import { places } from "./places.ts";

/** Name of the driver's image, as the chart's default values give it. */
export const driverImage = "docker.io/library/s3files-csi-driver:0.1.0";
/** A shell with the usual programs, for the pods of tests and examples. */
export const shellImage = "docker.io/library/busybox:1.37";
/** What the External Storage suite calls the same, and its helper. */
const suiteShell = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1";
const suiteAgnhost = "registry.k8s.io/e2e-test-images/agnhost:2.63.0";

/** Version of the image that the driver is rolled to and back from. */
const otherVersion = "0.1.1-other";

const driverConfig = {
  entrypoint: ["/usr/bin/tini", "--", "/usr/local/bin/s3files"],
  user: "65532:65532",
  env: ["NODE_ENV=production"],
} as const;

const sidecars = {
  "registry.k8s.io/sig-storage/csi-provisioner:v6.3.0": "csi-provisioner",
  "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.17.0": "registrar",
  "registry.k8s.io/sig-storage/livenessprobe:v2.19.0": "livenessprobe",
};

/**
 * Makes the archives of all images in `places.images`, under the names that the chart asks for, so that nothing in its
 * manifests has to be changed; those that are newer than what they are made of are kept.
 */
export async function makeImages(): Promise<void> {
  mkdirSync(places.images, { recursive: true });
  for (const [name, program] of Object.entries(sidecars)) {
    const archive = archivePath(program);
    const from = join(places.bin, program);
    if (!isNewer(archive, from)) await writeProgramImage(archive, name, from);
  }
  await makePause();
  await makeShell();
  await makeAgnhost();
  await makeDriver(archivePath("s3files"), driverImage);
}

function archivePath(name: string): string {
  return join(places.images, `${name}.tar`);
}

function isNewer(archive: string, than: string): boolean {
  return existsSync(archive) && statSync(archive).mtimeMs > statSync(than).mtimeMs;
}

async function makePause(): Promise<void> {
  const source = join(places.harness, "pause.c");
  const archive = archivePath("pause");
  if (isNewer(archive, source)) return;
  const program = join(places.images, "pause");
  compile("pause.c", program);
  await writeProgramImage(archive, "registry.k8s.io/pause:3.10", program);
  rmSync(program);
}

function compile(source: string, program: string): void {
  const from = join(places.harness, source);
  execFileSync(requireProgram("gcc", "gcc"), ["-Os", "-Wall", "-static", "-o", program, from]);
}

async function makeShell(): Promise<void> {
  const program = requireProgram("busybox", "busybox-static");
  const archive = archivePath("busybox");
  if (isNewer(archive, program)) return;
  await withShell(archive, program, (folder) =>
    writeImage(archive, { names: [shellImage, suiteShell], layers: [{ folder }], entrypoint: [] }),
  );
}

/** The image of the External Storage suite's helpers, where its program has been built: they talk to it or to a shell. */
async function makeAgnhost(): Promise<void> {
  const program = join(projectDir, "build/external/agnhost");
  const archive = archivePath("agnhost");
  if (!existsSync(program) || isNewer(archive, program)) return;
  await withShell(archive, requireProgram("busybox", "busybox-static"), async (folder) => {
    copyFileSync(program, join(folder, "agnhost"));
    chmodSync(join(folder, "agnhost"), 0o755);
    await writeImage(archive, {
      names: [suiteAgnhost],
      layers: [{ folder }],
      entrypoint: ["/agnhost"],
    });
  });
}

/** Lends a folder with busybox under all its names. */
async function withShell(
  archive: string,
  program: string,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(`${archive}.root.`);
  try {
    for (const name of ["bin", "dev", "proc", "sys", "tmp", "etc"]) mkdirSync(join(folder, name));
    chmodSync(join(folder, "tmp"), 0o1777);
    copyFileSync(program, join(folder, "bin/busybox"));
    const applets = execFileSync(program, ["--list"], { encoding: "utf8" }).trim().split("\n");
    for (const applet of applets.filter((name) => name !== "busybox")) {
      symlinkSync("busybox", join(folder, "bin", applet));
    }
    // Debian's busybox has no lock command; the others have.
    if (!applets.includes("flock")) compile("flock.c", join(folder, "bin/flock"));
    writeFileSync(join(folder, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\n");
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Makes the driver's image from what is built in this checkout: a layer with Node and the programs that the driver runs,
 * and a small one with the driver, so that another version of it is imported in a moment.
 */
export async function makeDriver(archive: string, name: string): Promise<void> {
  const main = join(projectDir, "dist/main.js");
  if (isNewer(archive, main) && isNewer(archive, join(projectDir, "build/bin/s3files-launcher"))) {
    return;
  }
  const folder = join(places.root, "driver-root");
  execFileSync(join(places.scripts, "build-image-root.sh"), [folder], { stdio: "inherit" });
  await writeImage(archive, {
    names: [name],
    layers: [
      { folder, without: "opt/s3files" },
      { folder, only: "opt/s3files" },
    ],
    ...driverConfig,
  });
}

/**
 * Makes an archive of the driver with another version in its package.json, beside those of the nodes' disk: nodes take
 * it when a test rolls the driver.
 */
export async function makeOtherVersion(): Promise<{
  readonly name: string;
  readonly archive: string;
}> {
  const folder = join(places.root, "driver-root");
  const other = join(places.root, "driver-other");
  const archive = join(places.root, "s3files-other.tar");
  const at = "opt/s3files/package.json";
  rmSync(other, { recursive: true, force: true });
  cpSync(join(folder, "opt"), join(other, "opt"), { recursive: true });
  const about = JSON.parse(readFileSync(join(other, at), "utf8")) as object;
  writeFileSync(join(other, at), JSON.stringify({ ...about, version: otherVersion }));
  const name = driverImage.replace(/:[^:]*$/, `:${otherVersion}`);
  await writeImage(archive, {
    names: [name],
    layers: [
      { folder, without: "opt/s3files" },
      { folder: other, only: "opt/s3files" },
    ],
    ...driverConfig,
  });
  return { name, archive };
}

/** Makes the disk that nodes begin with, unless it is newer than all images. */
export function makeNodeDisk(): void {
  const archives = readdirSync(places.images).filter((name) => name.endsWith(".tar"));
  const made = join(places.root, "node.ext4.images");
  const state = archives
    .map((name) => `${name} ${statSync(join(places.images, name)).mtimeMs}\n`)
    .join("");
  if (existsSync(places.disk) && existsSync(made) && readFileSync(made, "utf8") === state) return;
  execFileSync(join(places.harness, "node-disk.sh"), [places.images, places.disk], {
    stdio: "inherit",
  });
  writeFileSync(made, state);
}
