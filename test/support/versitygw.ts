import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { S3Server } from "../contract/s3-api-case.ts";

const binary = fileURLToPath(new URL("../../build/bin/versitygw", import.meta.url));
const account = { accessKeyId: "test", secretAccessKey: "testtest1", region: "us-east-1" };

/** versitygw does not say which port it got, so one that is free now is given to it. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false; // Not listening yet: asked again.
  } finally {
    socket.destroy();
  }
}

async function stop(child: ChildProcess, directory: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
  await rm(directory, { recursive: true });
}

/** Starts an independent S3 server with no buckets, in a temporary folder. Rejects when it is not installed. */
export async function startVersitygw(): Promise<S3Server & AsyncDisposable> {
  await access(binary).catch((cause: unknown) => {
    throw new Error("versitygw is missing: run scripts/install-versitygw.sh", { cause });
  });
  const directory = await mkdtemp(join(tmpdir(), "versitygw-"));
  const [data, versions] = [join(directory, "data"), join(directory, "versions")];
  await mkdir(data);
  await mkdir(versions);
  const port = await freePort();
  const { accessKeyId, secretAccessKey } = account;
  const child = spawn(
    binary,
    [
      ...["--port", `127.0.0.1:${port}`, "--access", accessKeyId, "--secret", secretAccessKey],
      ...["--virtual-domain", `localhost:${port}`, "--keep-alive", "--quiet"],
      ...["posix", "--versioning-dir", versions, data],
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  for (const deadline = Date.now() + 15_000; !(await answers(port)); await delay(50)) {
    if (child.exitCode === null && Date.now() < deadline) continue;
    await stop(child, directory);
    assert.fail("versitygw did not start");
  }
  return {
    ...account,
    endpoint: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => stop(child, directory),
  };
}
