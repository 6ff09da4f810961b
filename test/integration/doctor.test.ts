import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Diagnosis, DoctorCheck } from "../../src/cli/doctor-checks.ts";
import { type DevS3, type DevS3Options, startDevS3 } from "../../src/dev-s3/server.ts";
import { objectKey } from "../../src/s3/object-store.ts";
import { S3ObjectStore } from "../../src/s3/s3-object-store.ts";
import { runCommandLine } from "../support/command.ts";

describe("s3files doctor", function () {
  this.timeout(60_000);
  let server: DevS3;
  let folder: string;

  const begin = async (options: DevS3Options = {}): Promise<void> => {
    server = await startDevS3({ buckets: ["data"], ...options });
  };
  const keep = async (name: string, value: object): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, JSON.stringify(value));
    return path;
  };
  const run = async (command: string, args: readonly string[], keys?: object) => {
    const { accessKeyId, secretAccessKey, endpoint } = server;
    const own = keys ?? { accessKeyId, secretAccessKey };
    const credentialsFile = await keep("credentials.json", own);
    const connections = { default: { endpoint, credentialsFile } };
    const config = await keep("config.json", { format: 1, connections });
    return runCommandLine([command, "--config", config, ...args]);
  };
  const diagnosed = async (args: readonly string[], keys?: object) => {
    const { status, stdout, stderr } = await run("doctor", [...args, "--json"], keys);
    assert.match(stdout, /^\{/, stderr);
    const { checks, ...rest } = JSON.parse(stdout) as Diagnosis & { bucket: string };
    const failing = checks.filter((check) => check.status !== "ok");
    return { status, checks, failing, ...rest };
  };
  const named = (checks: readonly DoctorCheck[], name: string): DoctorCheck =>
    checks.find((check) => check.name === name) ?? assert.fail(`no check ${name}`);
  const keysIn = async (): Promise<string[]> => {
    const { accessKeyId, secretAccessKey, endpoint, region } = server;
    const store = new S3ObjectStore(
      { bucket: "data", endpoint, region, forcePathStyle: true },
      {
        credentials: () => Promise.resolve({ accessKeyId, secretAccessKey }),
        ...{ clock: systemClock, log: silentLog },
      },
    );
    try {
      for (const key of ["a//b", "x", "x/y", "x-1", "./c", "ok", "dir/", `${"n".repeat(256)}/d`]) {
        await store.put(objectKey(key), { sizeBytes: 0, chunks: [] }, { metadata: {} }, "any");
      }
      const { objects } = await store.list({ prefix: "" });
      return objects.map(({ key }) => key);
    } finally {
      await store.close();
    }
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "s3files-doctor-"));
  });
  afterEach(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  it("finds nothing wrong with a store that does all that AWS does, for people and for programs", async () => {
    await begin();
    const { status, failing, abilities, bucket } = await diagnosed(["--bucket", "data"]);
    assert.deepEqual([status, failing, bucket], [0, [], "data"]);
    assert.ok(Object.values(abilities ?? {}).every((outcome) => outcome === "honoured"));
    const { stdout } = await run("doctor", ["--bucket", "data", "--prefix", "p/"]);
    assert.match(stdout, /^Bucket data: s3:\/\/data\/p\/ at http/);
    assert.match(stdout, /^OK {7}permission s3:DeleteObject +granted$/m);
    assert.match(stdout, /^\d+ ok, 0 warnings, 0 failed$/m);
    const requests = server.counters.requests;
    await diagnosed(["--bucket", "data", "--read-only"]);
    assert.equal(server.counters.requests["PutObject"], requests["PutObject"]);
  });

  it("names a missing ability with what is done instead", async () => {
    await begin({ gaps: ["delete-if-match", "copy-if-match"] });
    const { status, failing } = await diagnosed(["--bucket", "data"]);
    assert.equal(status, 0);
    assert.equal(failing.length, 1);
    assert.equal(failing[0]?.name, "DELETE with If-Match");
    assert.match(failing[0]?.detail ?? "", /^ignored; instead: a HEAD right before each DELETE;/);
  });

  it("tells wrong keys, a missing bucket, a permission that lacks and a clock that is off apart, each with a cure", async () => {
    await begin();
    const wrong = await diagnosed(["--bucket", "data"], {
      ...{ accessKeyId: server.accessKeyId, secretAccessKey: "wrong" },
    });
    assert.equal(wrong.status, 1);
    assert.match(named(wrong.checks, "bucket").fix ?? "", /its secret wrong/);
    const missing = await diagnosed(["--bucket", "absent"]);
    assert.match(named(missing.checks, "bucket").fix ?? "", /make the bucket/);
    const fault = server.faults.add({
      ...{ operation: "DeleteObject", key: /probe\/doctor-[^/]*$/ },
      action: { kind: "status", status: 403, code: "AccessDenied" },
    });
    const denied = await diagnosed(["--bucket", "data"]);
    fault.remove();
    assert.equal(denied.status, 1);
    assert.match(
      named(denied.checks, "permission s3:DeleteObject").fix ?? "",
      /^grant s3:DeleteObject on /,
    );
    await server.close();
    const late = { ...systemClock, nowNs: () => systemClock.nowNs() + 120_000_000_000n };
    await begin({ clock: late });
    const clock = named((await diagnosed(["--bucket", "data"])).checks, "clock");
    assert.equal(clock.status, "warning");
    assert.match(clock.detail, /^the store's clock is 1[12]\d s ahead of ours$/);
    assert.match(clock.fix ?? "", /^synchronise this host's clock/);
  });

  it("counts the keys that do not show, and `s3files unmappable` lists them with the reason", async () => {
    await begin();
    await keysIn();
    const { checks } = await diagnosed(["--bucket", "data"]);
    assert.match(named(checks, "unmappable keys").detail, /^4 in all 8 keys, such as "\.\/c"/);
    const { status, stdout } = await run("unmappable", ["--bucket", "data", "--json"]);
    assert.equal(status, 1);
    const { first } = JSON.parse(stdout) as { first: { key: string; reason: string }[] };
    assert.deepEqual(
      first.map(({ key, reason }) => [key.slice(0, 4), reason]),
      [
        ["./c", "it has the part '.'"],
        ["a//b", "it has an empty part ('//')"],
        ["nnnn", "it has a part of more than 255 bytes"],
        ["x", "there are keys below it: the directory shows"],
      ],
    );
    const text = await run("unmappable", ["--bucket", "data", "--prefix", "x/"]);
    assert.deepEqual([text.status, text.stdout], [0, "Bucket data: 0 of 1 keys do not show\n"]);
  });

  it("is called with a volume or a bucket, not with neither", async () => {
    await begin();
    const { status, stderr } = await run("doctor", []);
    assert.equal(status, 2);
    assert.match(stderr, /Name either a volume's handle, or --bucket/);
  });
});
