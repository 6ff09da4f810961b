import { BucketError, type BucketOperations } from "./bucket-operations.ts";
import type { ControllerDependencies } from "./create-volume.ts";
import { CsiError } from "./error.ts";
import type { ListVolumesRequest__Output } from "./gen/csi/v1/ListVolumesRequest.ts";
import type { ListVolumesResponse } from "./gen/csi/v1/ListVolumesResponse.ts";
import { isVolume } from "./open-volume.ts";
import {
  indexedPrefix,
  indexKey,
  indexPrefix,
  markKey,
  type OwnershipMark,
  parseMark,
} from "./ownership-mark.ts";
import type { RpcCall } from "./unary.ts";
import { parseLocation } from "./volume-id.ts";
import { type Connection, describeEndpoint, resolveConnection } from "./volume-spec-of.ts";

/** Buckets that are looked into side by side. */
const bucketsAtATime = 8;
const indexPageKeys = 1_000;

/** A place in the order of all volumes: by connection, by bucket, the volume that is the bucket first, by prefix. */
interface Position {
  readonly connection: string;
  readonly bucket: string;
  readonly prefix: string;
}

const tokenStart = "v1.";

function formatToken({ connection, bucket, prefix }: Position): string {
  const text = JSON.stringify([connection, bucket, prefix]);
  return `${tokenStart}${Buffer.from(text).toString("base64url")}`;
}

/** CSI spec, ListVolumes: a token that is none of ours is ABORTED. */
function parseToken(token: string): Position | undefined {
  if (token === "") return undefined;
  try {
    if (token.startsWith(tokenStart)) {
      const text = Buffer.from(token.slice(tokenStart.length), "base64url").toString();
      const [connection, bucket, prefix] = JSON.parse(text) as unknown[];
      if (typeof connection === "string" && typeof bucket === "string") {
        if (typeof prefix === "string") return { connection, bucket, prefix };
      }
    }
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
  }
  throw new CsiError("ABORTED", "The starting token is none of this driver's: list from the start");
}

interface Found {
  readonly position: Position;
  readonly mark: OwnershipMark;
}

/** One connection's volumes, in order. */
class ConnectionVolumes {
  readonly #name: string;
  readonly #connection: Connection;
  readonly #operations: BucketOperations;
  readonly #signal: AbortSignal;
  readonly #dependencies: ControllerDependencies;

  constructor(name: string, dependencies: ControllerDependencies & RpcCall) {
    this.#name = name;
    this.#connection = resolveConnection({ connectionName: name }, dependencies.connections);
    this.#operations = dependencies.openBuckets(this.#connection, undefined);
    this.#signal = dependencies.signal;
    this.#dependencies = dependencies;
  }

  /** Volumes after `start`, page by page. */
  async *after(start: Position | undefined): AsyncGenerator<Found> {
    const names = await this.#buckets();
    const left = names.filter((name) => start === undefined || name >= start.bucket);
    for (let at = 0; at < left.length; at += bucketsAtATime) {
      const some = left.slice(at, at + bucketsAtATime);
      const found = await Promise.all(
        some.map((bucket) =>
          this.#inBucket(bucket, bucket === start?.bucket ? start.prefix : undefined),
        ),
      );
      yield* found.flat();
    }
  }

  async #buckets(): Promise<readonly string[]> {
    try {
      return await this.#operations.listBuckets(this.#signal);
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      const code = error.code === "unavailable" ? "UNAVAILABLE" : "PERMISSION_DENIED";
      const where = `Connection '${this.#name}' at ${describeEndpoint(this.#connection)}`;
      throw new CsiError(code, `${where}: its buckets cannot be listed: ${error.message}`, {
        cause: error,
      });
    }
  }

  /** A bucket that these keys cannot read holds no volume of theirs. */
  async #inBucket(bucket: string, afterPrefix: string | undefined): Promise<readonly Found[]> {
    const found: Found[] = [];
    try {
      const add = async (prefix: string) => {
        const mark = await this.#mark(bucket, prefix);
        const position = { connection: this.#name, bucket, prefix };
        if (mark !== undefined) found.push({ position, mark });
      };
      if (afterPrefix === undefined) await add("");
      let after = afterPrefix === undefined || afterPrefix === "" ? "" : indexKey(afterPrefix);
      for (;;) {
        const page = { bucket, prefix: indexPrefix, after, most: indexPageKeys };
        const keys = await this.#operations.listKeys(page, this.#signal);
        for (const key of keys) {
          const prefix = indexedPrefix(key);
          if (prefix !== undefined) await add(prefix);
        }
        if (keys.length < indexPageKeys) return found;
        after = keys.at(-1) ?? "";
      }
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      if (error.code !== "unavailable") return found;
      throw new CsiError("UNAVAILABLE", error.message, { cause: error });
    }
  }

  async #mark(bucket: string, prefix: string): Promise<OwnershipMark | undefined> {
    const read = await this.#operations.readDocument(bucket, markKey(prefix), this.#signal);
    const mark = read.kind === "found" ? parseMark(read.text) : undefined;
    if (mark === undefined || mark.bucket !== bucket || mark.prefix !== prefix) return undefined;
    return isVolume(mark, mark.volumeId) && this.#isReachedBy(mark) ? mark : undefined;
  }

  /** Several connections may see one bucket: its volume belongs to the one that its handle names. */
  #isReachedBy(mark: OwnershipMark): boolean {
    const own = parseLocation(mark.volumeId)?.connection;
    if (own === undefined || (own.connectionName ?? "default") !== this.#name) return false;
    const { endpoint } = resolveConnection(own, this.#dependencies.connections);
    return endpoint === this.#connection.endpoint;
  }
}

/**
 * The volumes of the driver's own connections: buckets that carry our mark, and prefixes in the index of any bucket
 * that the connection's credentials can list. Not listed: static volumes, which have no mark, and those of classes with
 * an endpoint or a Secret of their own, which nobody could ask for here.
 * @throws {CsiError} ABORTED for a foreign token; INVALID_ARGUMENT; PERMISSION_DENIED, UNAVAILABLE from the store.
 */
export async function listVolumes(
  request: ListVolumesRequest__Output,
  dependencies: ControllerDependencies & RpcCall,
): Promise<ListVolumesResponse> {
  const { maxEntries, startingToken } = request;
  if (maxEntries < 0) throw new CsiError("INVALID_ARGUMENT", "max_entries is negative");
  const most = maxEntries === 0 ? Number.POSITIVE_INFINITY : maxEntries;
  const start = parseToken(startingToken);
  const entries: Found[] = [];
  for (const name of Object.keys(dependencies.connections).sort()) {
    if (start !== undefined && name < start.connection) continue;
    const volumes = new ConnectionVolumes(name, dependencies);
    for await (const found of volumes.after(name === start?.connection ? start : undefined)) {
      const last = entries.at(-1);
      if (entries.length === most && last !== undefined) {
        return { entries: entries.map(entryOf), nextToken: formatToken(last.position) };
      }
      entries.push(found);
    }
  }
  return { entries: entries.map(entryOf) };
}

function entryOf({ mark }: Found): NonNullable<ListVolumesResponse["entries"]>[number] {
  return { volume: { volumeId: mark.volumeId, capacityBytes: String(mark.capacityBytes) } };
}
