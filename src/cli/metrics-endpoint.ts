import type { Log } from "../base/log.ts";
import { MetricsEndpoint, type ShownMetrics } from "../metrics/endpoint.ts";
import { type Arguments, CommandError } from "./arguments.ts";

/** Shows the metrics, and the health where there is `isReady`, where the command line says; nowhere unless it does. @throws {CommandError} */
export async function serveMetrics(
  args: Arguments,
  metrics: ShownMetrics,
  log: Log,
  isReady?: () => boolean,
): Promise<AsyncDisposable> {
  const at = args.address("metrics-listen");
  if (at === undefined) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  try {
    const endpoint = await MetricsEndpoint.open(at, {
      ...{ metrics, log },
      ...(isReady === undefined ? {} : { isReady }),
    });
    log.info("Metrics", { host: at.host, port: endpoint.port });
    return endpoint;
  } catch (cause) {
    throw new CommandError(`Cannot show metrics at ${at.host}:${at.port}`, { cause });
  }
}
