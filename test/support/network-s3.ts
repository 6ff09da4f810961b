import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { undoWhenAbandoned } from "./abandon.ts";
import type { GuestNetwork } from "./guest-network.ts";
import type {
  AgentCalls,
  AgentOptions,
  AgentReply,
  AgentRequest,
  SeenObject,
} from "./network-s3-agent.ts";

/** Bytes and headers that a driver needs to use the store. */
export interface S3Access {
  /** As the guest reaches it. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The store as any S3 client sees it. */
export interface StoreClient {
  buckets(): Promise<string[]>;
  createBucket(bucket: string): Promise<void>;
  /** All keys below `prefix`, in S3's order. */
  keys(bucket: string, prefix?: string): Promise<string[]>;
  get(bucket: string, key: string): Promise<SeenObject>;
  put(bucket: string, key: string, bytes: Uint8Array): Promise<void>;
  delete(bucket: string, key: string): Promise<void>;
}

const port = 9000;

/**
 * An S3 store beside a guest: it lives in the host's end of the guest's network, so it outlives the guest and stays off
 * the host's own network; the test sees it as any S3 client does.
 */
export class NetworkS3 implements AsyncDisposable, StoreClient {
  readonly access: S3Access;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #undo: Disposable;
  readonly #ended: Promise<unknown>;
  #next = 1;

  private constructor(child: ChildProcess, access: S3Access) {
    this.#child = child;
    this.access = access;
    this.#undo = undoWhenAbandoned(() => child.kill("SIGKILL"));
    this.#ended = once(child, "exit");
    child.on("message", (reply: AgentReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.error === undefined) waiting?.resolve(reply.result);
      else waiting?.reject(new Error(reply.error));
    });
    child.once("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("The S3 agent has ended"));
      this.#waiting.clear();
    });
  }

  /** Starts a store; with `serve: false` only a client of the one that listens there. */
  static async start(
    network: Pick<GuestNetwork, "namespace" | "hostAddress">,
    options: { readonly serve?: boolean; readonly directory?: string } = {},
  ): Promise<NetworkS3> {
    const keys = { accessKeyId: "dev-s3-access-key", secretAccessKey: "dev-s3-secret-key" };
    const serve = options.serve ?? true;
    const agent: AgentOptions = { host: network.hostAddress, port, ...options, serve, ...keys };
    // ip netns exec becomes the program that it starts.
    const child = fork(join(import.meta.dirname, "network-s3-agent.ts"), [JSON.stringify(agent)], {
      execPath: "ip",
      execArgv: ["netns", "exec", network.namespace, process.execPath],
      serialization: "advanced",
      // Not in the terminal's process group: an interrupt is the test run's to handle.
      detached: true,
    });
    const endpoint = `http://${network.hostAddress}:${port}`;
    const store = new NetworkS3(child, { endpoint, region: "us-east-1", ...keys });
    try {
      if (serve) await store.up();
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
    return store;
  }

  readonly up = (): Promise<void> => this.#call("up");
  readonly down = (): Promise<void> => this.#call("down");
  readonly blackhole = (): Promise<void> => this.#call("blackhole");
  readonly requests = () => this.#call("requests");
  readonly buckets = (): Promise<string[]> => this.#call("buckets");

  createBucket(bucket: string): Promise<void> {
    return this.#call("createBucket", bucket);
  }

  /** All keys below `prefix`, in S3's order. */
  keys(bucket: string, prefix = ""): Promise<string[]> {
    return this.#call("keys", bucket, prefix);
  }

  async get(bucket: string, key: string): Promise<SeenObject> {
    const { bytes, ...rest } = await this.#call("get", bucket, key);
    return { ...rest, bytes: Buffer.from(bytes) };
  }

  put(bucket: string, key: string, bytes: Uint8Array): Promise<void> {
    return this.#call("put", bucket, key, bytes);
  }

  delete(bucket: string, key: string): Promise<void> {
    return this.#call("delete", bucket, key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#undo[Symbol.dispose]();
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #call<M extends keyof AgentCalls>(
    method: M,
    ...args: Parameters<AgentCalls[M]>
  ): ReturnType<AgentCalls[M]> {
    const id = this.#next++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    if (this.#child.connected) this.#child.send({ id, method, args } satisfies AgentRequest);
    else waiting.reject(new Error(`The S3 agent has ended, ${method} cannot be asked for`));
    return waiting.promise as ReturnType<AgentCalls[M]>;
  }
}
