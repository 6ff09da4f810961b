import type { RecordLimits } from "./record.ts";

/** What one connection, and all of them together, may use. */
export interface RpcLimits extends RecordLimits {
  /** Past it the oldest connection that has not made a call yet gives way, or the new one is refused. */
  readonly maxConnections: number;
  /** Of all connections: past it the one whose record has been incomplete for longest is closed. */
  readonly maxPartialBytes: number;
  /** Of one connection: calls whose reply has not been sent; past it, it is not read. */
  readonly maxCallsInProgress: number;
  /** Of one connection: records that the program works on; past it, it is not read. */
  readonly maxBytesInProgress: number;
  /** Of one connection: with more waiting to be sent it is not read. */
  readonly maxUnsentBytes: number;
  /** A record must be whole within this time of its first byte. */
  readonly recordMs: number;
  /** The first call must have been answered within this time of the connection. */
  readonly firstCallMs: number;
  /** Without a call for so long, a connection is closed; Linux renews its lease far more often. */
  readonly idleMs: number;
  /** A peer that takes nothing of what is sent for so long is gone. */
  readonly sendMs: number;
}

const mebibyte = 1024 * 1024;

/** Limits for one Linux client with up to 16 connections and 64 slots of 1 MiB. */
export const defaultRpcLimits: RpcLimits = {
  maxRecordBytes: 1.1 * mebibyte,
  maxFragments: 256,
  maxConnections: 1024,
  maxPartialBytes: 64 * mebibyte,
  maxCallsInProgress: 128,
  // All slots of a session may carry a WRITE; whoever stopped reading there would hold up COMMIT too.
  maxBytesInProgress: 80 * mebibyte,
  maxUnsentBytes: 4 * mebibyte,
  recordMs: 30_000,
  firstCallMs: 30_000,
  idleMs: 360_000,
  sendMs: 60_000,
};
