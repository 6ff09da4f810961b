import type { Duplex } from "node:stream";
import { jsonLog, silentLog } from "../../../src/base/log.ts";
import { RpcConnections } from "../../../src/rpc/connections.ts";
import type { RpcLimits } from "../../../src/rpc/limits.ts";
import type { RpcCall, RpcReply } from "../../../src/rpc/program.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { duplexPair } from "../../support/duplex-pair.ts";
import { NfsClient } from "../../support/nfs-client.ts";

/** A server with a program of the test's own, and clients over streams in memory. */
export class RpcRig {
  readonly clock = new FakeClock();
  readonly calls: RpcCall[] = [];
  readonly logged: string[] = [];
  readonly connections: RpcConnections;
  /** The server's ends, in the order of `connect`. */
  readonly serverSockets: Duplex[] = [];

  constructor(
    handle: (call: RpcCall) => Promise<RpcReply> | RpcReply,
    limits: Partial<RpcLimits> = {},
  ) {
    const program = {
      program: 100003,
      version: 4,
      handle: (call: RpcCall) => {
        this.calls.push(call);
        return handle(call);
      },
    };
    const log = jsonLog({ level: "warn", fields: {} }, (line) => this.logged.push(line));
    this.connections = new RpcConnections(limits, { program, clock: this.clock, log });
  }

  /** A new connection, of which nobody reads. */
  connectSocket(): Duplex {
    const [client, server] = duplexPair();
    client.on("error", (error) => silentLog.debug("Client socket failed", { error }));
    this.serverSockets.push(server);
    this.connections.accept(server);
    return client;
  }

  connect(options: ConstructorParameters<typeof NfsClient>[1] = {}): NfsClient {
    return new NfsClient(this.connectSocket(), options);
  }
}

/** Lets I/O in memory and promises settle. */
export async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** The results of a successful reply. */
export function success(...results: readonly Uint8Array[]): RpcReply {
  return { kind: "success", results };
}
