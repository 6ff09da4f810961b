import type { RpcPeer } from "../rpc/program.ts";
import type { InodeNumber } from "../vfs/attributes.ts";
import type { Call } from "../vfs/call.ts";
import type { FileSystem } from "../vfs/file-system.ts";
import type { Codec } from "../xdr/codec.ts";
import type { XdrReader } from "../xdr/reader.ts";
import type { XdrWriter } from "../xdr/writer.ts";
import type { Filehandles } from "./filehandle.ts";
import type { ServerIdentity } from "./identity.ts";
import type { ProtocolState } from "./state/protocol-state.ts";
import type { Session } from "./state/session.ts";
import type { StateId } from "./state/stateid.ts";
import { NfsError } from "./status.ts";
import { nfs_opnum4 } from "./wire/operation.ts";
import { nfsstat4 } from "./wire/status.ts";

/** What all operations of a server share. */
export interface ServerContext {
  readonly fileSystem: FileSystem;
  readonly state: ProtocolState;
  readonly filehandles: Filehandles;
  readonly identity: ServerIdentity;
  readonly randomBytes: (length: number) => Uint8Array;
}

/** A filehandle register of a compound, with the stateid that goes with it (RFC 8881 §16.2.3.1.2). */
export interface Position {
  readonly inode: InodeNumber;
  readonly stateId: StateId | undefined;
}

/** What an operation sees of its compound. */
export interface OperationContext extends ServerContext {
  /** One for each operation, over all its attempts. */
  readonly call: Call;
  readonly minorVersion: 1 | 2;
  /** Flavour and uid of the request. */
  readonly principal: string;
  /** Where the request came from. */
  readonly connection: RpcPeer;
  /** Absent only for the operations that may stand alone. */
  readonly session: Session | undefined;
  /** Whether this is the last operation of its compound. */
  readonly isLast: boolean;
  /** Bytes that this operation's result may take. */
  readonly roomBytes: number;
  current: Position | undefined;
  saved: Position | undefined;
  /** The reply waits until all changes up to here are on the disk. */
  requireSync(): void;
  /** The reply waits until all that was answered before this compound is on the disk. */
  requireEarlierSync(): void;
}

/** A row of the table of operations. */
export interface Operation {
  readonly name: nfs_opnum4;
  readonly opnum: number;
  /** The first minor version that has it. */
  readonly minorVersion: 1 | 2;
  /** RFC 8881 §15.2: what it may answer besides NFS4_OK. */
  readonly errors: ReadonlySet<nfsstat4>;
  /** Whether it changes files or state that a second execution would change again: its reply is stored. */
  readonly mutates: boolean;
  /** May stand alone in a compound, without SEQUENCE. */
  readonly standsAlone: boolean;
  /** At most so many bytes follow its number in a successful result; checked before a mutating one runs. */
  readonly resultBytes: number;
  /** @throws {XdrError} */
  decode(reader: XdrReader): unknown;
  /**
   * Runs it inside the compound's transaction: synchronous, all or nothing. `args` are what `decode` gave.
   * @throws {NfsError | FsError} for any outcome but NFS4_OK, `Suspended` to be run again.
   */
  run(args: unknown, context: OperationContext): unknown;
  encode(writer: XdrWriter, result: unknown): void;
  /** Writes the result of a failure. */
  encodeFailure(writer: XdrWriter, status: nfsstat4, result: unknown): void;
}

/** How a row is written. */
export interface OperationDefinition<Args, Result> {
  readonly name: nfs_opnum4;
  readonly minorVersion?: 2;
  readonly args: Codec<Args>;
  readonly result: Codec<Result>;
  readonly errors: ReadonlySet<nfsstat4>;
  readonly mutates?: true;
  readonly standsAlone?: true;
  readonly resultBytes?: number;
  /** The successful result. */
  readonly run: (args: Args, context: OperationContext) => Result;
  /** For the results that have a body with every status. */
  readonly failure?: (status: nfsstat4) => Result;
}

/** Makes a row. */
export function operation<Args, Result>(definition: OperationDefinition<Args, Result>): Operation {
  const { name, args, result, errors, run, failure } = definition;
  return {
    name,
    opnum: nfs_opnum4.numberOf(name),
    minorVersion: definition.minorVersion ?? 1,
    errors,
    mutates: definition.mutates ?? false,
    standsAlone: definition.standsAlone ?? false,
    resultBytes: definition.resultBytes ?? 128,
    decode: (reader) => args.decode(reader),
    run: (value, context) => run(value as Args, context),
    encode: (writer, value) => result.encode(writer, value as Result),
    encodeFailure(writer, status, body) {
      if (body !== undefined) result.encode(writer, body as Result);
      else if (failure !== undefined) result.encode(writer, failure(status));
      else writeStatus(writer, status);
    },
  };
}

/** Writes a result that is its status alone. */
export function writeStatus(writer: XdrWriter, status: nfsstat4): void {
  nfsstat4.encode(writer, status);
}

/** The inode of the current filehandle. @throws {NfsError} NOFILEHANDLE. */
export function currentInode(context: OperationContext): InodeNumber {
  if (context.current === undefined) {
    throw new NfsError("NFS4ERR_NOFILEHANDLE", "No current filehandle");
  }
  return context.current.inode;
}

/** The inode of the saved filehandle. @throws {NfsError} NOFILEHANDLE. */
export function savedInode(context: OperationContext): InodeNumber {
  if (context.saved === undefined)
    throw new NfsError("NFS4ERR_NOFILEHANDLE", "No saved filehandle");
  return context.saved.inode;
}

/** The session of an operation that cannot stand alone. */
export function sessionOf(context: OperationContext): Session {
  if (context.session === undefined) {
    throw new NfsError("NFS4ERR_OP_NOT_IN_SESSION", "No SEQUENCE before the operation");
  }
  return context.session;
}
