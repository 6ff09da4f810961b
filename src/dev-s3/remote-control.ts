import type { IncomingMessage, ServerResponse } from "node:http";
import type { Exchange } from "./exchange.ts";
import type { Fault, FaultAction, FaultRule } from "./faults.ts";
import { type OperationName, operationNames } from "./operation-name.ts";

/** No bucket can have this name: an underscore is outside S3's rules. */
const root = "/_dev-s3/";
const maxBodyBytes = 64 * 1024;

/** What a caller did wrong; answered 400 with the text. */
class RemoteError extends Error {}

/** A fault that came from outside, and what lets go the requests that it holds. */
interface RemoteFault {
  readonly rule: unknown;
  readonly fault: Fault;
  readonly letGo: () => void;
}

const remoteFaults = new WeakMap<object, Map<string, RemoteFault>>();

function faultsOf(exchange: Exchange): Map<string, RemoteFault> {
  const known = remoteFaults.get(exchange) ?? new Map<string, RemoteFault>();
  remoteFaults.set(exchange, known);
  return known;
}

async function readJson(message: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of message as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxBodyBytes) throw new RemoteError("The document is over 64 KiB");
    pieces.push(piece);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(pieces).toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw new RemoteError("The document is not JSON", { cause });
  }
  throw new RemoteError("The document is no JSON object");
}

type Fields = Readonly<Record<string, unknown>>;

function knownOnly(fields: Fields, names: readonly string[]): void {
  const unknown = Object.keys(fields).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new RemoteError(`Unknown field '${unknown}'; known are ${names.join(", ")}`);
  }
}

function number(fields: Fields, name: string, least: number): number | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !(value >= least)) {
    throw new RemoteError(`${name} is no number from ${least}`);
  }
  return value;
}

function required(fields: Fields, name: string, least: number): number {
  const value = number(fields, name, least);
  if (value === undefined) throw new RemoteError(`${name} is missing`);
  return value;
}

function text(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === "string") return value;
  throw new RemoteError(`${name} is no text`);
}

function parseAction(value: unknown, held: Promise<void>): FaultAction {
  const fields = (typeof value === "object" && value !== null ? value : {}) as Fields;
  const code = text(fields, "code");
  const named = code === undefined ? {} : { code };
  switch (fields["kind"]) {
    case "status":
      knownOnly(fields, ["kind", "status", "code"]);
      return { kind: "status", status: required(fields, "status", 400), ...named };
    case "delay":
      knownOnly(fields, ["kind", "delayMs"]);
      return { kind: "delay", delayMs: required(fields, "delayMs", 0) };
    case "hold": {
      knownOnly(fields, ["kind", "when"]);
      const when = text(fields, "when") === "after" ? "after" : "before";
      return { kind: "hold", until: held, when };
    }
    case "cut":
      knownOnly(fields, ["kind", "afterBytes"]);
      return { kind: "cut", afterBytes: required(fields, "afterBytes", 0) };
    case "errorIn200":
      knownOnly(fields, ["kind", "code"]);
      return { kind: "errorIn200", ...named };
    case "reset":
    case "lostResponse":
    case "blackhole":
      knownOnly(fields, ["kind"]);
      return { kind: fields["kind"] };
    default:
      throw new RemoteError("action.kind is no kind of fault");
  }
}

function parseRule(fields: Fields, held: Promise<void>): FaultRule {
  knownOnly(fields, ["operation", "bucket", "key", "nth", "every", "times", "action"]);
  const operation = text(fields, "operation");
  if (operation !== undefined && !operationNames.has(operation)) {
    throw new RemoteError(`'${operation}' is no operation`);
  }
  const [bucket, keyText] = [text(fields, "bucket"), text(fields, "key")];
  let key: RegExp | undefined;
  try {
    key = keyText === undefined ? undefined : new RegExp(keyText, "u");
  } catch (cause) {
    throw new RemoteError("key is no regular expression", { cause });
  }
  const [nth, every, times] = ["nth", "every", "times"].map((name) => number(fields, name, 1));
  return {
    ...(operation === undefined ? {} : { operation: operation as OperationName }),
    ...(bucket === undefined ? {} : { bucket }),
    ...(key === undefined ? {} : { key }),
    ...(nth === undefined ? {} : { nth }),
    ...(every === undefined ? {} : { every }),
    ...(times === undefined ? {} : { times }),
    action: parseAction(fields["action"], held),
  };
}

