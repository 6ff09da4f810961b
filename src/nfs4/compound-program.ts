import { crc32 } from "node:zlib";
import type { RpcCall, RpcPeer, RpcProgram, RpcReply } from "../rpc/program.ts";
import { decodeUtf8 } from "../vfs/name.ts";
import { XdrError } from "../xdr/error.ts";
import { XdrReader } from "../xdr/reader.ts";
import { callerOf, principalOf } from "./caller.ts";
import { Compound, type CompoundDependencies } from "./compound.ts";
import type { CompoundExecutor, SlotRequest } from "./compound-executor.ts";
import { CompoundReply } from "./compound-reply.ts";
import type { Operation, ServerContext } from "./operation.ts";
import { illegal, operationOf } from "./operations.ts";
import { sequence, sequenceResult } from "./ops/sequence.ts";
import { permittedStatus } from "./permitted.ts";
import { channel } from "./state/channels.ts";
import type { Session } from "./state/session.ts";
import type { ResumePoint } from "./state/slot.ts";
import { COMPOUND4args_header, NFS4_PROGRAM } from "./wire/compound.ts";
import { SEQUENCE4args } from "./wire/session.ts";
import type { nfsstat4 } from "./wire/status.ts";

/** What the program works with. */
export interface ProgramDependencies {
  readonly server: ServerContext;
  readonly executor: CompoundExecutor;
  readonly compound: CompoundDependencies;
  /** Resolves when what an earlier process has answered is on the disk as far as it promised. */
  readonly restored: Promise<unknown>;
}

interface Header {
  readonly tag: Uint8Array;
  readonly minorVersion: 1 | 2;
  readonly count: number;
}

const fingerprintBytes = 4096;
const about = new Uint32Array(5);
const aboutBytes = new Uint8Array(about.buffer);

/** Tells requests on a slot apart: the operations after SEQUENCE (their first 4 KiB and their length), and who asks. */
function fingerprintOf(call: RpcCall, header: Header): number {
  const { minorVersion, count } = header;
  const { credential, args } = call;
  about[0] = credential.flavor === "AUTH_SYS" ? 1 : 0;
  about[1] = credential.flavor === "AUTH_SYS" ? credential.uid : 0;
  about[2] = minorVersion;
  about[3] = count;
  about[4] = args.remainingBytes;
  let sum = crc32(aboutBytes);
  let left = fingerprintBytes;
  for (const chunk of args.rest()) {
    if (left <= 0) break;
    sum = crc32(chunk.subarray(0, left), sum);
    left -= chunk.length;
  }
  return sum;
}

/** Program 100003, version 4: NULL and COMPOUND. Judges requests up to SEQUENCE; the executor does the rest. */
export class CompoundProgram implements RpcProgram {
  readonly program = NFS4_PROGRAM.program;
  readonly version = NFS4_PROGRAM.version;
  readonly #deps: ProgramDependencies;
  /** Once set, requests get no answer: the client sends them to the next process. */
  isStopping = false;
  #isRestored = false;

  constructor(deps: ProgramDependencies) {
    this.#deps = deps;
    void deps.restored.then(() => {
      this.#isRestored = true;
    });
  }

  handle(call: RpcCall): RpcReply | Promise<RpcReply> {
    switch (call.procedure) {
      case NFS4_PROGRAM.NULL:
        return { kind: "success", results: [] };
      case NFS4_PROGRAM.COMPOUND:
        return this.isStopping ? { kind: "none" } : this.#compound(call);
      default:
        return { kind: "procedureUnavailable" };
    }
  }

