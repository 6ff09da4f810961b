import { type Gap, parseGaps } from "../dev-s3/gaps.ts";
import { startDevS3 } from "../dev-s3/server.ts";
import { type Command, CommandError, UsageError } from "./arguments.ts";
import { processLog } from "./log.ts";
import { aborted } from "./shutdown.ts";

function gapsOf(names: readonly string[]): readonly Gap[] {
  try {
    return [...parseGaps(names)];
  } catch (cause) {
    if (cause instanceof RangeError) throw new UsageError(cause.message, { cause });
    throw cause;
  }
}

const most = Number.MAX_SAFE_INTEGER;

/** `s3files dev-s3`: prints one line when it answers, and serves until SIGTERM or SIGINT. */
export const devS3Command: Command = {
  usage: "[--listen HOST:PORT] [--directory DIR] [--bucket NAME]… [options]",
  options: {
    listen: { value: "HOST:PORT", help: "default: 127.0.0.1 and a free port" },
    directory: { value: "DIR", help: "keep everything in this folder; default: in memory" },
    bucket: { value: "NAME", repeated: true, help: "a bucket to make, unless it exists" },
    "access-key": { value: "ID", help: "default: dev-s3-access-key" },
    "secret-key": { value: "KEY", help: "default: dev-s3-secret-key" },
    region: { value: "NAME", help: "default: us-east-1" },
    domain: { value: "HOST", help: "host below which buckets are host names; default: localhost" },
    "latency-ms": { value: "N", help: "wait before each answer" },
    "bandwidth-bytes-per-second": { value: "N", help: "of each connection, each way" },
    "restore-delay-ms": { value: "N", help: "how long RestoreObject takes; default: 0" },
    gap: { value: "NAME", repeated: true, help: "what other servers lack; see src/dev-s3/gaps.ts" },
    json: { help: "print the ready line as JSON" },
  },
  notes: `
Prints one line when it answers: the endpoint and the keys. Faults, shaping and counters are driven from this
machine at <endpoint>/_dev-s3/…, see src/dev-s3/README.md.`,
  async run(args, config, signal) {
    const listen = args.address("listen");
    const directory = args.text("directory");
    const accessKeyId = args.text("access-key");
    const secretAccessKey = args.text("secret-key");
    const region = args.text("region");
    const domain = args.text("domain");
    const bandwidth = args.integer("bandwidth-bytes-per-second", { least: 1, most });
    await using server = await startDevS3({
      ...(listen === undefined ? {} : { listen }),
      ...(directory === undefined ? {} : { directory }),
      ...(accessKeyId === undefined ? {} : { accessKeyId }),
      ...(secretAccessKey === undefined ? {} : { secretAccessKey }),
      ...(region === undefined ? {} : { region }),
      ...(domain === undefined ? {} : { domain }),
      ...(bandwidth === undefined ? {} : { bandwidthBytesPerSecond: bandwidth }),
      latencyMs: args.integer("latency-ms", { least: 0, most: 3_600_000 }) ?? 0,
      restoreDelayMs: args.integer("restore-delay-ms", { least: 0, most }) ?? 0,
      gaps: gapsOf(args.list("gap")),
      buckets: args.list("bucket"),
      log: processLog(config, "dev-s3"),
    }).catch((cause: unknown) => {
      throw new CommandError("The server cannot start", { cause });
    });
    const ready = {
      endpoint: server.endpoint,
      accessKeyId: server.accessKeyId,
      secretAccessKey: server.secretAccessKey,
      region: server.region,
    };
    const line = args.flag("json")
      ? JSON.stringify({ ...ready, pid: process.pid })
      : `dev-s3 answers at ${ready.endpoint}, access key ${ready.accessKeyId}, secret key ${ready.secretAccessKey}, region ${ready.region}`;
    process.stdout.write(`${line}\n`);
    await aborted(signal);
    return 0;
  },
};
