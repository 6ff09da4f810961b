import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { newClient } from "../contract/s3-api-case.ts";
import { runCommandLine, startCommandLine, startDevS3Process } from "../support/command.ts";

describe("The command s3files", function () {
  this.timeout(60_000);

  it("explains itself and its commands", async () => {
    const all = await runCommandLine(["--help"]);
    assert.equal(all.status, 0);
    assert.match(all.stdout, /^ {2}controller {2,}CSI controller/m);
    const one = await runCommandLine(["dev-s3", "--help"]);
    assert.equal(one.status, 0, one.stderr);
    assert.match(one.stdout, /^Usage: s3files dev-s3/m);
  });

  it("says in one line what is wrong with how it was called, and exits with 2", async () => {
    for (const [args, message] of [
      [["contrller"], /unknown command 'contrller'; did you mean 'controller'/],
      [["dev-s3", "--listen", "nowhere"], /^s3files dev-s3: --listen: 'nowhere' is not HOST:PORT/],
      [["dev-s3", "--config", "/nonexistent"], /\/nonexistent cannot be read: ENOENT/],
    ] as const) {
      const result = await runCommandLine(args);
      assert.equal(result.status, 2, result.stderr);
      assert.match(result.stderr, message);
      assert.ok(!/^\s+at /m.test(result.stderr), "no stack");
    }
  });
});

describe("The command dev-s3", function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "s3files-dev-s3-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("says how it is reached and ends cleanly on SIGTERM and SIGINT", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      await using server = await startCommandLine([
        "dev-s3",
        "--bucket",
        "first",
        "--access-key",
        "AK",
      ]);
      assert.match(server.ready, /^dev-s3 answers at http:\/\/127\.0\.0\.1:\d+, access key AK, /);
      const ended = await server.end(signal);
      assert.equal(ended.status, 0, ended.stderr);
      assert.equal(ended.stderr, "");
    }
  });

  it("keeps a folder over its restarts, and is alone on it", async () => {
    const args = ["--directory", folder, "--bucket", "kept"];
    {
      await using server = await startDevS3Process(...args);
      using client = closing(newClient(server));
      await client.s3.send(new PutObjectCommand({ Bucket: "kept", Key: "a", Body: "bytes" }));
      const second = await runCommandLine(["dev-s3", ...args]);
      assert.equal(second.status, 1);
      assert.match(second.stderr, /cannot start: Folder .* is in use by another process/);
    }
    await using server = await startDevS3Process(...args);
    using client = closing(newClient(server));
    const got = await client.s3.send(new GetObjectCommand({ Bucket: "kept", Key: "a" }));
    assert.equal(await got.Body?.transformToString(), "bytes");
  });

  it("leaves the old object or the new one, whole, when it is killed in the middle of a put", async () => {
    const args = ["--directory", folder, "--bucket", "kept"];
    const contents = new Map<number, Buffer>();
    let acknowledged = -1;
    for (let round = 0; round < 5; round++) {
      const server = await startDevS3Process(...args);
      using client = closing(newClient(server));
      const found = await readBack(client.s3);
      if (found === undefined) assert.equal(acknowledged, -1);
      else {
        const version = found.readUInt32BE(0);
        assert.ok(version >= acknowledged, `version ${version} after ${acknowledged}`);
        assert.ok(contents.get(version)?.equals(found), `version ${version} is damaged`);
      }
      // Killed after some puts, while the next one is under way.
      for (let put = 0; put <= round; put++) {
        const version = contents.size;
        const body = randomBytes(1_000_000 + version);
        body.writeUInt32BE(version, 0);
        contents.set(version, body);
        const putting = client.s3.send(
          new PutObjectCommand({ Bucket: "kept", Key: "a", Body: body }),
        );
        if (put === round) {
          const settled = Promise.allSettled([putting]);
          await turns(round * 3);
          await server.process.end("SIGKILL");
          const [outcome] = await settled;
          if (outcome?.status === "fulfilled") acknowledged = version;
        } else {
          await putting;
          acknowledged = version;
        }
      }
    }
    await using server = await startDevS3Process(...args);
    using client = closing(newClient(server));
    const found = await readBack(client.s3);
    assert.ok(found !== undefined && contents.get(found.readUInt32BE(0))?.equals(found));
    assert.deepEqual(await readdir(join(folder, "temporary")), []);
  });
});

/** Lets the event loop turn so many times. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

function closing(s3: S3Client): { readonly s3: S3Client } & Disposable {
  return { s3, [Symbol.dispose]: () => s3.destroy() };
}

async function readBack(s3: S3Client): Promise<Buffer | undefined> {
  try {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: "kept", Key: "a" }));
    return Body === undefined ? undefined : Buffer.from(await Body.transformToByteArray());
  } catch (error) {
    if ((error as Error).name === "NoSuchKey") return undefined;
    throw error;
  }
}
