import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ClusterApi } from "./api.ts";
import type { ClusterEvent, Events, ObjectReference } from "./events.ts";

/** The same event about the same object again within this time says nothing new. */
const quietMs = 60_000;
/** Kubernetes keeps events for an hour; a later one begins anew. */
const forgetMs = 3_600_000;
const maxWaiting = 200;
const maxMessageBytes = 1_024;

interface Sent {
  readonly name: string;
  readonly first: string;
  count: number;
  lastMs: number;
}

/**
 * Events in the cluster. One request at a time, in order; the same event again raises the count of the first. When the
 * API does not keep up, new events go to the log only.
 */
export class ClusterEvents implements Events {
  readonly #component: string;
  readonly #host: string;
  readonly #api: Pick<ClusterApi, "send">;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #sent = new Map<string, Sent>();
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();

  constructor(
    options: { readonly component: string; readonly host: string },
    dependencies: {
      readonly api: Pick<ClusterApi, "send">;
      readonly clock: Clock;
      readonly log: Log;
    },
  ) {
    this.#component = options.component;
    this.#host = options.host;
    this.#api = dependencies.api;
    this.#clock = dependencies.clock;
    this.#log = dependencies.log;
  }

  emit(event: ClusterEvent): void {
    const fields = { reason: event.reason, about: event.object, event: event.message };
    if (this.#waiting >= maxWaiting) {
      this.#log.warn("The cluster's API takes no events", fields);
      return;
    }
    this.#log.info("Event", fields);
    this.#waiting += 1;
    this.#tail = this.#tail.then(async () => {
      try {
        await this.#send(event);
      } catch (error) {
        this.#log.warn("An event cannot be sent", { ...fields, error });
      } finally {
        this.#waiting -= 1;
      }
    });
  }

  /** Resolves when everything emitted so far has been sent or given up. */
  settled(): Promise<void> {
    return this.#tail;
  }

  async #send(event: ClusterEvent): Promise<void> {
    const { object, reason, message } = event;
    const nowMs = Number(this.#clock.nowNs() / 1_000_000n);
    for (const [key, { lastMs }] of this.#sent) {
      if (nowMs - lastMs > forgetMs) this.#sent.delete(key);
    }
    const key = JSON.stringify([object.kind, object.namespace, object.name, reason, message]);
    const before = this.#sent.get(key);
    if (before !== undefined && nowMs - before.lastMs < quietMs) return;
    const now = new Date(nowMs).toISOString().replace(/\.\d+/, "");
    const namespace = object.namespace ?? "default";
    if (before !== undefined) {
      before.count += 1;
      before.lastMs = nowMs;
      const path = `${eventsPath(namespace)}/${before.name}`;
      const change = { count: before.count, lastTimestamp: now };
      const { status } = await this.#api.send("PATCH", path, change);
      if (status < 300) return;
      // Gone meanwhile: it begins anew.
    }
    const name = `${object.name.slice(0, 200)}.${suffixOf(key)}`;
    const { status, body } = await this.#api.send("POST", eventsPath(namespace), {
      ...{ apiVersion: "v1", kind: "Event", metadata: { name, namespace } },
      involvedObject: {
        ...{ apiVersion: "v1", kind: object.kind, name: object.name },
        ...(object.namespace === undefined ? {} : { namespace: object.namespace }),
        uid: object.uid ?? (await this.#uidOf(object)),
      },
      ...{ type: event.type, reason, message: cut(message) },
      ...{ count: 1, firstTimestamp: now, lastTimestamp: now },
      source: { component: this.#component, host: this.#host },
      ...{ reportingComponent: this.#component, reportingInstance: this.#host },
    });
    if (status >= 300) {
      throw new Error(`The cluster's API answered ${status}: ${messageOf(body)}`);
    }
    this.#sent.set(key, { name, first: now, count: 1, lastMs: nowMs });
  }

  async #uidOf(object: ObjectReference): Promise<string | undefined> {
    const { status, body } = await this.#api.send("GET", objectPath(object));
    if (status === 200) return (body as { metadata?: { uid?: string } }).metadata?.uid;
    this.#log.info("An event's object cannot be read", {
      about: object,
      status,
      answer: messageOf(body),
    });
    return undefined;
  }
}

const eventsPath = (namespace: string) =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`;

function objectPath({ kind, namespace, name }: ObjectReference): string {
  const resource = {
    Pod: "pods",
    PersistentVolumeClaim: "persistentvolumeclaims",
    PersistentVolume: "persistentvolumes",
  }[kind];
  const within = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `/api/v1${within}/${resource}/${encodeURIComponent(name)}`;
}

/** Two processes, or two lives of one, must not give one name to two events. */
function suffixOf(key: string): string {
  const digest = createHash("sha256").update(key).digest("hex").slice(0, 8);
  return `${digest}${randomBytes(4).toString("hex")}`;
}

function cut(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= maxMessageBytes) return message;
  return `${bytes
    .subarray(0, maxMessageBytes - 4)
    .toString("utf8")
    .replace(/\uFFFD$/, "")}…`;
}

function messageOf(body: unknown): string {
  const message = (body as { message?: unknown } | undefined)?.message;
  return typeof message === "string" ? message.slice(0, 500) : "";
}
