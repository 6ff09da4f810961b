import { hostname } from "node:os";
import { systemClock } from "../base/clock.ts";
import { CsiMetrics } from "../metrics/csi-metrics.ts";
import type { Command } from "./arguments.ts";
import { BucketClients } from "./bucket-operations.ts";
import { clusterEvents } from "./cluster.ts";
import { csiEndpointOption, csiSocketPath, serveCsi } from "./csi-endpoint.ts";
import { driverConnections, driverCredentials } from "./driver-connection.ts";
import { processLog } from "./log.ts";
import { serveMetrics } from "./metrics-endpoint.ts";
import { metricsOption } from "./metrics-option.ts";
import { packageVersion } from "./package-version.ts";

/** `s3files controller`: Identity and Controller services until SIGTERM or SIGINT. It keeps no state. */
export const controllerCommand: Command = {
  usage: "--csi-endpoint unix:///csi/csi.sock",
  options: { ...csiEndpointOption, ...metricsOption },
  notes: `
Store and credentials of volumes whose StorageClass names none: S3FILES_ENDPOINT, S3FILES_REGION,
S3FILES_FORCE_PATH_STYLE, S3FILES_CA_BUNDLE, S3FILES_CREDENTIALS_FILE, or the configuration file's
connections.default; without a credentials file AWS's own chain: AWS_ACCESS_KEY_ID, ~/.aws, roles.`,
  async run(args, config, signal) {
    const path = csiSocketPath(args, config);
    const log = processLog(config, "controller");
    const clients = new BucketClients({
      credentials: (name) => driverCredentials(config, name),
      clock: systemClock,
    });
    const version = packageVersion();
    const metrics = new CsiMetrics({ component: "controller", version });
    await using _endpoint = await serveMetrics(args, metrics, log);
    try {
      await serveCsi(
        {
          identity: { version, isReady: () => Promise.resolve(true) },
          controller: {
            connections: driverConnections(config),
            openBuckets: (connection, credentials) => clients.open(connection, credentials),
            events: clusterEvents(
              config,
              { component: "s3files-controller", host: hostname() },
              log,
            ),
            clock: systemClock,
          },
          observe: metrics.observe,
          log,
        },
        { path, name: "controller", signal },
      );
    } finally {
      clients.close();
    }
    return 0;
  },
};