  #compound(call: RpcCall): RpcReply | Promise<RpcReply> {
    const { tag, minorversion, count } = COMPOUND4args_header.decode(call.args);
    // RFC 8881 §16.2.3: nothing is executed under an unknown minor version.
    if (minorversion !== 1 && minorversion !== 2) {
      return refuse(tag, "NFS4ERR_MINOR_VERS_MISMATCH");
    }
    // RFC 8881 §14.5: a tag that is no UTF-8.
    if (decodeUtf8(tag) === undefined) return refuse(tag, "NFS4ERR_INVAL");
    const header = { tag, minorVersion: minorversion, count } as const;
    if (count === 0) return refuse(tag, "NFS4_OK");
    const operations = call.args.rest();
    const first = operationOf(call.args.u32(), minorversion) ?? illegal;
    if (first === sequence) return this.#inSession(call, header);
    if (first === illegal) return refuse(tag, "NFS4ERR_OP_ILLEGAL", illegal);
    // RFC 8881 §18.46.3, §15.1.3.5: few may come without SEQUENCE.
    if (!first.standsAlone) return refuse(tag, "NFS4ERR_OP_NOT_IN_SESSION", first);
    // RFC 8881 §15.1.3.3, §18.35.3, §18.36.3, §18.37.3, §18.50.3: and these alone.
    if (count > 1) return refuse(tag, "NFS4ERR_NOT_ONLY_OP", first);
    return this.#execute(call, header, { reader: new XdrReader(operations) });
  }

  #inSession(call: RpcCall, header: Header): RpcReply | Promise<RpcReply> {
    const { state } = this.#deps.server;
    const refuseSequence = (status: nfsstat4) => refuse(header.tag, status, sequence);
    let args: ReturnType<typeof SEQUENCE4args.decode>;
    try {
      args = SEQUENCE4args.decode(call.args);
    } catch (error) {
      if (error instanceof XdrError) return refuseSequence("NFS4ERR_BADXDR");
      throw error;
    }
    const session = state.sessions.get(args.sa_sessionid);
    // RFC 8881 §2.4.2: whose state has been released starts anew.
    if (session === undefined) return refuseSequence("NFS4ERR_BADSESSION");
    // RFC 8881 §2.10.6.4, RFC 8276 §8.4.2.3: the size is judged before anything else of the request.
    if (call.recordBytes > session.record.maxRequestBytes) {
      return refuseSequence("NFS4ERR_REQ_TOO_BIG");
    }
    const slot = session.slots[args.sa_slotid];
    if (slot === undefined) return refuseSequence("NFS4ERR_BADSLOT");
    if (args.sa_highest_slotid >= session.slots.length) {
      return refuseSequence("NFS4ERR_BAD_HIGH_SLOT");
    }
    // RFC 8881 §18.36.3.
    if (header.count > session.record.maxOperations) {
      return refuseSequence("NFS4ERR_TOO_MANY_OPS");
    }
    const fingerprint = fingerprintOf(call, header);
    const sequenceId = args.sa_sequenceid;
    const verdict = slot.judge(sequenceId, fingerprint);
    // RFC 8881 §2.10.6.1.2: an error of SEQUENCE changes neither slot nor lease.
    if (verdict.kind === "misordered") return refuseSequence("NFS4ERR_SEQ_MISORDERED");
    if (verdict.kind === "falseRetry") return refuseSequence("NFS4ERR_SEQ_FALSE_RETRY");
    switch (verdict.kind) {
      case "uncached":
        this.#succeeded(session, call.connection);
        return this.#uncached(call, header, session, args);
      case "replay":
        this.#succeeded(session, call.connection);
        return this.#afterRestore({ kind: "success", results: [verdict.reply] });
      case "running":
        return new Promise((resolve) => verdict.inFlight.rejoin(resolve));
      case "new":
      case "resume": {
        const request = { slot, sequenceId, fingerprint };
        const point = verdict.kind === "resume" ? verdict.point : undefined;
        return this.#execute(call, header, { reader: call.args, session, args, request, point });
      }
    }
  }

  /** What every SEQUENCE that succeeds does, be it from the reply cache. */
  #succeeded(session: Session, connection: RpcPeer): void {
    // RFC 8881 §18.46.3, §8.3.
    this.#deps.server.state.leases.renew(session.record.clientId);
    // RFC 8881 §2.10.3.1: without state protection SEQUENCE is enough to associate a connection.
    session.channels.associate(connection, channel.fore);
  }

  /** RFC 8881 §2.10.6.1.3: SEQUENCE succeeds again, the second operation says that the rest is not known. */
  #uncached(call: RpcCall, header: Header, session: Session, args: SequenceArgs): RpcReply {
    const reply = new CompoundReply(header.tag);
    reply.succeed(sequence, sequenceResult(session, args));
    if (header.count > 1) {
      const second = operationOf(call.args.u32(), header.minorVersion) ?? illegal;
      const status = second === illegal ? "NFS4ERR_OP_ILLEGAL" : "NFS4ERR_RETRY_UNCACHED_REP";
      reply.fail(second, permittedStatus(second.errors, status));
    }
    return { kind: "success", results: reply.buffers() };
  }

  /** A replay tells of an earlier process: what that had promised to be on the disk must be there first. */
  #afterRestore(reply: RpcReply): RpcReply | Promise<RpcReply> {
    return this.#isRestored ? reply : this.#deps.restored.then(() => reply);
  }

  #execute(
    call: RpcCall,
    header: Header,
    where: {
      readonly reader: XdrReader;
      readonly session?: Session;
      readonly args?: SequenceArgs;
      readonly request?: SlotRequest;
      readonly point?: ResumePoint | undefined;
    },
  ): RpcReply | Promise<RpcReply> {
    const { reader, session, args, request, point } = where;
    const compound = new Compound(
      {
        ...header,
        reader,
        caller: callerOf(call.credential),
        principal: principalOf(call.credential),
        connection: call.connection,
        session,
        cacheThis: args?.sa_cachethis ?? false,
      },
      this.#deps.compound,
    );
    if (session !== undefined && args !== undefined) {
      const tooBig = compound.begin(sequence, sequenceResult(session, args));
      if (tooBig !== undefined) return refuse(header.tag, tooBig, sequence);
      this.#succeeded(session, call.connection);
      if (point !== undefined) compound.resume(point);
    }
    return this.#deps.executor.execute(compound, request);
  }
}

type SequenceArgs = ReturnType<typeof SEQUENCE4args.decode>;

/** A reply without any execution: a status, or the failure of the first operation. */
function refuse(tag: Uint8Array, status: nfsstat4, operation?: Operation): RpcReply {
  const reply = new CompoundReply(tag);
  if (operation === undefined) reply.refuse(status);
  else reply.fail(operation, permittedStatus(operation.errors, status));
  return { kind: "success", results: reply.buffers() };
}
