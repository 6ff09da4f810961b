import { systemClock } from "../base/clock.ts";
import type { DefaultConnection } from "../csi/volume-spec-of.ts";
import {
  type CredentialsProvider,
  defaultCredentials,
  fileCredentials,
} from "../s3/credentials.ts";
import type { Config } from "./config.ts";

/** The connection `default` as the CSI services take it: without its credentials. */
export function defaultConnection({ connection }: Config): DefaultConnection {
  const { credentialsFile: _, ...rest } = connection;
  return rest;
}

/** The driver's own credentials: the configured file, else what AWS's chain finds around the process. */
export function driverCredentials({ connection }: Config): CredentialsProvider {
  const { credentialsFile } = connection;
  return credentialsFile === undefined
    ? defaultCredentials(systemClock)
    : fileCredentials(credentialsFile, systemClock);
}
