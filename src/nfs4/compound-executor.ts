import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { RpcReply } from "../rpc/program.ts";
import type { Suspended } from "../vfs/call.ts";
import { FsError } from "../vfs/error.ts";
import type { Compound } from "./compound.ts";
import type { Durability } from "./durability.ts";
import { drainMs, keptReplyBytes, remoteWaitMs, sessionLimits } from "./limits.ts";
import type { NfsObserver } from "./observer.ts";
import type { ProtocolState } from "./state/protocol-state.ts";
import type { InFlight, Slot } from "./state/slot.ts";
import { statusOfFsError } from "./status.ts";

/** What the executor works with. */
export interface ExecutorDependencies {
  readonly state: ProtocolState;
  readonly durability: Durability;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: NfsObserver;
}

/** The slot of a compound and the request on it. */
export interface SlotRequest {
  readonly slot: Slot;
  readonly sequenceId: number;
  readonly fingerprint: number;
}

/** A compound in execution and where its reply goes. */
interface Execution {
  readonly compound: Compound;
  readonly slot: Slot | undefined;
  readonly inFlight: InFlight | undefined;
  /** The reply as it was stored. */
  stored: { readonly reply: Uint8Array | undefined } | undefined;
  /** Take the reply: the request, and each time that it has come again. */
  readonly responders: ((reply: RpcReply) => void)[];
}

/**
 * Executes compounds: a batch is one transaction up to the end or to where an operation has to wait; the wait is
 * outside any transaction. The transaction that ends a compound holds its changes, its state and its slot's reply.
 * Nothing is awaited inside one, and no reply leaves before its transaction is committed.
 */
export class CompoundExecutor {
  readonly #deps: ExecutorDependencies;
  readonly #running = new Set<Execution>();
  /** How to give up each wait for S3. */
  readonly #remoteWaits = new Set<() => void>();
  readonly #idle: (() => void)[] = [];
  #isDraining = false;
  /** Draining has taken so long that what still waits, for room on a full disk, is given up too. */
  #isOverdue = false;
  #mutating = 0;

  constructor(deps: ExecutorDependencies) {
    this.#deps = deps;
  }

  /** Runs a compound to its end. At once, unless it has to wait. */
  execute(compound: Compound, request: SlotRequest | undefined): RpcReply | Promise<RpcReply> {
    let reply: RpcReply | undefined;
    const execution: Execution = {
      compound,
      slot: request?.slot,
      inFlight:
        request === undefined
          ? undefined
          : {
              sequenceId: request.sequenceId,
              fingerprint: request.fingerprint,
              // RFC 8881 §2.9.2: no request is dropped silently, and each is answered where it came from.
              rejoin: (respond) => execution.responders.push(respond),
            },
      stored: undefined,
      responders: [
        (early) => {
          reply = early;
        },
      ],
    };
    if (request !== undefined) request.slot.inFlight = execution.inFlight;
    this.#running.add(execution);
    if (compound.session !== undefined) {
      this.#deps.state.leases.begin(compound.session.record.clientId);
    }
    this.#advance(execution);
    if (reply !== undefined) return reply;
    return new Promise((resolve) => {
      execution.responders[0] = resolve;
    });
  }

  /** To be told when a compound begins its first change. */
  readonly onMutation = (): void => {
    this.#mutating += 1;
    this.#deps.observer.mutating(this.#mutating);
  };

