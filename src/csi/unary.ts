import type { handleUnaryCall, Server, ServiceDefinition, ServiceError } from "@grpc/grpc-js";
import { Metadata, status } from "@grpc/grpc-js";
import type { MethodDefinition } from "@grpc/proto-loader";
import type { Log } from "../base/log.ts";
import { CsiError, csiStatus } from "./error.ts";
import { redact } from "./redact.ts";

/** What a running RPC may use beside its request. `signal` aborts when the caller is gone or time is up. */
export interface RpcCall {
  readonly signal: AbortSignal;
  readonly log: Log;
}

type Named<T> = { [K in keyof T as string extends K ? never : K]: T[K] };

/**
 * The implementation of a service: a function per RPC that the driver supports, each typed by the
 * generated definition, so that a misspelt name does not compile. What is left out answers UNIMPLEMENTED.
 */
export type Rpcs<Definition extends ServiceDefinition> = {
  readonly [K in keyof Named<Definition>]?: Named<Definition>[K] extends MethodDefinition<
    infer _Sent,
    infer Response,
    infer Request,
    infer _Received
  >
    ? (request: Request, call: RpcCall) => Promise<Response>
    : never;
};

type AnyRpc = (request: Record<string, unknown>, call: RpcCall) => Promise<unknown>;

/** Asked every few seconds by kubelet and the probes: logged at `debug` while they succeed. */
const quietRpcs = new Set([
  "Probe",
  "GetPluginInfo",
  "GetPluginCapabilities",
  "ControllerGetCapabilities",
  "NodeGetCapabilities",
  "NodeGetInfo",
  "NodeGetVolumeStats",
]);
/** RPCs that change nothing, so that they need not wait for the volume's lock. */
const lockFreeRpcs = new Set([
  ...quietRpcs,
  "ValidateVolumeCapabilities",
  "ListVolumes",
  "ControllerGetVolume",
]);

/** Hears of every answered call: its gRPC status by name, and how long it took. */
export type ObserveRpc = (rpc: string, code: string, seconds: number) => void;

/** The handle of the volume that a request is about; undefined when it names none. */
export type VolumeOf = (rpc: string, request: Record<string, unknown>) => string | undefined;

function serviceError(code: status, details: string): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata: new Metadata() });
}

/**
 * The one wrapper around all RPCs: logs request and outcome with secrets redacted, lets one call at a
 * time work on a volume (a second gets ABORTED at once), bounds its time, and turns a thrown
 * {@link CsiError} into its status. Anything else thrown is a bug: logged with its stack, answered INTERNAL.
 */
export class UnaryCalls {
  readonly #log: Log;
  readonly #deadlineMs: number;
  readonly #volumeOf: VolumeOf;
  readonly #observe: ObserveRpc;
  /** Locks held by running calls. CSI spec, Concurrency: a second operation on a volume may get ABORTED. */
  readonly #busy = new Set<string>();

  /**
   * `deadlineMs` bounds a call whose caller set no shorter deadline. `volumeOf` tells a CreateVolume's handle too,
   * so that it and a DeleteVolume exclude each other.
   */
  constructor(
    options: { readonly deadlineMs: number },
    dependencies: {
      readonly log: Log;
      readonly volumeOf: VolumeOf;
      readonly observe?: ObserveRpc;
    },
  ) {
    this.#deadlineMs = options.deadlineMs;
    this.#log = dependencies.log;
    this.#volumeOf = dependencies.volumeOf;
    this.#observe = dependencies.observe ?? (() => undefined);
  }

  /** Adds the service to `server` with every RPC wrapped. */
  addService<Definition extends ServiceDefinition>(
    server: Server,
    service: Definition,
    rpcs: Rpcs<Definition>,
  ): void {
    const entries = Object.entries(rpcs as Record<string, AnyRpc>);
    server.addService(
      service,
      Object.fromEntries(entries.map(([name, rpc]) => [name, this.#handler(name, rpc)])),
    );
  }

  #handler(name: string, rpc: AnyRpc): handleUnaryCall<Record<string, unknown>, unknown> {
    return (call, callback) => {
      const gone = new AbortController();
      const cancelled = () => gone.abort(new CsiError("ABORTED", `The caller gave ${name} up`));
      call.on("cancelled", cancelled);
      // An async handler that rejects would leave the caller waiting: every path ends in the callback.
      void this.#run(name, rpc, call.request, gone).then(
        (response) => callback(null, response),
        (error: unknown) => callback(error as ServiceError),
      );
    };
  }

  async #run(
    name: string,
    rpc: AnyRpc,
    request: Record<string, unknown>,
    gone: AbortController,
  ): Promise<unknown> {
    const volumeId = this.#volumeOf(name, request);
    const log = this.#log.with({ rpc: name, ...(volumeId === undefined ? {} : { volumeId }) });
    const started = performance.now();
    const key = lockFreeRpcs.has(name) ? undefined : volumeId;
    let code: keyof typeof csiStatus | "OK" = "INTERNAL";
    const timer = setTimeout(
      () =>
        gone.abort(new CsiError("DEADLINE_EXCEEDED", `${name} took over ${this.#deadlineMs} ms`)),
      this.#deadlineMs,
    );
    let locked = false;
    try {
      if (key !== undefined) {
        if (this.#busy.has(key)) {
          throw new CsiError("ABORTED", `Another call is working on volume ${key}`);
        }
        this.#busy.add(key);
        locked = true;
      }
      const response = await rpc(request, { signal: gone.signal, log });
      const fields = { request: redact(request), tookMs: Math.round(performance.now() - started) };
      if (quietRpcs.has(name)) log.debug("Answered", fields);
      else log.info("Answered", fields);
      code = "OK";
      return response;
    } catch (thrown) {
      const error =
        thrown instanceof CsiError || !gone.signal.aborted ? thrown : gone.signal.reason;
      const fields = { request: redact(request), tookMs: Math.round(performance.now() - started) };
      if (error instanceof CsiError) {
        code = error.code;
        log.warn("Refused", { ...fields, code, error });
        throw serviceError(csiStatus[error.code], error.message);
      }
      log.error("Failed", { ...fields, error });
      throw serviceError(
        status.INTERNAL,
        `${name} failed inside the driver; its log has the cause`,
      );
    } finally {
      clearTimeout(timer);
      this.#observe(name, code, (performance.now() - started) / 1000);
      if (locked && key !== undefined) this.#busy.delete(key);
    }
  }
}
