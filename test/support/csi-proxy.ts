import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadCsi } from "../../src/csi/proto.ts";

const asIs = (bytes: Buffer) => bytes;

/** The services whose calls pass through; the messages stay bytes. */
function rawServices(): ServiceDefinition[] {
  const csi = loadCsi();
  return [csi.Identity, csi.Controller, csi.Node, csi.GroupController].map(({ service }) =>
    Object.fromEntries(
      Object.entries(service as ServiceDefinition).map(([name, method]) => [
        name,
        {
          ...method,
          requestDeserialize: asIs,
          requestSerialize: asIs,
          responseSerialize: asIs,
          responseDeserialize: asIs,
        },
      ]),
    ),
  );
}

/**
 * Passes every unary CSI call on to the socket that `target` names, on a connection of its own, and tells `after` of
 * its end before the caller hears of it: there a test restarts what lies behind.
 */
export class CsiProxy implements AsyncDisposable {
  readonly #server = new Server();

  private constructor(
    target: () => string,
    after: (rpc: string, failed: boolean) => Promise<void>,
  ) {
    for (const service of rawServices()) {
      const methods = Object.entries(service).map(([name, { path }]) => [
        name,
        (
          call: { request: Buffer },
          callback: (error: ServiceError | null, answer?: Buffer) => void,
        ) => {
          const client = new Client(`unix:${target()}`, credentials.createInsecure(), {
            "grpc.default_authority": "localhost",
          });
          const deadline = { deadline: Date.now() + 120_000 };
          const done = (error: ServiceError | null, answer?: Buffer) => {
            client.close();
            void after(name, error !== null).then(() => callback(error, answer));
          };
          client.makeUnaryRequest(
            ...([path, asIs, asIs, call.request, new Metadata(), deadline, done] as const),
          );
        },
      ]);
      this.#server.addService(service, Object.fromEntries(methods));
    }
  }

  /** Listens at a unix socket. */
  static async start(
    at: { readonly path: string; readonly target: () => string },
    after: (rpc: string, failed: boolean) => Promise<void>,
  ): Promise<CsiProxy> {
    const proxy = new CsiProxy(at.target, after);
    const listening = Promise.withResolvers<void>();
    proxy.#server.bindAsync(`unix:${at.path}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? listening.resolve() : listening.reject(error),
    );
    await listening.promise;
    return proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
    await Promise.resolve();
  }
}
