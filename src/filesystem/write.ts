import type { InodeRow } from "../cache/inodes.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { Stability } from "../vfs/file-system.ts";
import { contentChanged } from "./content-changed.ts";
import type { Context } from "./context.ts";
import { checkSize, holesWithin, requireRegular } from "./resize.ts";

/** The first half of a write: its bytes, on their way to a cache file or there. */
class StagedWrite {
  readonly generation: number;
  /** Ends its count among the writes in flight. */
  readonly end: () => void;
  written = false;
  synced = false;
  applied = false;
  givenUp = false;
  failure: unknown;
  constructor(generation: number, end: () => void) {
    this.generation = generation;
    this.end = end;
  }
}

/** The attempts of one WRITE. */
class StagedAttempts {
  write: StagedWrite | undefined;
  /** When the wait for room on the disk is over. */
  deadlineMs: number | undefined;
}

interface Write {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly chunks: readonly Uint8Array[];
  readonly stability: Stability;
}

function isDiskFull(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "ENOSPC" || error.code === "EDQUOT")
  );
}

/** Waits for room until its time is over. @throws {FsError} NOSPC then. */
function waitForRoom(context: Context, call: Call, attempts: StagedAttempts, write: Write): never {
  const nowMs = context.clock.monotonicMs();
  attempts.deadlineMs ??= nowMs + context.space.waitMs;
  if (nowMs >= attempts.deadlineMs) {
    throw new FsError(
      "NOSPC",
      `No room on the disk of volume ${context.options.volumeId} for ${write.sizeBytes} bytes`,
    );
  }
  throw call.suspend(context.space.wait(write.sizeBytes), "disk");
}

/** Starts the first half and suspends. @throws {FsError} NOSPC. */
function stage(
  context: Context,
  call: Call,
  row: InodeRow,
  attempts: StagedAttempts,
  write: Write,
): never {
  const { state, writes, space } = context;
  const { offsetBytes, sizeBytes } = write;
  const end = offsetBytes + sizeBytes;
  const inside = Math.max(offsetBytes, Math.min(end, row.sizeBytes));
  space.requireCapacity(end - inside + holesWithin(context, row, offsetBytes, inside));
  if (!space.hasDiskRoom(sizeBytes)) waitForRoom(context, call, attempts, write);
  const admitted = writes.admission(row.id, sizeBytes);
  if (admitted !== undefined) throw call.suspend(admitted, "disk");
  const staged = new StagedWrite(row.writeGeneration, writes.begin(row.id, sizeBytes));
  attempts.write = staged;
  const work = state.files.write(row.id, staged.generation, offsetBytes, write.chunks).then(
    () => {
      staged.written = true;
    },
    (error: unknown) => {
      staged.failure = error;
    },
  );
  call.onClose(() => {
    if (!staged.applied) void work.then(() => giveUp(context, row, staged));
  });
  throw call.suspend(work, "disk");
}

/** Given up, a write counts until its bytes have reached the file: a freeze must not see them arrive. */
function giveUp(context: Context, row: InodeRow, staged: StagedWrite): void {
  if (staged.applied) return;
  staged.givenUp = true;
  staged.end();
  // The file may have been dropped, and its cache file been made again by this write.
  context.state.removeUnusedFiles(row.id, [staged.generation]);
}

/** The second half: the extents, the size, the times. */
function apply(context: Context, call: Call, row: InodeRow, write: Write): void {
  const { extents } = context.state;
  const start = write.offsetBytes;
  const end = start + write.sizeBytes;
  const size = row.sizeBytes;
  if (start > size) {
    extents.addHole(row.id, size, start);
    row.holeBytes += start - size;
  }
  row.holeBytes -= holesWithin(context, row, start, Math.min(end, size));
  const isSynced = write.stability !== "unstable";
  const replaced = extents.write(row.id, start, end, row.writeGeneration, isSynced);
  if (replaced.size > 0) context.state.removeUnusedFiles(row.id, replaced);
  row.sizeBytes = Math.max(size, end);
  context.source.touch(row.id);
  contentChanged(context, call, row);
}

/**
 * The second half of a write that is stable only in S3: applied in a transaction of its own, as the export has to see
 * it. A client that hears nothing sends the same write again, which changes nothing.
 */
async function applyForS3(
  context: Context,
  call: Call,
  inode: InodeNumber,
  write: Write,
  staged: StagedWrite,
): Promise<void> {
  if (staged.givenUp) return;
  const isApplied = context.state.db.transaction(() => {
    const row = context.row(inode);
    // Emptied meanwhile: the next attempt stages its bytes again.
    if (staged.generation !== row.writeGeneration) return false;
    apply(context, call, row, write);
    return true;
  });
  if (!isApplied) return;
  staged.applied = true;
  staged.end();
  await context.synchroniser.exported(inode);
}

/** See {@link import("../vfs/file-system.ts").FileSystem.write}. */
export function write(
  context: Context,
  call: Call,
  inode: InodeNumber,
  offsetBytes: number,
  chunks: readonly Uint8Array[],
  stability: Stability,
): { readonly committed: Stability } {
  context.beginChange(call);
  const row = context.row(inode);
  const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  requireRegular(row);
  checkSize(row, offsetBytes + sizeBytes);
  if (sizeBytes === 0) return { committed: stability };
  const request: Write = { offsetBytes, sizeBytes, chunks, stability };
  const attempts = call.staged instanceof StagedAttempts ? call.staged : new StagedAttempts();
  call.staged = attempts;
  const staged = attempts.write;
  if (staged === undefined) stage(context, call, row, attempts, request);
  if (staged.applied) return { committed: stability };
  if (staged.failure !== undefined || staged.generation !== row.writeGeneration) {
    // Another program filled the disk, or the file took a new generation when it was emptied: once more.
    staged.end();
    attempts.write = undefined;
    if (staged.failure === undefined) stage(context, call, row, attempts, request);
    if (isDiskFull(staged.failure)) waitForRoom(context, call, attempts, request);
    throw new FsError("IO", `Cannot write to a cache file of inode ${inode}`, {
      cause: staged.failure,
    });
  }
  if (stability !== "unstable" && !staged.synced) {
    const synced = context.dataSyncs.sync(inode, [staged.generation]).then(() => {
      staged.synced = true;
    });
    throw call.suspend(synced, "disk");
  }
  if (stability !== "unstable" && context.options.waitsForS3 === true) {
    const work = Promise.resolve().then(() => applyForS3(context, call, inode, request, staged));
    throw call.suspend(work, "remote");
  }
  apply(context, call, row, request);
  staged.applied = true;
  staged.end();
  return { committed: stability };
}
