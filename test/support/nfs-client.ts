import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import {
  COMPOUND4args_header,
  COMPOUND4res_header,
  NFS4_PROGRAM,
} from "../../src/nfs4/wire/compound.ts";
import { nfs_opnum4 } from "../../src/nfs4/wire/operation.ts";
import { create_session4_flag, exchgid4_flag } from "../../src/nfs4/wire/session.ts";
import type { nfsstat4 } from "../../src/nfs4/wire/status.ts";
import { RecordAssembler, recordMark } from "../../src/rpc/record.ts";
import { XdrReader } from "../../src/xdr/reader.ts";
import { XdrWriter } from "../../src/xdr/writer.ts";
import {
  type OkOf,
  type Operation,
  type OperationName,
  op,
  operations,
  type ResultOf,
  statusOf,
} from "./nfs-operations.ts";

/** Who the client says it is; undefined for AUTH_NONE. */
export interface ClientCredential {
  readonly uid: number;
  readonly gid: number;
  readonly gids?: readonly number[];
}

/** The answer to a call, as far as RPC goes. */
export interface RpcAnswer {
  /** The words after the message type: MSG_ACCEPTED, the verifier and SUCCESS are 0, 0, 0, 0. */
  readonly words: readonly number[];
  readonly accepted: boolean;
  /** Of an accepted call. */
  readonly acceptStatus: number | undefined;
  /** At the results. */
  readonly reader: XdrReader;
  readonly recordBytes: number;
}

/** The answer to a compound. */
export class CompoundAnswer {
  readonly status: nfsstat4;
  readonly tag: string;
  readonly results: readonly { readonly op: nfs_opnum4; readonly value: unknown }[];
  /** What was sent, without the RPC header; see {@link NfsClient.resend}. */
  readonly request: Buffer;
  /** The whole reply without the RPC header: a replay must equal it byte for byte. */
  readonly bytes: Buffer;
  readonly recordBytes: number;

  constructor(request: Buffer, answer: RpcAnswer) {
    assert.deepEqual(answer.words, [0, 0, 0, 0], "the call itself failed");
    this.request = request;
    this.recordBytes = answer.recordBytes;
    this.bytes = Buffer.concat(answer.reader.rest());
    const { status, tag, count } = COMPOUND4res_header.decode(answer.reader);
    this.status = status;
    this.tag = Buffer.from(tag).toString();
    const results = [];
    for (let at = 0; at < count; at += 1) {
      const name = nfs_opnum4.decode(answer.reader);
      const known = operations[name.slice("OP_".length) as OperationName] ?? operations.ILLEGAL;
      results.push({ op: name, value: known[1].decode(answer.reader) as unknown });
    }
    answer.reader.end();
    this.results = results;
  }

  /** Status of the last result of an operation. */
  statusOf(name: OperationName): nfsstat4 {
    return statusOf(this.result(name));
  }

  /** The last result of an operation, whatever its status. */
  result<N extends OperationName>(name: N): ResultOf<N> {
    const found = this.results.findLast((each) => each.op === `OP_${name}`);
    assert.ok(found, `no result of ${name}; the compound ended with ${this.status}`);
    return found.value as ResultOf<N>;
  }

  /** The last result of an operation, which must have succeeded. */
  ok<N extends OperationName>(name: N): OkOf<N> {
    const result = this.result(name);
    assert.equal(statusOf(result), "NFS4_OK", `status of ${name}`);
    return result as OkOf<N>;
  }
}

/** A session as its client knows it; several connections may use it. */
export interface ClientSession {
  readonly clientId: bigint;
  readonly sessionId: Uint8Array;
  readonly csr: OkOf<"CREATE_SESSION">["csr_resok4"];
  /** Last sequence id used on each slot. */
  readonly sequences: number[];
  readonly busy: Set<number>;
}

/** How a compound is sent. */
export interface SendOptions {
  readonly tag?: string;
  readonly minorVersion?: number;
  readonly credential?: ClientCredential | undefined;
  readonly slot?: number;
  readonly sequenceId?: number;
  readonly cacheThis?: boolean;
}

const defaultCredential: ClientCredential = { uid: 0, gid: 0 };

/** Minor version, credential and session of a {@link NfsClient}. */
export interface NfsClientOptions {
  readonly minorVersion?: 1 | 2;
  readonly credential?: ClientCredential | undefined;
  readonly session?: ClientSession;
}

/** An NFSv4.1 or 4.2 client for tests, over one connection. It checks nothing but what it is asked to. */
export class NfsClient {
  readonly socket: Duplex;
  readonly minorVersion: number;
  readonly credential: ClientCredential | undefined;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  #session: ClientSession | undefined;
  #lastXid = 0;
  readonly #answers = new Map<number, (answer: RpcAnswer | Error) => void>();

