/**
 * The process behind {@link NetworkS3}: it runs in a guest's network namespace, where it serves S3, and talks S3 for the
 * test with the unmodified AWS SDK. Requests and answers pass over the IPC channel of `fork`.
 */
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from "@aws-sdk/client-s3";
import { type DevS3, startDevS3 } from "../../src/dev-s3/server.ts";

/** Where the server listens, and whether to start one or to use one that runs there. */
export interface AgentOptions {
  readonly host: string;
  readonly port: number;
  readonly serve: boolean;
  /** Keeps objects in this folder. Default: in memory. */
  readonly directory?: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** An object as any S3 client sees it. */
export interface SeenObject {
  readonly bytes: Buffer;
  readonly metadata: Readonly<Record<string, string>>;
  readonly etag: string;
}

const region = "us-east-1";

/** An S3 client, and the store itself where it is to serve one. */
export class StoreAgent {
  readonly #options: AgentOptions;
  readonly #client: S3Client;
  #server: DevS3 | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#client = new S3Client({
      endpoint: `http://${options.host}:${options.port}`,
      region,
      forcePathStyle: true,
      credentials: options,
    });
  }

  /** Begins to answer, or answers again. */
  async up(): Promise<void> {
    this.#server?.faults.clear();
    const { host, port, directory, accessKeyId, secretAccessKey } = this.#options;
    this.#server ??= await startDevS3({
      listen: { host, port },
      ...(directory === undefined ? {} : { directory }),
      accessKeyId,
      secretAccessKey,
      region,
    });
  }

  /** Ends all connections; nothing answers until `up`. */
  async down(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  /** Takes requests and never answers them, until `up`. */
  async blackhole(): Promise<void> {
    this.#server?.faults.add({ action: { kind: "blackhole" } });
  }

  /** Requests answered since the start, by operation. */
  async requests(): Promise<Readonly<Record<string, number>>> {
    return this.#server?.counters.requests ?? {};
  }

  async buckets(): Promise<string[]> {
    const { Buckets } = await this.#client.send(new ListBucketsCommand({}));
    return (Buckets ?? []).flatMap(({ Name }) => Name ?? []);
  }

  async createBucket(bucket: string): Promise<void> {
    await this.#client.send(new CreateBucketCommand({ Bucket: bucket }));
  }

  async keys(bucket: string, prefix = ""): Promise<string[]> {
    const keys: string[] = [];
    const pages = paginateListObjectsV2(
      { client: this.#client },
      { Bucket: bucket, Prefix: prefix },
    );
    for await (const { Contents } of pages)
      keys.push(...(Contents ?? []).flatMap(({ Key }) => Key ?? []));
    return keys;
  }

  async get(bucket: string, key: string): Promise<SeenObject> {
    const found = await this.#client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
    return { bytes, metadata: found.Metadata ?? {}, etag: found.ETag ?? "" };
  }

  async put(bucket: string, key: string, bytes: Uint8Array): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }));
  }

  async delete(bucket: string, key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
  }
}

/** What the test can ask for. */
export type AgentCalls = StoreAgent;

/** A call, as it passes over the channel. */
export interface AgentRequest {
  readonly id: number;
  readonly method: keyof AgentCalls;
  readonly args: readonly unknown[];
}

/** Its answer. */
export interface AgentReply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

if (import.meta.main) {
  const agent = new StoreAgent(JSON.parse(process.argv[2] ?? "{}"));
  process.on("message", ({ id, method, args }: AgentRequest) => {
    const call = agent[method] as (...given: readonly unknown[]) => Promise<unknown>;
    call.apply(agent, [...args]).then(
      (result) => process.send?.({ id, result } satisfies AgentReply),
      (error: unknown) => process.send?.({ id, error: String(error) } satisfies AgentReply),
    );
  });
  // The test run is gone.
  process.on("disconnect", () => process.exit(0));
  process.on("SIGINT", () => undefined);
}
