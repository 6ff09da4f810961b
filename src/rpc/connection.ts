import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { XdrError } from "../xdr/error.ts";
import type { RpcLimits } from "./limits.ts";
import { type CallHeader, decodeCall, encodeReply, type ReplyHeader } from "./message.ts";
import type { RpcPeer, RpcProgram, RpcReply } from "./program.ts";
import { RecordAssembler, type RpcRecord } from "./record.ts";

/** What a connection needs from its surroundings. */
export interface RpcConnectionDependencies {
  readonly socket: Duplex;
  readonly program: RpcProgram;
  readonly clock: Clock;
  readonly log: Log;
  /** Called once, at the first call that the program answered with success, other than procedure 0. */
  readonly onProven: () => void;
  /** Called with every change of the bytes held of an incomplete record, down to none at the end. */
  readonly onPartialBytes: (change: number) => void;
  /** Called once; with a reason when it was closed from this side. */
  readonly onClosed: (reason: string | undefined) => void;
}

/** A reply that waits to be sent, and whose owner waits for that. */
interface Unsent {
  readonly onSent: () => void;
}

/**
 * One connection: records in, calls to the program, replies out, each within the limits. It reads no
 * further while too much is in progress or unsent, so a peer can hold no more memory than the limits say.
 */
export class RpcConnection implements RpcPeer {
  readonly id: number;
  readonly #limits: RpcLimits;
  readonly #with: RpcConnectionDependencies;
  readonly #socket: Duplex;
  readonly #assembler: RecordAssembler;
  readonly #closeCallbacks: (() => void)[] = [];
  readonly #unsent = new Set<Unsent>();
  #closed = false;
  #reason: string | undefined;
  #isPaused = false;
  #isStopping = false;
  #isCorked = false;
  #isProven = false;
  /** Calls whose reply is not sent. */
  #callsInProgress = 0;
  #bytesInProgress = 0;
  #partialBytes = 0;
  #lastCallMs: number;
  #partialSinceMs: number | undefined;
  #lastProgressMs: number;

