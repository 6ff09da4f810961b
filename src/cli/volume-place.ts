import { existsSync } from "node:fs";
import { systemClock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { readVolumeRecord } from "../control/volume-folder.ts";
import { CsiError } from "../csi/error.ts";
import { parseLocation } from "../csi/volume-id.ts";
import { type Connection, parsePrefix, resolveConnection } from "../csi/volume-spec-of.ts";
import { type CredentialsProvider, fileCredentials } from "../s3/credentials.ts";
import { S3ObjectStore } from "../s3/s3-object-store.ts";
import { volumeDigest, volumePaths } from "../supervisor/volume-paths.ts";
import { type Arguments, CommandError, UsageError } from "./arguments.ts";
import { readCertificates } from "./certificates.ts";
import type { Config } from "./config.ts";
import { driverConnections, driverCredentials } from "./driver-connection.ts";

/** Where a volume is in S3, and with whose keys it is reached. */
export interface VolumePlace {
  /** How to name it to people. */
  readonly what: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly connection: Connection;
  readonly credentials: CredentialsProvider;
}

/** The options of commands that look at a volume's bucket by themselves. */
export const placeOptions = {
  bucket: { value: "BUCKET", help: "a bucket in the place of a volume" },
  prefix: { value: "PREFIX", help: "the volume's prefix in it; default: none" },
  connection: { value: "NAME", help: "connection of the configuration; default: default" },
  "state-dir": {
    value: "DIR",
    help: "the supervisor's state directory; default: /var/lib/s3files",
  },
  "run-dir": { value: "DIR", help: "the supervisor's run directory; default: /run/s3files" },
} as const;

/**
 * The place of the volume that the command line names: one of this node, one whose handle tells its place, or a bucket.
 * @throws {UsageError} {CommandError}
 */
export function volumePlace(args: Arguments, config: Config): VolumePlace {
  const [volumeId] = args.positionals;
  const bucket = args.text("bucket");
  if ((volumeId === undefined) === (bucket === undefined)) {
    throw new UsageError("Name either a volume's handle, or --bucket");
  }
  try {
    return volumeId === undefined
      ? bucketPlace(args, config, bucket ?? "")
      : placeOfVolume(args, config, volumeId);
  } catch (cause) {
    if (cause instanceof CsiError) throw new UsageError(cause.message, { cause });
    throw cause;
  }
}

function bucketPlace(args: Arguments, config: Config, bucket: string): VolumePlace {
  const name = args.text("connection");
  return {
    ...{ what: `Bucket ${bucket}`, bucket, prefix: parsePrefix(args.text("prefix") ?? "") },
    connection: resolveConnection(
      name === undefined ? {} : { connectionName: name },
      driverConnections(config),
    ),
    credentials: ofDriver(config, name),
  };
}

function placeOfVolume(args: Arguments, config: Config, volumeId: string): VolumePlace {
  const paths = volumePaths(
    {
      runDir: args.text("run-dir") ?? config.runDirectory,
      stateDir: args.text("state-dir") ?? config.stateDirectory,
    },
    volumeDigest(volumeId),
  );
  const what = `Volume ${volumeId}`;
  const spec = readVolumeRecord(paths.folder)?.spec;
  if (spec !== undefined) {
    const { bucket, prefix, connectionName } = spec;
    const isOwn = existsSync(paths.credentials);
    const credentials = isOwn
      ? fileCredentials(paths.credentials, systemClock)
      : ofDriver(config, connectionName);
    return { what, bucket, prefix, connection: spec, credentials };
  }
  const location = parseLocation(volumeId);
  if (location === undefined) {
    throw new CommandError(
      `${what} is not known on this node, and its handle does not tell its bucket: name --bucket`,
    );
  }
  const { bucket, prefix } = location;
  const connection = resolveConnection(location.connection, driverConnections(config));
  return {
    what,
    bucket,
    prefix,
    connection,
    credentials: ofDriver(config, connection.connectionName),
  };
}

function ofDriver(config: Config, name: string | undefined): CredentialsProvider {
  const credentials = driverCredentials(config, name);
  if (credentials !== undefined) return credentials;
  throw new UsageError(`The configuration has no connection '${name}'`);
}

/** The bucket of a place; to be closed. */
export function openStore(
  { bucket, connection, credentials }: VolumePlace,
  log: Log,
): S3ObjectStore {
  const { endpoint, region, forcePathStyle, caBundle } = connection;
  return new S3ObjectStore(
    {
      ...{ bucket, region, forcePathStyle, maxAttempts: 2 },
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(caBundle === undefined ? {} : { caBundle: readCertificates(caBundle) }),
    },
    { credentials, clock: systemClock, log },
  );
}
