import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import type { CommandResult } from "../../support/guest-channel.ts";
import { places } from "./places.ts";

/** What a keeper can be asked for. */
export interface KeeperCalls {
  about(): Promise<KeeperSummary>;
  /** Runs a bash script on a node, as root. */
  run(node: string, script: string, timeoutMs: number): Promise<CommandResult>;
  /** Ends everything on a node at once; its disk keeps what was synced. */
  powerCut(node: string): Promise<void>;
  /** Ends a node in order. */
  shutDown(node: string): Promise<void>;
  powerOn(node: string): Promise<void>;
  /** Ends the store's connections, lets it take requests without an answer, or lets it answer again. */
  store(state: "up" | "down" | "blackhole"): Promise<void>;
}

/** The cluster that a keeper keeps. */
export interface KeeperSummary {
  readonly pid: number;
  /** Network namespace of the control plane and the store. */
  readonly namespace: string;
  readonly nodes: readonly string[];
}

/** A question, as it passes through the socket: one per connection. */
export interface KeeperQuestion {
  readonly method: keyof KeeperCalls;
  readonly args: readonly unknown[];
}

/** Its answer. */
export interface KeeperAnswer {
  readonly result?: unknown;
  readonly error?: string;
}

/** Asks the keeper of this checkout's cluster. */
export async function askKeeper<M extends keyof KeeperCalls>(
  method: M,
  ...args: Parameters<KeeperCalls[M]>
): Promise<Awaited<ReturnType<KeeperCalls[M]>>> {
  const socket = connect(places.socket);
  await once(socket, "connect");
  socket.end(JSON.stringify({ method, args } satisfies KeeperQuestion));
  const { result, error } = JSON.parse(await text(socket)) as KeeperAnswer;
  if (error !== undefined) throw new Error(error);
  return result as Awaited<ReturnType<KeeperCalls[M]>>;
}

/** The running cluster of this checkout, if there is one. */
export async function runningCluster(): Promise<KeeperSummary | undefined> {
  if (!existsSync(places.socket)) return undefined;
  try {
    return await askKeeper("about");
  } catch (error) {
    // The socket of a keeper that was killed.
    if (error instanceof Error && "code" in error && error.code === "ECONNREFUSED")
      return undefined;
    throw error;
  }
}