  constructor(
    options: { readonly id: number; readonly limits: RpcLimits },
    dependencies: RpcConnectionDependencies,
  ) {
    this.id = options.id;
    this.#limits = options.limits;
    this.#with = dependencies;
    this.#socket = dependencies.socket;
    this.#assembler = new RecordAssembler(options.limits);
    this.#lastCallMs = dependencies.clock.monotonicMs();
    this.#lastProgressMs = this.#lastCallMs;
    this.#socket.on("data", (bytes: Uint8Array) => {
      this.#assembler.push(bytes);
      this.#pump();
    });
    this.#socket.on("drain", () => this.#pump());
    // A client that has ended its side waits for nothing: its calls run on, their replies stay in the slots.
    this.#socket.on("end", () => this.#socket.destroy());
    this.#socket.on("error", (error: Error) => {
      this.#with.log.debug("Connection failed", { connection: this.id, error });
    });
    this.#socket.on("close", () => this.#onClose());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Since when an incomplete record has been held; undefined when there is none. */
  get partialSinceMs(): number | undefined {
    return this.#partialSinceMs;
  }

  onClose(run: () => void): void {
    if (this.#closed) run();
    else this.#closeCallbacks.push(run);
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#reason ??= reason;
    this.#socket.destroy();
    this.#onClose();
  }

  /** Reads nothing more, finishes the calls in progress, sends their replies and closes. */
  stop(): void {
    this.#isStopping = true;
    this.#pump();
    this.#endWhenDone();
  }

  /** Closes the connection when it has been too slow or silent. */
  checkTimes(nowMs: number): void {
    const { recordMs, firstCallMs, idleMs, sendMs } = this.#limits;
    const unsent = this.#socket.writableLength;
    if (unsent > 0 && nowMs - this.#lastProgressMs > sendMs) {
      this.close(`Peer took nothing of ${unsent} bytes for ${sendMs} ms`);
    } else if (this.#partialSinceMs !== undefined && nowMs - this.#partialSinceMs > recordMs) {
      this.close(`Record not complete after ${recordMs} ms`);
    } else if (this.#callsInProgress === 0) {
      const limit = this.#isProven ? idleMs : firstCallMs;
      if (nowMs - this.#lastCallMs > limit) this.close(`No call for ${limit} ms`);
    }
  }

  get #mustWait(): boolean {
    return (
      this.#closed ||
      this.#isStopping ||
      this.#callsInProgress >= this.#limits.maxCallsInProgress ||
      this.#bytesInProgress >= this.#limits.maxBytesInProgress ||
      (this.#socket.writableNeedDrain && this.#socket.writableLength > this.#limits.maxUnsentBytes)
    );
  }

  /** Handles the records that are there, as far as the limits allow, and reads on or not accordingly. */
  #pump(): void {
    try {
      while (!this.#mustWait) {
        const record = this.#assembler.next();
        if (record === undefined) break;
        this.#partialSinceMs = undefined;
        this.#dispatch(record);
      }
    } catch (error) {
      if (!(error instanceof XdrError)) throw error;
      this.close(error.message);
    }
    if (this.#closed) return;
    // While this side does not read, the peer cannot complete its record.
    if (this.#mustWait || !this.#assembler.isPartial) this.#partialSinceMs = undefined;
    else this.#partialSinceMs ??= this.#with.clock.monotonicMs();
    this.#reportPartial(this.#assembler.partialBytes);
    if (this.#closed) return;
    if (this.#mustWait !== this.#isPaused) {
      this.#isPaused = this.#mustWait;
      if (this.#isPaused) this.#socket.pause();
      else this.#socket.resume();
    }
  }

  #reportPartial(bytes: number): void {
    const change = bytes - this.#partialBytes;
    if (change === 0) return;
    this.#partialBytes = bytes;
    this.#with.onPartialBytes(change);
  }

  #dispatch(record: RpcRecord): void {
    const call = decodeCall(record);
    const { program } = this.#with;
    this.#callsInProgress += 1;
    if (call.kind === "rpcMismatch") {
      this.#send(call.xid, { kind: "RPC_MISMATCH" });
    } else if (call.kind === "authError") {
      this.#send(call.xid, { kind: "AUTH_ERROR", status: call.status });
    } else if (call.program !== program.program) {
      this.#send(call.xid, { kind: "PROG_UNAVAIL" });
    } else if (call.version !== program.version) {
      this.#send(call.xid, { kind: "PROG_MISMATCH", version: program.version });
    } else {
      void this.#run(call, record.lengthBytes);
    }
  }

  /** Never rejects. */
  async #run(call: CallHeader, recordBytes: number): Promise<void> {
    this.#bytesInProgress += recordBytes;
    let reply: RpcReply;
    try {
      reply = await this.#with.program.handle({
        xid: call.xid,
        program: call.program,
        version: call.version,
        procedure: call.procedure,
        credential: call.credential,
        args: call.args,
        recordBytes,
        connection: this,
      });
    } catch (error) {
      reply = this.#replyOf(call, error);
    }
    this.#bytesInProgress -= recordBytes;
    this.#lastCallMs = this.#with.clock.monotonicMs();
    this.#answer(call, reply);
    this.#pump();
  }

  #replyOf(call: CallHeader, error: unknown): RpcReply {
    if (error instanceof XdrError) return { kind: "garbageArguments" };
    this.#with.log.error("Call failed", { xid: call.xid, procedure: call.procedure, error });
    return { kind: "systemError" };
  }

  #answer(call: CallHeader, reply: RpcReply): void {
    switch (reply.kind) {
      case "success":
        if (!this.#isProven && call.procedure !== 0) {
          this.#isProven = true;
          this.#with.onProven();
        }
        this.#send(call.xid, { kind: "SUCCESS" }, reply.results, reply.onSent);
        break;
      case "procedureUnavailable":
        this.#send(call.xid, { kind: "PROC_UNAVAIL" });
        break;
      case "garbageArguments":
        this.#send(call.xid, { kind: "GARBAGE_ARGS" });
        break;
      case "systemError":
        this.#send(call.xid, { kind: "SYSTEM_ERR" });
        break;
      case "none":
        this.#finishCall();
        break;
    }
  }

  #send(
    xid: number,
    header: ReplyHeader,
    results: readonly Uint8Array[] = [],
    onSent?: () => void,
  ): void {
    if (this.#closed) {
      if (onSent !== undefined) this.#tellSent({ onSent });
      return;
    }
    let lengthBytes = 0;
    for (const each of results) lengthBytes += each.length;
    const unsent = onSent === undefined ? undefined : { onSent };
    if (unsent !== undefined) this.#unsent.add(unsent);
    // All replies of this turn of the event loop leave in one gathering write.
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(this.#uncork);
    }
    if (this.#socket.writableLength === 0) this.#lastProgressMs = this.#with.clock.monotonicMs();
    let previous: Uint8Array = encodeReply(xid, header, lengthBytes);
    for (const each of results) {
      this.#socket.write(previous);
      previous = each;
    }
    this.#socket.write(previous, () => this.#onWritten(unsent));
  }

  readonly #uncork = (): void => {
    this.#isCorked = false;
    this.#socket.uncork();
  };

  #onWritten(unsent: Unsent | undefined): void {
    this.#lastProgressMs = this.#with.clock.monotonicMs();
    if (unsent !== undefined && this.#unsent.delete(unsent)) this.#tellSent(unsent);
    const mustWait = this.#mustWait;
    this.#finishCall();
    if (mustWait) this.#pump();
  }

  /** Whoever fails to clean up after a reply must not take other connections along. */
  #tellSent(unsent: Unsent): void {
    try {
      unsent.onSent();
    } catch (error) {
      this.#with.log.error("Cannot release what a reply held", { connection: this.id, error });
    }
  }

  #finishCall(): void {
    this.#callsInProgress -= 1;
    if (this.#isStopping) this.#endWhenDone();
  }

  #endWhenDone(): void {
    if (this.#callsInProgress === 0 && !this.#socket.writableEnded) this.#socket.end(this.#ended);
  }

  readonly #ended = (): void => {
    this.#socket.destroy();
  };

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reportPartial(0);
    for (const unsent of this.#unsent) this.#tellSent(unsent);
    this.#unsent.clear();
    for (const run of this.#closeCallbacks.splice(0)) run();
    this.#with.onClosed(this.#reason);
  }
}
