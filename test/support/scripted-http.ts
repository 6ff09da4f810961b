import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo, Socket } from "node:net";

/** Answers one request; the body has been read. */
export type ScriptStep = (
  response: ServerResponse,
  request: IncomingMessage,
  body: Buffer,
) => unknown;

/** A server that answers by a script, and remembers what it was sent. */
export interface ScriptedServer extends AsyncDisposable {
  readonly port: number;
  readonly requests: { readonly message: IncomingMessage; readonly body: Buffer }[];
  /** Connections accepted so far. */
  readonly connections: () => number;
}

/** Starts a server whose nth request gets the nth step; further ones get the last. */
export async function startScripted(
  steps: readonly ScriptStep[],
  tls?: ServerOptions,
): Promise<ScriptedServer> {
  const requests: { message: IncomingMessage; body: Buffer }[] = [];
  const sockets = new Set<Socket>();
  const onRequest = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const step = steps[Math.min(requests.length, steps.length - 1)];
    requests.push({ message, body });
    await step?.(response, message, body);
  };
  const listener = (message: IncomingMessage, response: ServerResponse): void => {
    // A client that goes away in the middle of its body is part of some scripts.
    onRequest(message, response).catch((error: unknown) => response.destroy(error as Error));
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    connections: () => sockets.size,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A step that answers with this. */
export function answer(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = "",
): ScriptStep {
  return (response) => {
    response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
    response.end(body);
  };
}

/** A step that resets the connection without an answer. */
export const reset: ScriptStep = (response) => response.socket?.resetAndDestroy();

/** A step that answers with an S3 error document. */
export function s3Error(
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): ScriptStep {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>Scripted</Message></Error>`;
  return answer(status, { "content-type": "application/xml", ...headers }, body);
}
