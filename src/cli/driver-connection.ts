import { systemClock } from "../base/clock.ts";
import type { Connections } from "../csi/volume-spec-of.ts";
import {
  type CredentialsProvider,
  defaultCredentials,
  fileCredentials,
} from "../s3/credentials.ts";
import type { Config } from "./config.ts";

/** The connections as the CSI services take them: without their credentials. */
export function driverConnections({ connections }: Config): Connections {
  const bare = Object.entries(connections).map(([name, { credentialsFile: _, ...rest }]) => [
    name,
    rest,
  ]);
  return Object.fromEntries(bare) as Connections;
}

/**
 * The driver's own credentials for a connection: its configured file, else what AWS's chain finds around the process.
 * Undefined when the configuration has no connection of that name.
 */
export function driverCredentials(
  { connections }: Config,
  name = "default",
): CredentialsProvider | undefined {
  const connection = Object.hasOwn(connections, name) ? connections[name] : undefined;
  if (connection === undefined) return undefined;
  const { credentialsFile } = connection;
  return credentialsFile === undefined
    ? defaultCredentials(systemClock)
    : fileCredentials(credentialsFile, systemClock);
}
