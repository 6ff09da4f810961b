import type { IncomingMessage, ServerResponse } from "node:http";
import { authenticate } from "./authenticate.ts";
import type { S3Request, S3Response } from "./context.ts";
import { S3Error } from "./error.ts";
import type { Exchange } from "./exchange.ts";
import type { FaultAction } from "./faults.ts";
import { operationName } from "./operation-name.ts";
import { operations } from "./operations.ts";
import { answerRemote } from "./remote-control.ts";
import { RequestBody } from "./request-body.ts";
import { parseTarget, type RequestTarget } from "./request-target.ts";
import { type Delivery, errorResponse, faultResponse, send } from "./send-response.ts";
import { pace, wait } from "./shaping.ts";

/** Header values by lower-case name, several joined by commas. */
function headerMap(message: IncomingMessage): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(message.headersDistinct).map(([name, values]) => [
      name,
      values?.join(",") ?? "",
    ]),
  );
}

/** Where a request leads when its faults do not end it: what is done to the answer. */
type Verdict =
  | { readonly kind: "execute"; readonly delivery: Delivery }
  | { readonly kind: "answer"; readonly response: S3Response }
  | { readonly kind: "reset" }
  | { readonly kind: "silence" };

async function judge(
  actions: readonly FaultAction[],
  exchange: Exchange,
  gone: AbortSignal,
): Promise<Verdict> {
  let delivery: Delivery = { kind: "whole", after: [] };
  for (const action of actions) {
    switch (action.kind) {
      case "status":
        return { kind: "answer", response: faultResponse(action.status, action.code) };
      case "reset":
        return { kind: "reset" };
      case "blackhole":
        return { kind: "silence" };
      case "delay":
        await wait(exchange.clock, action.delayMs, gone);
        break;
      case "hold":
        if (action.when === "after")
          delivery = { ...delivery, after: [...delivery.after, action.until] };
        else await Promise.race([action.until, silence(gone)]);
        break;
      case "lostResponse":
        delivery = { kind: "lost", after: delivery.after };
        break;
      case "cut":
        delivery = { kind: "cut", after: delivery.after, afterBytes: action.afterBytes };
        break;
      case "errorIn200":
        delivery = { kind: "errorIn200", after: delivery.after, code: action.code };
        break;
    }
  }
  return { kind: "execute", delivery };
}

/** Resolves when the connection or the server goes away. */
function silence(gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (gone.aborted) resolve();
    else gone.addEventListener("abort", () => resolve());
  });
}

async function execute(
  message: IncomingMessage,
  request: Omit<S3Request, "body"> & { readonly target: RequestTarget },
  response: ServerResponse,
  exchange: Exchange,
  gone: AbortSignal,
): Promise<S3Response> {
  const { context, counters } = exchange;
  const { headers, target, method } = request;
  const auth = authenticate({ method, target, headers }, exchange.account, context.nowMs());
  async function* received(): AsyncGenerator<Uint8Array> {
    // The client is told to go on only when its headers were found to be in order.
    if (headers.get("expect")?.toLowerCase() === "100-continue") response.writeContinue();
    const paced = pace(message, exchange.shaping.bandwidthBytesPerSecond, exchange.clock, gone);
    for await (const chunk of paced) {
      counters.addIn(chunk.length);
      yield chunk;
    }
  }
  const body = new RequestBody(received, headers, auth, {
    ignoresChecksum: context.gaps.has("checksums"),
  });
  return operations[request.operation]({ ...request, body }, context);
}

/** Answers one request: faults, shaping, authentication, the operation, the answer. Never throws. */
export async function handleRequest(
  message: IncomingMessage,
  response: ServerResponse,
  exchange: Exchange,
): Promise<void> {
  const { counters, context, log } = exchange;
  const connectionGone = new AbortController();
  response.once("close", () => connectionGone.abort());
  const gone = AbortSignal.any([connectionGone.signal, exchange.closing]);
  const headers = headerMap(message);
  const method = message.method ?? "";
  const options = { message, response, exchange, gone };
  let counted = false;
  try {
    if (await answerRemote(message, response, exchange)) return;
    const target = parseTarget(message.url ?? "/", headers.get("host") ?? "", exchange.domain);
    const query = new Map(target.queryPairs);
    const operation = operationName({ ...target, method, query, headers });
    const [bucket, key] = [target.bucket ?? "", target.key ?? ""];
    counters.countRequest(operation);
    counted = true;
    const verdict = await judge(exchange.faults.match(operation, bucket, key), exchange, gone);
    await wait(exchange.clock, exchange.shaping.latencyMs, gone);
    switch (verdict.kind) {
      case "reset":
        message.socket.resetAndDestroy();
        return;
      case "silence":
        await silence(gone);
        return;
      case "answer":
        await send(verdict.response, { kind: "whole", after: [] }, options);
        return;
      case "execute": {
        const request = { operation, method, bucket, key, query, headers, target };
        const answer = await execute(message, request, response, exchange, gone);
        await send(answer, verdict.delivery, options);
        log.debug("Answered", { operation, bucket, key, status: answer.status });
      }
    }
  } catch (error) {
    if (!counted) counters.countRequest("Unknown");
    if (message.errored !== null || gone.aborted) {
      log.debug("Client went away", { method, url: message.url, error });
      return;
    }
    if (!(error instanceof S3Error))
      log.error("Request failed", { method, url: message.url, error });
    const s3Error =
      error instanceof S3Error ? error : new S3Error("InternalError", { cause: error });
    if (response.headersSent) {
      message.socket.destroy();
      return;
    }
    const resource = (message.url ?? "").split("?")[0] ?? "";
    const answer = errorResponse(s3Error, { resource, requestId: context.newId() });
    await send(answer, { kind: "whole", after: [] }, options);
  }
}
