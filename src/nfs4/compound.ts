import { type RpcPeer, replyHeaderBytes } from "../rpc/program.ts";
import { Call, type Caller, Suspended } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import { XdrError } from "../xdr/error.ts";
import type { XdrReader } from "../xdr/reader.ts";
import { CompoundReply } from "./compound-reply.ts";
import type { NfsObserver } from "./observer.ts";
import type { Operation, OperationContext, Position, ServerContext } from "./operation.ts";
import { illegal, operationOf } from "./operations.ts";
import { permittedStatus } from "./permitted.ts";
import type { Session } from "./state/session.ts";
import type { ResumePoint } from "./state/slot.ts";
import { NfsError, statusOfFsError } from "./status.ts";
import type { nfsstat4 } from "./wire/status.ts";

/** An operation that is next: decoded once, run until it has a result. */
interface Pending {
  readonly operation: Operation;
  readonly args: unknown;
  readonly call: Call;
  /** Why it is not run at all. */
  refusal: nfsstat4 | undefined;
}

/** What a compound is made of. */
export interface CompoundOptions {
  readonly minorVersion: 1 | 2;
  readonly tag: Uint8Array;
  /** Operations in the request. */
  readonly count: number;
  /** At the operation that `next` counts to. */
  readonly reader: XdrReader;
  readonly caller: Caller;
  readonly principal: string;
  readonly connection: RpcPeer;
  readonly session: Session | undefined;
  readonly cacheThis: boolean;
}

/** What a compound asks of its server. */
export interface CompoundDependencies {
  readonly server: ServerContext;
  readonly observer: NfsObserver;
  /** Whether changes are refused because the disk has failed. */
  readonly refusesChanges: () => boolean;
  /** Every change but an unstable WRITE is on the disk before the reply. */
  readonly isStrict: boolean;
  /** The first change is about to be tried. */
  readonly onMutation: () => void;
}

/** One COMPOUND on its way: which operation is next, the registers between operations, and the reply so far. */
export class Compound implements OperationContext {
  readonly fileSystem: ServerContext["fileSystem"];
  readonly state: ServerContext["state"];
  readonly filehandles: ServerContext["filehandles"];
  readonly identity: ServerContext["identity"];
  readonly randomBytes: ServerContext["randomBytes"];
  readonly minorVersion: 1 | 2;
  readonly principal: string;
  readonly connection: RpcPeer;
  readonly session: Session | undefined;
  readonly reply: CompoundReply;
  current: Position | undefined;
  saved: Position | undefined;
  /** The first operation that wants the store synced before the reply. */
  syncFrom: number | undefined;
  /** Up to which position of the store, if not up to this compound's end. */
  syncUpTo: number | undefined;
  /** A mutating operation was tried, so that the reply has to be stored. */
  hasMutated = false;
  /** A change was begun, whether or not it was made. */
  hasBegunChange = false;

  readonly #options: CompoundOptions;
  readonly #deps: CompoundDependencies;
  readonly #calls: Call[] = [];
  /** The rows of the operations taken so far. */
  readonly #operations: Operation[] = [];
  #pending: Pending | undefined;
  /** The first operation of the current batch that has changed something. */
  #firstChange: number | undefined;

  constructor(options: CompoundOptions, deps: CompoundDependencies) {
    const { server } = deps;
    this.fileSystem = server.fileSystem;
    this.state = server.state;
    this.filehandles = server.filehandles;
    this.identity = server.identity;
    this.randomBytes = server.randomBytes;
    this.minorVersion = options.minorVersion;
    this.principal = options.principal;
    this.connection = options.connection;
    this.session = options.session;
    this.reply = new CompoundReply(options.tag);
    this.#options = options;
    this.#deps = deps;
  }

  get call(): Call {
    if (this.#pending === undefined) throw new Error("No operation is running");
    return this.#pending.call;
  }

  get isLast(): boolean {
    return this.reply.count + 1 === this.#options.count;
  }

  get roomBytes(): number {
    return this.#limitBytes - replyHeaderBytes - this.reply.lengthBytes - 4;
  }

  requireSync(): void {
    this.syncFrom ??= this.reply.count;
    this.syncUpTo = undefined;
  }

  requireEarlierSync(): void {
    if (this.hasMutated) this.requireSync();
    if (this.syncFrom !== undefined) return;
    this.syncFrom = this.reply.count;
    this.syncUpTo = this.state.ledger.commits;
  }

  /** Whether the client asked for the reply to be kept. */
  get cacheThis(): boolean {
    return this.#options.cacheThis;
  }

  get #limitBytes(): number {
    const session = this.session?.record;
    if (session === undefined) return 64 * 1024;
    return this.cacheThis
      ? Math.min(session.maxResponseBytes, session.maxCachedBytes)
      : session.maxResponseBytes;
  }