  #advance(execution: Execution): void {
    const { compound } = execution;
    const { ledger } = this.#deps.state;
    try {
      // RFC 8881 §2.10.6.5: what is done and what is answered are one change.
      const suspended = ledger.transaction(() => {
        const outcome = compound.run();
        if (outcome === undefined) this.#store(execution);
        else if (compound.hasChanged) this.#storeSuspended(execution);
        return outcome;
      });
      if (suspended !== undefined) {
        this.#wait(execution, suspended);
        return;
      }
    } catch (error) {
      // What the file system means throws in an operation; this comes from the transaction: a full disk.
      const status = error instanceof FsError ? statusOfFsError[error.code] : "NFS4ERR_SERVERFAULT";
      this.#deps.log.error("Compound failed; its changes were undone", { error });
      this.#replace(execution, () => compound.failBatch(status));
    }
    this.#settle(execution);
  }

  /** Changes the answer and stores the changed one. */
  #replace(execution: Execution, change: () => void): void {
    execution.stored = undefined;
    change();
    try {
      this.#deps.state.ledger.transaction(() => this.#store(execution));
    } catch (error) {
      this.#deps.log.error("Cannot store the reply of a failed compound", { error });
    }
  }

  /** Stores the slot's reply where a second execution would do harm, or the client asked for it. */
  #store(execution: Execution): void {
    const { compound, slot, inFlight } = execution;
    if (slot === undefined || inFlight === undefined || compound.session?.ended === true) return;
    if (!compound.hasMutated && !compound.cacheThis && !slot.isStoreDue(inFlight.sequenceId)) {
      return;
    }
    execution.stored = { reply: this.#kept(compound) };
    slot.storeAnswer(this.#deps.state.ledger, inFlight, execution.stored.reply);
  }

  #storeSuspended({ compound, slot, inFlight }: Execution): void {
    if (slot === undefined || inFlight === undefined || compound.session?.ended === true) return;
    slot.storeSuspended(this.#deps.state.ledger, inFlight, compound.resumePoint);
  }

  /** The reply for a replay, when it is to be kept (RFC 8881 §2.10.6.4, §18.46.3). */
  #kept(compound: Compound): Uint8Array | undefined {
    const mustKeep = compound.hasMutated || compound.cacheThis;
    const limitBytes = mustKeep ? sessionLimits.maxCachedBytes : keptReplyBytes;
    return compound.reply.lengthBytes <= limitBytes ? compound.reply.toBuffer() : undefined;
  }

  /** Waits for what the pending operation lacks, then goes on. */
  #wait(execution: Execution, suspended: Suspended): void {
    if (suspended.reason === "disk") {
      void suspended.ready.then(() => {
        if (this.#isOverdue) this.#abandon(execution);
        else this.#advance(execution);
      });
      return;
    }
    if (this.#isDraining) {
      this.#abandon(execution);
      return;
    }
    const { compound } = execution;
    const { session } = compound;
    // Five cold readers would fill all slots: the rest of the session must go on.
    const mostWaiting = session === undefined ? 1 : Math.ceil(session.record.slots / 2);
    if (session !== undefined && session.waitingForRemote >= mostWaiting) {
      compound.refusePending("NFS4ERR_DELAY");
      this.#advance(execution);
      return;
    }
    if (session !== undefined) session.waitingForRemote += 1;
    let isOver = false;
    const end = (next: () => void) => {
      if (isOver) return;
      isOver = true;
      cancel();
      this.#remoteWaits.delete(giveUp);
      if (session !== undefined) session.waitingForRemote -= 1;
      next();
    };
    const giveUp = () => end(() => this.#abandon(execution));
    const cancel = this.#deps.clock.schedule(remoteWaitMs, () =>
      end(() => {
        compound.refusePending("NFS4ERR_DELAY");
        this.#advance(execution);
      }),
    );
    this.#remoteWaits.add(giveUp);
    void suspended.ready.then(() => end(() => this.#advance(execution)));
  }

  /** The last batch is committed: the reply leaves when it may. */
  #settle(execution: Execution): void {
    const { compound } = execution;
    const { durability } = this.#deps;
    const { syncFrom } = compound;
    if (syncFrom === undefined || syncFrom >= compound.reply.count) {
      if (compound.hasMutated) durability.changed();
      this.#finish(execution);
      return;
    }
    const { syncUpTo } = compound;
    if (syncUpTo !== undefined && compound.hasMutated) durability.changed();
    void durability.sync(syncUpTo).then((isOnDisk) => {
      if (!isOnDisk) this.#replace(execution, () => compound.failAt(syncFrom, "NFS4ERR_IO"));
      this.#finish(execution);
    });
  }

  #finish(execution: Execution): void {
    const { compound, slot, inFlight, stored } = execution;
    const kept = stored === undefined && slot !== undefined ? this.#kept(compound) : stored?.reply;
    if (slot !== undefined && inFlight !== undefined) slot.finish(inFlight, kept);
    this.#leave(execution);
    const results = kept === undefined ? compound.reply.buffers() : [kept];
    let unsent = execution.responders.length;
    const onSent = () => {
      unsent -= 1;
      if (unsent === 0) compound.close();
    };
    for (const respond of execution.responders) respond({ kind: "success", results, onSent });
  }

  /** The server stops: the client will ask the next one. */
  #abandon(execution: Execution): void {
    const { slot, compound } = execution;
    if (slot !== undefined) slot.inFlight = undefined;
    this.#leave(execution);
    for (const respond of execution.responders) respond({ kind: "none" });
    compound.close();
  }

  #leave(execution: Execution): void {
    this.#running.delete(execution);
    const { session } = execution.compound;
    if (session !== undefined) this.#deps.state.leases.end(session.record.clientId);
    if (execution.compound.hasBegunChange) {
      this.#mutating -= 1;
      this.#deps.observer.mutating(this.#mutating);
    }
    if (this.#running.size > 0) return;
    for (const wake of this.#idle.splice(0)) wake();
  }

  /**
   * Resolves when nothing runs. Compounds that wait for S3 are given up, and after a while those that wait for the disk
   * again and again: they have changed nothing since their last batch.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    for (const giveUp of [...this.#remoteWaits]) giveUp();
    if (this.#running.size === 0) return;
    const cancel = this.#deps.clock.schedule(drainMs, () => {
      this.#isOverdue = true;
    });
    await new Promise<void>((resolve) => this.#idle.push(resolve));
    cancel();
  }
}
