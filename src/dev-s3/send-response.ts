import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { S3Response } from "./context.ts";
import type { S3Error } from "./error.ts";
import type { Exchange } from "./exchange.ts";
import { httpDate } from "./http-date.ts";
import { pace } from "./shaping.ts";
import { element, errorDocument } from "./xml.ts";

/** How an answer reaches the client; `after` are promises waited for before it is sent. */
export type Delivery = { readonly after: readonly Promise<unknown>[] } & (
  | { readonly kind: "whole" }
  | { readonly kind: "lost" }
  | { readonly kind: "cut"; readonly afterBytes: number }
  | { readonly kind: "errorIn200"; readonly code: string | undefined }
);

function xmlError(
  status: number,
  fields: Readonly<Record<string, string | number>>,
  headers: Readonly<Record<string, string>>,
): S3Response {
  const children = Object.entries(fields).map(([name, value]) => element(name, value));
  return { status, headers, body: { kind: "xml", text: errorDocument(children) } };
}

/** The answer of an error: status, headers and document. */
export function errorResponse(
  error: S3Error,
  request: { readonly resource: string; readonly requestId: string },
): S3Response {
  return xmlError(
    error.status,
    {
      Code: error.code,
      Message: error.message,
      ...error.elements,
      Resource: request.resource,
      RequestId: request.requestId,
    },
    error.headers,
  );
}

const faultCodes: Readonly<Record<number, string>> = {
  403: "AccessDenied",
  404: "NoSuchKey",
  409: "ConditionalRequestConflict",
  412: "PreconditionFailed",
  500: "InternalError",
  503: "SlowDown",
};

/** The answer of an injected status. */
export function faultResponse(status: number, code: string | undefined): S3Response {
  const name = code ?? faultCodes[status] ?? "InternalError";
  return xmlError(status, { Code: name, Message: "Injected fault" }, {});
}

interface Sending {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly exchange: Exchange;
  readonly gone: AbortSignal;
}

async function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  try {
    await once(response, "drain", { signal: gone });
  } catch (error) {
    // The client left; the sender looks at `gone`.
    if (!gone.aborted) throw error;
  }
}

/** Sends a body; the last chunk goes with the end, so that a small answer is one write. */
async function sendBytes(
  source: AsyncIterable<Uint8Array>,
  cutAfterBytes: number,
  sending: Sending,
): Promise<void> {
  const { response, exchange, gone, message } = sending;
  const { shaping, clock, counters } = exchange;
  let held: Uint8Array | undefined;
  let leftBytes = cutAfterBytes;
  for await (const chunk of pace(source, shaping.bandwidthBytesPerSecond, clock, gone)) {
    if (gone.aborted) return;
    if (held !== undefined) {
      counters.addOut(held.length);
      if (!response.write(held)) await drained(response, gone);
    }
    held = chunk.subarray(0, leftBytes);
    leftBytes -= held.length;
    if (leftBytes > 0) continue;
    response.write(held, () => message.socket.resetAndDestroy());
    return;
  }
  counters.addOut(held?.length ?? 0);
  response.end(held ?? "");
}

/** Writes the answer, or loses it as `delivery` says, and lets go of the blobs it refers to. */
export async function send(
  answer: S3Response,
  delivery: Delivery,
  sending: Sending,
): Promise<void> {
  const { response, message, exchange, gone } = sending;
  const { body } = answer;
  const { catalog, newId } = exchange.context;
  try {
    if (delivery.after.length > 0) {
      const ended = new Promise<void>((resolve) => {
        if (gone.aborted) resolve();
        else gone.addEventListener("abort", () => resolve(), { once: true });
      });
      await Promise.race([Promise.all(delivery.after), ended]);
      if (gone.aborted) return;
    }
    if (delivery.kind === "lost") {
      message.socket.resetAndDestroy();
      return;
    }
    exchange.counters.countStatus(answer.status);
    for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
    response.setHeader("x-amz-request-id", newId());
    response.setHeader("x-amz-id-2", newId());
    response.setHeader("server", "s3files-dev-s3");
    // The time that signatures are judged by.
    response.setHeader("date", httpDate(exchange.context.nowMs()));
    // A body that the client still waits to send, or may send or not, makes the connection unusable.
    if (message.headers.expect !== undefined && !message.readableEnded) {
      response.setHeader("connection", "close");
    }
    response.statusCode = answer.status;
    if (delivery.kind === "errorIn200") {
      const failed = faultResponse(200, delivery.code);
      if (failed.body.kind === "xml") response.end(failed.body.text);
      return;
    }
    switch (body.kind) {
      case "none":
        if (answer.status !== 204 && answer.status !== 304 && message.method !== "HEAD") {
          response.setHeader("content-length", "0");
        }
        response.end();
        return;
      case "xml":
        if (message.method === "HEAD") {
          response.end();
          return;
        }
        exchange.counters.addOut(Buffer.byteLength(body.text));
        response.setHeader("content-type", "application/xml");
        response.setHeader("content-length", Buffer.byteLength(body.text));
        response.end(body.text);
        return;
      case "bytes": {
        if (message.method === "HEAD") {
          response.end();
          return;
        }
        const source = catalog.read(body.segments, body.offsetBytes, body.lengthBytes);
        const cut = delivery.kind === "cut" ? delivery.afterBytes : Number.POSITIVE_INFINITY;
        await sendBytes(source, cut, sending);
      }
    }
  } finally {
    if (body.kind === "bytes") await catalog.release(body.segments);
  }
}