  constructor(socket: Duplex, options: NfsClientOptions = {}) {
    this.socket = socket;
    this.minorVersion = options.minorVersion ?? 2;
    this.credential = "credential" in options ? options.credential : defaultCredential;
    this.#session = options.session;
    const assembler = new RecordAssembler({ maxRecordBytes: 2 ** 24, maxFragments: 1000 });
    socket.on("data", (bytes: Uint8Array) => {
      assembler.push(bytes);
      for (let record = assembler.next(); record; record = assembler.next()) {
        this.#receive(new XdrReader(record.chunks), record.lengthBytes);
      }
    });
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      const gone = () => {
        const answers = [...this.#answers.values()];
        this.#answers.clear();
        for (const answer of answers) answer(new Error("The server closed the connection"));
        resolve();
      };
      socket.on("end", gone);
      socket.on("close", gone);
    });
  }

  /** The session that `call` uses. */
  get session(): ClientSession {
    assert.ok(this.#session, "the client has no session");
    return this.#session;
  }

  /** Sends bytes as they are, whatever they mean. */
  sendRaw(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Sends a call and resolves with its answer; rejects when the connection ends before. */
  rpc(
    procedure: number,
    args: Uint8Array,
    options: {
      readonly program?: number;
      readonly version?: number;
      readonly rpcVersion?: number;
      readonly flavor?: number;
      readonly credential?: ClientCredential | undefined;
    } = {},
  ): Promise<RpcAnswer> {
    this.#lastXid += 1;
    const xid = this.#lastXid;
    const writer = new XdrWriter();
    writer.u32(0);
    for (const word of [xid, 0, options.rpcVersion ?? 2]) writer.u32(word);
    writer.u32(options.program ?? NFS4_PROGRAM.program);
    writer.u32(options.version ?? NFS4_PROGRAM.version);
    writer.u32(procedure);
    const credential = "credential" in options ? options.credential : this.credential;
    writer.u32(options.flavor ?? (credential === undefined ? 0 : 1));
    if (credential === undefined || options.flavor !== undefined) {
      writer.u32(0);
    } else {
      const body = new XdrWriter();
      const { uid, gid, gids = [] } = credential;
      body.u32(0);
      body.opaque(Buffer.from("test"));
      for (const word of [uid, gid, gids.length, ...gids]) body.u32(word);
      writer.opaque(body.toBuffer());
    }
    writer.u32(0);
    writer.u32(0);
    writer.raw(args);
    writer.patchU32(0, recordMark(writer.lengthBytes - 4));
    const answer = new Promise<RpcAnswer>((resolve, reject) => {
      this.#answers.set(xid, (result) => {
        if (result instanceof Error) reject(result);
        else resolve(result);
      });
    });
    this.socket.write(writer.toBuffer());
    return answer;
  }

  /** Sends operations as one compound, as they are. */
  compound(list: readonly Operation[], options: SendOptions = {}): Promise<CompoundAnswer> {
    const { tag = "", minorVersion = this.minorVersion } = options;
    const writer = new XdrWriter();
    COMPOUND4args_header.encode(writer, {
      tag: Buffer.from(tag),
      minorversion: minorVersion,
      count: list.length,
    });
    for (const { op: name, codec, args } of list) {
      nfs_opnum4.encode(writer, name);
      codec.encode(writer, args);
    }
    return this.resend(writer.toBuffer(), options);
  }

  /** Sends the bytes of a compound, for instance those of an earlier answer's `request`. */
  async resend(request: Buffer, options: SendOptions = {}): Promise<CompoundAnswer> {
    const credential = "credential" in options ? options.credential : this.credential;
    const answer = await this.rpc(NFS4_PROGRAM.COMPOUND, request, { credential });
    return new CompoundAnswer(request, answer);
  }

  /**
   * Sends operations after a SEQUENCE on the session: on the next free slot with the next sequence id
   * unless told otherwise. Resolves with the answer, whatever its status.
   */
  async call(list: readonly Operation[], options: SendOptions = {}): Promise<CompoundAnswer> {
    const { session } = this;
    const slot = options.slot ?? this.#freeSlot();
    const sequenceId = options.sequenceId ?? ((session.sequences[slot] ?? 0) + 1) >>> 0;
    session.busy.add(slot);
    try {
      const sequence = op("SEQUENCE", {
        sa_sessionid: session.sessionId,
        sa_sequenceid: sequenceId,
        sa_slotid: slot,
        sa_highest_slotid: Math.max(slot, ...session.busy),
        sa_cachethis: options.cacheThis ?? true,
      });
      const answer = await this.compound([sequence, ...list], options);
      if (options.sequenceId === undefined && answer.statusOf("SEQUENCE") === "NFS4_OK") {
        session.sequences[slot] = sequenceId;
      }
      return answer;
    } finally {
      session.busy.delete(slot);
    }
  }

  /** As {@link call}, and every operation must succeed. */
  async ok(list: readonly Operation[], options: SendOptions = {}): Promise<CompoundAnswer> {
    const answer = await this.call(list, options);
    const last = answer.results.at(-1);
    assert.equal(answer.status, "NFS4_OK", `${last?.op} failed`);
    return answer;
  }

  /** EXCHANGE_ID for `owner`; a new `verifier` is a client that has restarted. */
  async exchangeId(
    options: {
      readonly owner?: string;
      readonly verifier?: Uint8Array;
      readonly flags?: number;
    } = {},
  ): Promise<OkOf<"EXCHANGE_ID">["eir_resok4"]> {
    const answer = await this.compound([
      op("EXCHANGE_ID", {
        eia_clientowner: {
          co_verifier: options.verifier ?? Buffer.alloc(8, 1),
          co_ownerid: Buffer.from(options.owner ?? "test client"),
        },
        eia_flags: options.flags ?? exchgid4_flag.EXCHGID4_FLAG_SUPP_MOVED_REFER | 0x100,
        eia_state_protect: { spa_how: "SP4_NONE" },
        eia_client_impl_id: [],
      }),
    ]);
    return answer.ok("EXCHANGE_ID").eir_resok4;
  }

  /** CREATE_SESSION with what Linux asks for, or less; the session becomes this client's. */
  async createSession(
    clientId: bigint,
    sequence: number,
    attributes: { readonly [name in keyof typeof linuxChannel]?: number } = {},
  ): Promise<ClientSession> {
    const answer = await this.compound([
      op("CREATE_SESSION", {
        csa_clientid: clientId,
        csa_sequence: sequence,
        csa_flags: create_session4_flag.CREATE_SESSION4_FLAG_PERSIST,
        csa_fore_chan_attrs: { ...linuxChannel, ...attributes, ca_rdma_ird: [] },
        csa_back_chan_attrs: { ...backChannel, ca_rdma_ird: [] },
        csa_cb_program: 0x4000_0000,
        csa_sec_parms: [{ cb_secflavor: 0 }],
      }),
    ]);
    const csr = answer.ok("CREATE_SESSION").csr_resok4;
    const sessionId = Uint8Array.from(csr.csr_sessionid);
    this.#session = { clientId, sessionId, csr, sequences: [], busy: new Set() };
    return this.#session;
  }

  /** All that a mount does before it looks at files: EXCHANGE_ID, CREATE_SESSION, RECLAIM_COMPLETE. */
  async establish(owner: string = randomBytes(8).toString("hex")): Promise<ClientSession> {
    const { eir_clientid, eir_sequenceid } = await this.exchangeId({ owner });
    const session = await this.createSession(eir_clientid, eir_sequenceid);
    await this.ok([op("RECLAIM_COMPLETE", { rca_one_fs: false })]);
    return session;
  }

  /** Ends the connection, as a client's machine does that dies. */
  destroy(): void {
    this.socket.destroy();
  }

  #freeSlot(): number {
    let slot = 0;
    while (this.session.busy.has(slot)) slot += 1;
    return slot;
  }

  #receive(reader: XdrReader, recordBytes: number): void {
    const xid = reader.u32();
    assert.equal(reader.u32(), 1, "a message from the server that is no reply");
    const words = [reader.u32()];
    const accepted = words[0] === 0;
    for (let at = 0; at < (accepted ? 3 : 2); at += 1) words.push(reader.u32());
    const answer = this.#answers.get(xid);
    assert.ok(answer, `a reply to call ${xid}, which does not wait for one`);
    this.#answers.delete(xid);
    const acceptStatus = accepted ? words[3] : undefined;
    answer({ words, accepted, acceptStatus, reader, recordBytes });
  }
}

const linuxChannel = {
  ca_headerpadsize: 0,
  ca_maxrequestsize: 1049620,
  ca_maxresponsesize: 1049480,
  ca_maxresponsesize_cached: 7584,
  ca_maxoperations: 8,
  ca_maxrequests: 64,
};

const backChannel = {
  ca_headerpadsize: 0,
  ca_maxrequestsize: 4096,
  ca_maxresponsesize: 4096,
  ca_maxresponsesize_cached: 0,
  ca_maxoperations: 2,
  ca_maxrequests: 16,
};
