import type { Clock } from "../base/clock.ts";
import type { Connection } from "./connection.ts";
import {
  type NotFound,
  type ObjectKey,
  ObjectStoreError,
  type RequestOptions,
} from "./object-store.ts";
import { isMissingKey } from "./outcome.ts";
import { checksumHeaders, signalOf } from "./request-parts.ts";

function bodyOf(text: string) {
  const chunk = Buffer.from(text);
  return { sizeBytes: chunk.length, chunks: [chunk] };
}

/** Requests that are sent once in a while: of archived objects, and those that find out what a store is like. */
export class RareCalls {
  readonly #connection: Connection;
  readonly #clock: Clock;

  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** See `ObjectStore.restore`. @throws {ObjectStoreError} */
  async restore(
    key: ObjectKey,
    days: number,
    options?: RequestOptions,
  ): Promise<{ readonly kind: "asked" | "ready" } | NotFound> {
    const body = bodyOf(
      `<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Days>${days}</Days></RestoreRequest>`,
    );
    const outcome = await this.#connection.send({
      ...{ method: "POST", key, query: { restore: "" }, body },
      ...signalOf(options),
    });
    // 202: begun; 200: there is a copy already, which lives longer now.
    if (outcome.kind === "success") {
      return { kind: outcome.answer.status === 200 ? "ready" : "asked" };
    }
    if (outcome.failure.s3Code === "RestoreAlreadyInProgress") return { kind: "asked" };
    if (isMissingKey(outcome.failure)) return { kind: "notFound" };
    throw outcome.error;
  }

  /**
   * Puts a body with the checksum of another, under a key of ours where nothing is at stake.
   * @throws {ObjectStoreError} unavailable, denied.
   */
  async putDamaged(key: ObjectKey, options?: RequestOptions): Promise<"stored" | "refused"> {
    const crc32 = this.#connection.checksumOf(bodyOf("Canary"));
    if (crc32 === undefined) return "stored";
    try {
      const outcome = await this.#connection.send({
        ...{ method: "PUT", key, body: bodyOf("canary"), headers: checksumHeaders(crc32) },
        ...signalOf(options),
      });
      if (outcome.kind === "success") return "stored";
      if (outcome.error.code === "denied") throw outcome.error;
      return "refused";
    } catch (error) {
      // The connection takes a body that was damaged under way for worth another try.
      if (error instanceof ObjectStoreError && error.s3Code === "BadDigest") return "refused";
      throw error;
    }
  }

  /** The store's clock less ours, in milliseconds, to a second; undefined when its answers carry no date. */
  async clockSkewMs(options?: RequestOptions): Promise<number | undefined> {
    const outcome = await this.#connection.send({ method: "HEAD", ...signalOf(options) });
    if (outcome.kind === "failure") throw outcome.error;
    const theirsMs = Date.parse(outcome.answer.headers["date"] ?? "");
    if (Number.isNaN(theirsMs)) return undefined;
    return theirsMs - Number(this.#clock.nowNs() / 1_000_000n);
  }
}
