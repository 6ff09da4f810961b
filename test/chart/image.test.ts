import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commands } from "../../src/cli/commands.ts";
import { packageVersion } from "../../src/cli/package-version.ts";
import { root, run } from "./support.ts";

describe("the image's files", () => {
  const folder = mkdtempSync(join(tmpdir(), "s3files-image-"));
  const image = join(folder, "image");
  const inImage = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin"];

  before(async function () {
    this.timeout(60_000);
    const { status, stderr } = await run("scripts/build-image-root.sh", [image]);
    assert.equal(status, 0, stderr);
  });
  after(() => rmSync(folder, { recursive: true }));

  const inside = (...command: readonly string[]) => run("chroot", [image, ...inImage, ...command]);

  it("hold every command, of the version of the package", async () => {
    assert.equal((await inside("s3files", "--version")).stdout, `s3files ${packageVersion()}\n`);
    const helps = Object.keys(commands).map((name) => inside("s3files", name, "--help"));
    for (const { status, stderr } of await Promise.all(helps)) assert.equal(status, 0, stderr);
  });

  it("hold the programs that mount and unmount", async () => {
    for (const name of ["mount", "umount", "sync"]) {
      const { status, stderr } = await inside(name, "--version");
      assert.equal(status, 0, stderr);
    }
    assert.match((await inside("s3files-launcher", "--help")).stdout, /make-namespace/);
  });

  it("hold the licences of the program, of Node and of every bundled package", () => {
    const text = (name: string) => readFileSync(join(image, "usr/share/doc/s3files", name), "utf8");
    assert.match(text("LICENSE"), /Apache License/);
    assert.match(text("LICENSE.node"), /Node\.js/);
    const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      readonly dependencies: Readonly<Record<string, string>>;
    };
    for (const [name, version] of Object.entries(dependencies)) {
      assert.ok(text("LICENSES.third-party").includes(`\n${name} ${version}: `), name);
    }
  });

  it("run the controller as nobody, and end it by a signal to PID 1", async () => {
    const child = spawn(
      "chroot",
      [
        ...["--userspec=65532:65532", image, ...inImage, "tini", "-s", "--", "s3files"],
        ...["controller", "--csi-endpoint", "unix:///tmp/csi.sock"],
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const [line] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
    assert.equal(line, "s3files controller answers at unix:///tmp/csi.sock\n");
    assert.ok(existsSync(join(image, "tmp/csi.sock")));
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });

  it("are what the Dockerfile copies from the checkout, and are let through to it", () => {
    const dockerfile = readFileSync(join(root, "Dockerfile"), "utf8");
    const ignore = readFileSync(join(root, ".dockerignore"), "utf8").split("\n");
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
      ([, names = ""]) => names.split(" "),
    );
    assert.ok(sources.length >= 7);
    for (const name of sources) {
      assert.ok(existsSync(join(root, name)) && ignore.includes(`!${name}`), name);
    }
    assert.ok(dockerfile.includes(`ARG VERSION=${packageVersion()}\n`));
  });
});
