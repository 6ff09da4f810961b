import { systemClock } from "../base/clock.ts";
import { BucketError } from "../csi/bucket-operations.ts";
import { CsiError } from "../csi/error.ts";
import { parseLocation } from "../csi/volume-id.ts";
import { parsePrefix, resolveConnection } from "../csi/volume-spec-of.ts";
import {
  describeNodeRecord,
  nodeOfKey,
  nodeRecordKey,
  nodeRecordsPrefix,
  parseNodeRecord,
} from "../handover/node-record.ts";
import { type Arguments, type Command, CommandError, UsageError } from "./arguments.ts";
import { BucketClients } from "./bucket-operations.ts";
import type { Config } from "./config.ts";
import { driverConnections, driverCredentials } from "./driver-connection.ts";

/** `s3files release`: takes a volume from a node that will not come back, so that another one may have it. */
export const releaseCommand: Command = {
  usage: "VOLUME | --bucket BUCKET [--prefix PREFIX]  [--node NODE]",
  positionals: { least: 0, most: 1 },
  options: {
    bucket: { value: "BUCKET", help: "the bucket of a volume whose handle does not tell it" },
    prefix: { value: "PREFIX", help: "the volume's prefix in it; default: none" },
    connection: { value: "NAME", help: "connection of the configuration; default: default" },
    node: { value: "NODE", help: "the node to take it from; without it the nodes are listed" },
  },
  notes: `
What the node has and S3 does not stays on the node's disk; a volume server that still runs there exports nothing onto
the volume's paths any more. Needs the driver's credentials for the volume's bucket, as the controller has them.
`,
  async run(args, config, signal) {
    const { bucket, prefix, connection, what } = place(args, config);
    const clients = new BucketClients({
      credentials: (name) => driverCredentials(config, name),
      clock: systemClock,
    });
    const node = args.text("node");
    try {
      const store = clients.open(connection, undefined);
      const page = { bucket, prefix: nodeRecordsPrefix(prefix), after: "", most: 1_000 };
      const records = new Map<string, string>();
      for (const key of await store.listKeys(page, signal)) {
        const name = nodeOfKey(prefix, key);
        if (name === undefined) continue;
        const read = await store.readDocument(bucket, key, signal);
        if (read.kind !== "found") continue;
        const nowMs = Number(systemClock.nowNs() / 1_000_000n);
        records.set(name, describeNodeRecord(parseNodeRecord(name, read.text), nowMs));
      }
      if (node === undefined) {
        const lines = records.size === 0 ? ["on no node"] : [...records.values()];
        process.stdout.write(lines.map((line) => `${what}: ${line}\n`).join(""));
        return 0;
      }
      const record = records.get(node);
      if (record === undefined) throw new CommandError(`${what} is not on node '${node}'`);
      await store.empty(bucket, { prefix: nodeRecordKey(prefix, node) }, signal);
      process.stdout.write(`${what}: taken from ${record}\n`);
      return 0;
    } catch (cause) {
      if (cause instanceof BucketError) throw new CommandError(cause.message, { cause });
      throw cause;
    } finally {
      clients.close();
    }
  },
};

function place(args: Arguments, config: Config) {
  const [volumeId] = args.positionals;
  const bucket = args.text("bucket");
  const location = volumeId === undefined ? undefined : parseLocation(volumeId);
  const connectionName = args.text("connection");
  try {
    if (bucket !== undefined && volumeId === undefined) {
      const own = connectionName === undefined ? {} : { connectionName };
      return {
        bucket,
        prefix: parsePrefix(args.text("prefix") ?? ""),
        connection: resolveConnection(own, driverConnections(config)),
        what: `Bucket ${bucket}`,
      };
    }
    if (bucket === undefined && location !== undefined) {
      return {
        bucket: location.bucket,
        prefix: location.prefix,
        connection: resolveConnection(location.connection, driverConnections(config)),
        what: `Volume ${volumeId}`,
      };
    }
  } catch (cause) {
    if (cause instanceof CsiError) throw new UsageError(cause.message, { cause });
    throw cause;
  }
  throw new UsageError("Name either a volume's handle that this driver made, or --bucket");
}
