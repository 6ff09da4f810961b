/** Most bytes of data in one READ or WRITE: the Linux client's own ceiling. */
export const maxTransferBytes = 1024 * 1024;

/** Room for the headers around the data of one READ or WRITE. */
const envelopeBytes = 16 * 1024;

/** What this server grants a session (RFC 8881 §18.36.3). */
export const sessionLimits = {
  maxRequestBytes: maxTransferBytes + envelopeBytes,
  maxResponseBytes: maxTransferBytes + envelopeBytes,
  maxCachedBytes: 64 * 1024,
  maxOperations: 64,
  slots: 64,
  sessionsOfClient: 64,
} as const;

/**
 * The least that a session can work with, a SEQUENCE and one small operation; less is TOOSMALL. The same holds for a back
 * channel, where the client offers one at all.
 */
export const leastSession = {
  maxRequestBytes: 200,
  maxResponseBytes: 200,
  maxOperations: 2,
} as const;

/**
 * What a client may hold: past it new ones are answered with DELAY. RFC 8881 §15.1 has no status for a server without
 * resources (RESOURCE was NFSv4.0's), and DELAY is in every list.
 */
export const stateLimits = {
  opensOfClient: 262_144,
  /** Lock states, each of one lock-owner on one file. */
  locksOfClient: 262_144,
  /** Ranges of one lock state: each LOCK writes them all. */
  rangesOfLock: 4096,
} as const;

/** Replies up to this size are kept for a replay even when the client did not ask for it. */
export const keptReplyBytes = 8 * 1024;

/** Longest wait for S3 before an operation answers DELAY. */
export const remoteWaitMs = 25_000;

/** A server that stops goes on with compounds that wait for the disk for so long. */
export const drainMs = 5000;

/** Lease time, which also caps the Linux client's reconnect back-off, at half of it. */
export const leaseSeconds = 20;

/** Latest time after which changes are on the disk that nobody asked to be synced. */
export const backgroundSyncMs = 1000;