  /** The SEQUENCE that this compound began with has succeeded; returns why not, when not even its result may be sent. */
  begin(operation: Operation, result: unknown): nfsstat4 | undefined {
    this.#operations.push(operation);
    this.reply.succeed(operation, result);
    // RFC 8881 §2.10.6.4.
    if (this.reply.lengthBytes + replyHeaderBytes > this.#limitBytes) return this.#tooBig();
    this.#deps.observer.operation(operation.name, "NFS4_OK");
    return undefined;
  }

  /** Goes on where an earlier process stopped. To be called after {@link begin}, before {@link run}. */
  resume(point: ResumePoint): void {
    for (const result of point.results.slice(1)) {
      const { operation } = this.#take();
      this.#operations.push(operation);
      this.reply.restore(result);
    }
    this.current = position(point.current);
    this.saved = position(point.saved);
    this.syncFrom = point.syncFrom;
    this.hasMutated = true;
  }

  /** How far it has come, for {@link resume}. */
  get resumePoint(): ResumePoint {
    return {
      next: this.reply.count,
      results: this.reply.results(),
      current: this.current,
      saved: this.saved,
      syncFrom: this.syncFrom,
    };
  }

  /** Whether the current batch has changed something. */
  get hasChanged(): boolean {
    return this.#firstChange !== undefined;
  }

  /**
   * Runs operations until one is suspended, which is returned, or all are done. Inside one transaction: what it
   * throws is a bug or a failed disk, and undoes the batch.
   */
  run(): Suspended | undefined {
    this.#firstChange = undefined;
    while (this.reply.status === "NFS4_OK" && this.reply.count < this.#options.count) {
      this.#pending ??= this.#take();
      const suspended = this.#step(this.#pending);
      if (suspended !== undefined) return suspended;
      this.#operations.push(this.#pending.operation);
      this.#deps.observer.operation(this.#pending.operation.name, this.reply.status);
      this.#pending = undefined;
    }
    return undefined;
  }

  #take(): Pending {
    const { reader, caller, minorVersion } = this.#options;
    const call = new Call(caller);
    this.#calls.push(call);
    let operation = illegal;
    try {
      const known = operationOf(reader.u32(), minorVersion);
      // RFC 8881 §15.1.3.4: an operation that this minor version does not have.
      if (known === undefined) {
        return { operation, args: undefined, call, refusal: "NFS4ERR_OP_ILLEGAL" };
      }
      operation = known;
      return { operation, args: operation.decode(reader), call, refusal: undefined };
    } catch (error) {
      if (!(error instanceof XdrError)) throw error;
      return { operation, args: undefined, call, refusal: statusOfXdrError(error, operation) };
    }
  }

  /** Gives the pending operation its result without running it again. */
  refusePending(status: nfsstat4): void {
    if (this.#pending !== undefined) this.#pending.refusal ??= status;
  }

  #step(pending: Pending): Suspended | undefined {
    const { operation } = pending;
    const refusal = pending.refusal ?? this.#refusal(operation);
    if (refusal !== undefined) {
      this.#fail(operation, refusal);
      return undefined;
    }
    try {
      if (operation.mutates && !this.hasBegunChange) {
        this.hasBegunChange = true;
        this.#deps.onMutation();
      }
      const result = operation.run(pending.args, this);
      if (operation.mutates && this.#deps.isStrict && operation.name !== "OP_WRITE") {
        this.requireSync();
      }
      this.#succeed(operation, result);
    } catch (error) {
      if (error instanceof Suspended) return error;
      if (error instanceof FsError) this.#fail(operation, statusOfFsError[error.code]);
      else if (error instanceof NfsError) this.#fail(operation, error.status, error.result);
      else throw error;
    }
    if (operation.mutates) {
      this.hasMutated = true;
      this.#firstChange ??= this.reply.count - 1;
    }
    return undefined;
  }

  /** Why an operation may not run now. */
  #refusal(operation: Operation): nfsstat4 | undefined {
    if (this.session?.ended === true) return "NFS4ERR_DEADSESSION";
    if (!operation.mutates) return undefined;
    if (this.#deps.refusesChanges()) return "NFS4ERR_IO";
    // RFC 8881 §2.10.6.4: what cannot be answered must not be executed.
    return this.roomBytes < operation.resultBytes ? this.#tooBig() : undefined;
  }

  #tooBig(): nfsstat4 {
    const session = this.session?.record;
    const isForCache =
      this.cacheThis && session !== undefined && session.maxCachedBytes < session.maxResponseBytes;
    return isForCache ? "NFS4ERR_REP_TOO_BIG_TO_CACHE" : "NFS4ERR_REP_TOO_BIG";
  }

  #succeed(operation: Operation, result: unknown): void {
    const index = this.reply.count;
    this.reply.succeed(operation, result);
    // RFC 8881 §2.10.6.4, RFC 8276 §8.4.1.3: what does not fit is not sent.
    if (!operation.mutates && this.reply.lengthBytes + replyHeaderBytes > this.#limitBytes) {
      this.reply.truncate(index);
      this.#fail(operation, this.#tooBig());
    }
  }

  #fail(operation: Operation, status: nfsstat4, body?: unknown): void {
    this.reply.fail(operation, permittedStatus(operation.errors, status), body);
  }

  /** The batch was undone: the answer ends with its first change, or with the operation that failed. */
  failBatch(status: nfsstat4): void {
    const index = this.#firstChange ?? Math.min(this.reply.count, this.#options.count - 1);
    this.failAt(index, status);
    this.#pending = undefined;
  }

  /** Ends the answer with `status` for the operation of that number. */
  failAt(index: number, status: nfsstat4): void {
    const operation = this.#operations[index] ?? this.#pending?.operation ?? illegal;
    this.reply.truncate(index);
    this.#fail(operation, status);
  }

  /** Ends all calls: what they lent to the reply may be used again. */
  close(): void {
    const failures: unknown[] = [];
    for (const call of this.#calls.splice(0)) {
      try {
        call.close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

function position(stored: ResumePoint["current"]): Position | undefined {
  return stored === undefined
    ? undefined
    : { inode: stored.inode as Position["inode"], stateId: stored.stateId };
}

/** What to answer for arguments that cannot be read. */
function statusOfXdrError(error: XdrError, operation: Operation): nfsstat4 {
  switch (error.kind) {
    case "malformed":
      return "NFS4ERR_BADXDR";
    case "tooLarge":
      // Offsets above 2^53−1: beyond any file's greatest size.
      return operation.errors.has("NFS4ERR_FBIG") ? "NFS4ERR_FBIG" : "NFS4ERR_INVAL";
  }
}