async function addFault(message: IncomingMessage, exchange: Exchange): Promise<{ id: string }> {
  const rule = await readJson(message);
  const { promise, resolve } = Promise.withResolvers<void>();
  const fault = exchange.faults.add(parseRule(rule, promise));
  const id = exchange.context.newId();
  faultsOf(exchange).set(id, { rule, fault, letGo: resolve });
  return { id };
}

function removeFault(id: string, exchange: Exchange): boolean {
  const known = faultsOf(exchange);
  const found = known.get(id);
  found?.fault.remove();
  found?.letGo();
  return known.delete(id);
}

async function setShaping(message: IncomingMessage, { shaping }: Exchange): Promise<void> {
  const fields = await readJson(message);
  knownOnly(fields, ["latencyMs", "bandwidthBytesPerSecond"]);
  const latencyMs = number(fields, "latencyMs", 0);
  const bandwidth = number(fields, "bandwidthBytesPerSecond", 1);
  if (latencyMs !== undefined) shaping.latencyMs = latencyMs;
  if ("bandwidthBytesPerSecond" in fields) shaping.bandwidthBytesPerSecond = bandwidth;
}

function countersDocument({ counters }: Exchange): object {
  const { total, requests, statuses, bytesIn, bytesOut } = counters;
  return { total, requests, statuses, bytesIn, bytesOut };
}

function shapingDocument({ shaping }: Exchange): object {
  const { latencyMs, bandwidthBytesPerSecond } = shaping;
  return { latencyMs, bandwidthBytesPerSecond: bandwidthBytesPerSecond ?? null };
}

/** The document to answer with; undefined: done, nothing to say; "unknown": no such path or method. */
async function answer(
  message: IncomingMessage,
  path: string,
  exchange: Exchange,
): Promise<object | undefined | "unknown"> {
  const [topic = "", id] = path.split("/");
  switch (`${message.method} ${topic}${id === undefined ? "" : "/id"}`) {
    case "GET counters":
      return countersDocument(exchange);
    case "DELETE counters":
      exchange.counters.reset();
      return undefined;
    case "GET shaping":
      return shapingDocument(exchange);
    case "PUT shaping":
      await setShaping(message, exchange);
      return undefined;
    case "GET faults":
      return [...faultsOf(exchange)].map(([name, { rule, fault }]) => ({
        id: name,
        rule,
        hits: fault.hits,
      }));
    case "POST faults":
      return await addFault(message, exchange);
    case "DELETE faults":
      for (const known of [...faultsOf(exchange).keys()]) removeFault(known, exchange);
      return undefined;
    case "DELETE faults/id":
      return removeFault(id ?? "", exchange) ? undefined : "unknown";
    default:
      return "unknown";
  }
}

function isLoopback(address: string | undefined): boolean {
  return address === "::1" || /^(?:::ffff:)?127\./.test(address ?? "");
}

/**
 * Answers a request below `/_dev-s3/`, by which faults, shaping and counters are driven from outside the process,
 * unsigned and from this machine only. False: it is no such request, nothing was read of it.
 */
export async function answerRemote(
  message: IncomingMessage,
  response: ServerResponse,
  exchange: Exchange,
): Promise<boolean> {
  const path = message.url ?? "";
  if (!path.startsWith(root)) return false;
  const reply = (status: number, document?: object): boolean => {
    response.statusCode = status;
    if (document === undefined) response.end();
    else response.setHeader("content-type", "application/json").end(JSON.stringify(document));
    return true;
  };
  if (!isLoopback(message.socket.remoteAddress)) {
    return reply(403, { error: "Only from this machine" });
  }
  try {
    const document = await answer(message, path.slice(root.length), exchange);
    if (document === "unknown") return reply(404, { error: "No such path, method or fault" });
    return document === undefined ? reply(204) : reply(200, document);
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    return reply(400, { error: error.message });
  }
}
