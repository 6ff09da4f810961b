import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Log } from "../base/log.ts";

/** What an endpoint shows. */
export interface ShownMetrics {
  readonly contentType: string;
  text(): Promise<string>;
}

/**
 * `GET /metrics` over HTTP, for Prometheus; where the process can be ready or not also `/healthz`, 200 while its event
 * loop turns, and `/readyz`, 200 or 503. Nothing else is answered, and nothing is changed by asking.
 */
export class MetricsEndpoint {
  readonly #server: Server;

  private constructor(metrics: ShownMetrics, log: Log, isReady: (() => boolean) | undefined) {
    this.#server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://metrics");
      if (isReady !== undefined && (pathname === "/healthz" || pathname === "/readyz")) {
        const isGood = pathname === "/healthz" || isReady();
        const text = isGood ? "ok\n" : "not ready\n";
        response.writeHead(isGood ? 200 : 503, { "content-type": "text/plain" }).end(text);
        return;
      }
      if (request.method !== "GET" || pathname !== "/metrics") {
        response.writeHead(pathname === "/metrics" ? 405 : 404).end();
        return;
      }
      metrics.text().then(
        (text) => response.writeHead(200, { "content-type": metrics.contentType }).end(text),
        (error: unknown) => {
          log.error("Metrics cannot be read", { error });
          response.writeHead(500).end();
        },
      );
    });
  }

  /** Listens. Rejects when the address cannot be bound. */
  static async open(
    at: { readonly host: string; readonly port: number },
    dependencies: {
      readonly metrics: ShownMetrics;
      readonly log: Log;
      readonly isReady?: () => boolean;
    },
  ): Promise<MetricsEndpoint> {
    const endpoint = new MetricsEndpoint(
      dependencies.metrics,
      dependencies.log,
      dependencies.isReady,
    );
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    endpoint.#server.once("error", reject);
    endpoint.#server.listen(at.port, at.host, resolve);
    await promise;
    endpoint.#server.off("error", reject);
    return endpoint;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends it with the connections that are idle. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}
