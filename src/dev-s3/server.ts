import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../base/clock.ts";
import { type Log, silentLog } from "../base/log.ts";
import { Catalog } from "./catalog.ts";
import type { Context } from "./context.ts";
import { Counters } from "./counters.ts";
import type { Exchange } from "./exchange.ts";
import { Faults } from "./faults.ts";
import { type Gap, parseGaps } from "./gaps.ts";
import { handleRequest } from "./handle-request.ts";
import { makeBucket } from "./ops/bucket.ts";
import type { Shaping } from "./shaping.ts";
import { MemoryBlobStore } from "./storage/memory-blob-store.ts";
import { memoryRecordStore } from "./storage/memory-record-store.ts";
import { openFolder } from "./storage/open-folder.ts";

/** How an embedded S3 server is to run; everything has a default that suits a test. */
export interface DevS3Options {
  /** Default: 127.0.0.1 and a free port. */
  readonly listen?: { readonly host?: string; readonly port?: number };
  /** Keeps everything in this folder, which survives the process; default: in memory. */
  readonly directory?: string;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** Default `us-east-1`. */
  readonly region?: string;
  /** Host name below which buckets are host names too; without it `bucket.localhost` and the like are. */
  readonly domain?: string;
  /** Wait before each answer. */
  readonly latencyMs?: number;
  /** Of each connection, each way. */
  readonly bandwidthBytesPerSecond?: number;
  /** How long RestoreObject takes; default: no time. */
  readonly restoreDelayMs?: number;
  /** Made at the start, unless they exist. */
  readonly buckets?: readonly string[];
  /** What of AWS's semantics is to be missing. */
  readonly gaps?: readonly Gap[];
  readonly clock?: Clock;
  readonly log?: Log;
}

/** A running embedded S3 server. */
export interface DevS3 extends AsyncDisposable {
  /** `http://host:port` */
  readonly endpoint: string;
  readonly port: number;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  readonly counters: Counters;
  readonly faults: Faults;
  readonly shaping: Shaping;
  /** Ends all connections and waits until the requests under way have ended. */
  close(): Promise<void>;
}

/**
 * Starts a server with the semantics of AWS S3: it answers when this resolves.
 * Rejects when the address is taken or another process uses the folder.
 */
export async function startDevS3(options: DevS3Options = {}): Promise<DevS3> {
  const clock = options.clock ?? systemClock;
  const account = {
    accessKeyId: options.accessKeyId ?? "dev-s3-access-key",
    secretAccessKey: options.secretAccessKey ?? "dev-s3-secret-key",
    region: options.region ?? "us-east-1",
  };
  await using stack = new AsyncDisposableStack();
  const storage =
    options.directory === undefined
      ? { blobs: new MemoryBlobStore(), records: memoryRecordStore }
      : stack.use(await openFolder(options.directory));
  const context: Context = {
    catalog: await Catalog.open(storage.blobs, storage.records),
    region: account.region,
    ownerId: "dev-s3-owner",
    restoreDelayMs: options.restoreDelayMs ?? 0,
    gaps: parseGaps(options.gaps ?? []),
    nowMs: () => Number(clock.nowNs() / 1_000_000n),
    newId: () => randomBytes(24).toString("base64url"),
  };
  for (const name of options.buckets ?? []) {
    if (context.catalog.findBucket(name) !== undefined) continue;
    await makeBucket(name, context).catch((cause: unknown) => {
      throw new Error(`Bucket '${name}' cannot be made`, { cause });
    });
  }
  const closing = new AbortController();
  const exchange: Exchange = {
    context,
    account,
    counters: new Counters(),
    faults: new Faults(),
    clock,
    log: options.log ?? silentLog,
    domain: options.domain,
    shaping: {
      latencyMs: options.latencyMs ?? 0,
      bandwidthBytesPerSecond: options.bandwidthBytesPerSecond,
    },
    closing: closing.signal,
  };
  const running = new Set<Promise<void>>();
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0, noDelay: true });
  const onRequest = (message: IncomingMessage, response: ServerResponse): void => {
    const handled = handleRequest(message, response, exchange);
    running.add(handled);
    void handled.finally(() => running.delete(handled));
  };
  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
  const host = options.listen?.host ?? "127.0.0.1";
  server.listen(options.listen?.port ?? 0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const owned = stack.move();
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= (async () => {
      closing.abort();
      const ended = once(server, "close");
      server.close();
      server.closeAllConnections();
      await ended;
      await Promise.allSettled(running);
      await owned.disposeAsync();
    })();
    return closed;
  };
  return {
    endpoint: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    port,
    ...account,
    counters: exchange.counters,
    faults: exchange.faults,
    shaping: exchange.shaping,
    close,
    [Symbol.asyncDispose]: close,
  };
}
