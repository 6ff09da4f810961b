import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Log } from "../base/log.ts";
import { controllerRpcs } from "./controller.ts";
import { type ControllerDependencies, wantedVolumeId } from "./create-volume.ts";
import type { CreateVolumeRequest__Output } from "./gen/csi/v1/CreateVolumeRequest.ts";
import { type IdentityDependencies, identityRpcs } from "./identity.ts";
import { nodeRpcs } from "./node.ts";
import type { NodeDependencies } from "./node-dependencies.ts";
import { loadCsi } from "./proto.ts";
import { type ObserveRpc, UnaryCalls, type VolumeOf } from "./unary.ts";

/** Kubelet waits two minutes, the provisioner as long as it is told: below both. */
const rpcDeadlineMs = 110_000;
const shutdownBudgetMs = 10_000;

/** The services of one process: the controller's, the node's, or both for `csi-sanity` and tests. */
export interface CsiServices {
  readonly identity: IdentityDependencies;
  readonly controller?: ControllerDependencies;
  readonly node?: NodeDependencies;
  readonly log: Log;
  readonly observe?: ObserveRpc;
}

function volumeOf(controller: ControllerDependencies | undefined): VolumeOf {
  return (rpc, request) => {
    if (rpc === "CreateVolume" && controller !== undefined) {
      return wantedVolumeId(request as unknown as CreateVolumeRequest__Output, controller);
    }
    const id = request["volumeId"];
    return typeof id === "string" && id !== "" ? id : undefined;
  };
}

/** A gRPC server of the given services. It listens once and ends with its running calls. */
export class CsiServer {
  readonly #server: Server;

  constructor(services: CsiServices) {
    const csi = loadCsi();
    // CSI messages are small; a volume context has 4 KiB.
    this.#server = new Server({ "grpc.max_receive_message_length": 1024 * 1024 });
    const { log, observe, controller } = services;
    const calls = new UnaryCalls(
      { deadlineMs: rpcDeadlineMs },
      { log, volumeOf: volumeOf(controller), ...(observe === undefined ? {} : { observe }) },
    );
    calls.addService(this.#server, csi.Identity.service, identityRpcs(services.identity));
    if (services.controller !== undefined) {
      calls.addService(this.#server, csi.Controller.service, controllerRpcs(services.controller));
    }
    if (services.node !== undefined) {
      calls.addService(this.#server, csi.Node.service, nodeRpcs(services.node));
    }
  }

  /** Listens on the unix socket at `path`. Caller: nothing lies there. Rejects when it cannot be bound. */
  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  /** Refuses new calls, waits up to 10 s for those that run, then cuts them off. Removes the socket. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#server.forceShutdown();
        resolve();
      }, shutdownBudgetMs);
      this.#server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
