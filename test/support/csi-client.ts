import { type Client, type ClientUnaryCall, credentials, type ServiceError } from "@grpc/grpc-js";
import type { ControllerClient } from "../../src/csi/gen/csi/v1/Controller.ts";
import type { CreateVolumeResponse__Output } from "../../src/csi/gen/csi/v1/CreateVolumeResponse.ts";
import type { IdentityClient } from "../../src/csi/gen/csi/v1/Identity.ts";
import type { NodeClient } from "../../src/csi/gen/csi/v1/Node.ts";
import type { VolumeCapability } from "../../src/csi/gen/csi/v1/VolumeCapability.ts";
import { loadCsi } from "../../src/csi/proto.ts";

type Method = (
  request: never,
  options: { deadline: number },
  callback: (error: ServiceError | null, response?: never) => void,
) => ClientUnaryCall;

/** A service's RPCs as promises; rejects with grpc's `ServiceError`, whose `code` is the gRPC status. */
export type Promised<C extends Client> = {
  readonly [K in keyof C as K extends Capitalize<string & K> ? K : never]: C[K] extends (
    request: infer Request,
    callback: (error: ServiceError | null, response?: infer R) => void,
  ) => ClientUnaryCall
    ? (request: Request) => Promise<R>
    : never;
};

function promised<C extends Client>(client: C, deadlineMs: number): Promised<C> {
  return new Proxy({} as Promised<C>, {
    get(_target, name) {
      const method = client[name as keyof C] as Method;
      return (request: never) =>
        new Promise((resolve, reject) => {
          const options = { deadline: Date.now() + deadlineMs };
          method.call(client, request, options, (error, response) => {
            if (error === null) resolve(response);
            else reject(error);
          });
        });
    },
  });
}

/** A capability as kubelet sends it: a file system with an access mode. */
export function mountCapabilityOf(
  mode: NonNullable<VolumeCapability["accessMode"]>["mode"] = "SINGLE_NODE_WRITER",
  mountFlags: readonly string[] = [],
): VolumeCapability {
  return { mount: { mountFlags: [...mountFlags] }, accessMode: { mode } };
}

/** A volume as the provisioner keeps it in a PersistentVolume. */
export interface ProvisionedVolume {
  readonly volumeId: string;
  readonly volumeContext: Readonly<Record<string, string>>;
  readonly capacityBytes: number;
}

/**
 * Does to a driver what Kubernetes' provisioner and kubelet do, over its unix sockets: raw RPCs by service,
 * and the calls of a volume's life in the order and with the fields that Kubernetes uses.
 */
export class CsiClient implements Disposable {
  readonly identity: Promised<IdentityClient>;
  readonly controller: Promised<ControllerClient>;
  readonly node: Promised<NodeClient>;
  readonly #clients: readonly Client[];

  /** Endpoints are `unix:///absolute/path`; one process may serve both. */
  constructor(options: {
    readonly controllerEndpoint: string;
    readonly nodeEndpoint: string;
    readonly deadlineMs?: number;
  }) {
    const csi = loadCsi();
    const deadlineMs = options.deadlineMs ?? 120_000;
    // Node's HTTP/2 refuses a socket path as authority (facts/csi.md §3.4).
    const channel = { "grpc.default_authority": "localhost" };
    const insecure = credentials.createInsecure();
    const identity = new csi.Identity(options.nodeEndpoint, insecure, channel);
    const controller = new csi.Controller(options.controllerEndpoint, insecure, channel);
    const node = new csi.Node(options.nodeEndpoint, insecure, channel);
    this.identity = promised(identity, deadlineMs);
    this.controller = promised(controller, deadlineMs);
    this.node = promised(node, deadlineMs);
    this.#clients = [identity, controller, node];
  }

  /** What the provisioner does for a claim. */
  async provision(claim: {
    readonly name: string;
    readonly parameters: Readonly<Record<string, string>>;
    readonly capacityBytes?: number;
    readonly capability?: VolumeCapability;
    readonly secrets?: Readonly<Record<string, string>>;
  }): Promise<ProvisionedVolume> {
    const response: CreateVolumeResponse__Output = await this.controller.CreateVolume({
      name: claim.name,
      capacityRange: { requiredBytes: String(claim.capacityBytes ?? 0) },
      volumeCapabilities: [claim.capability ?? mountCapabilityOf()],
      parameters: {
        ...claim.parameters,
        "csi.storage.k8s.io/pv/name": claim.name,
        "csi.storage.k8s.io/pvc/name": claim.name,
        "csi.storage.k8s.io/pvc/namespace": "default",
      },
      secrets: { ...claim.secrets },
    });
    const { volume } = response;
    if (volume == null) throw new Error(`CreateVolume of ${claim.name} answered no volume`);
    return {
      volumeId: volume.volumeId,
      volumeContext: {
        ...volume.volumeContext,
        "storage.kubernetes.io/csiProvisionerIdentity": "test",
      },
      capacityBytes: Number(volume.capacityBytes),
    };
  }

  /** What kubelet does first: the volume at the node's staging path. */
  async stage(
    volume: ProvisionedVolume,
    at: {
      readonly stagingPath: string;
      readonly capability?: VolumeCapability;
      readonly secrets?: Readonly<Record<string, string>>;
    },
  ): Promise<void> {
    await this.node.NodeStageVolume({
      volumeId: volume.volumeId,
      stagingTargetPath: at.stagingPath,
      volumeCapability: at.capability ?? mountCapabilityOf(),
      volumeContext: { ...volume.volumeContext },
      secrets: { ...at.secrets },
    });
  }

  /** What kubelet does for each pod. */
  async publish(
    volume: ProvisionedVolume,
    at: {
      readonly stagingPath: string;
      readonly targetPath: string;
      readonly capability?: VolumeCapability;
      readonly readonly?: boolean;
      readonly secrets?: Readonly<Record<string, string>>;
    },
  ): Promise<void> {
    await this.node.NodePublishVolume({
      volumeId: volume.volumeId,
      stagingTargetPath: at.stagingPath,
      targetPath: at.targetPath,
      volumeCapability: at.capability ?? mountCapabilityOf(),
      readonly: at.readonly ?? false,
      secrets: { ...at.secrets },
      volumeContext: {
        ...volume.volumeContext,
        "csi.storage.k8s.io/pod.name": "pod",
        "csi.storage.k8s.io/pod.namespace": "default",
        "csi.storage.k8s.io/pod.uid": "00000000-0000-4000-8000-000000000000",
        "csi.storage.k8s.io/ephemeral": "false",
      },
    });
  }

  /** The pod is gone. */
  async unpublish(volumeId: string, targetPath: string): Promise<void> {
    await this.node.NodeUnpublishVolume({ volumeId, targetPath });
  }

  /** The last pod of the node is gone. Repeats while the driver answers ABORTED (data pending), as kubelet does. */
  async unstage(volumeId: string, stagingPath: string): Promise<void> {
    const abortedStatus = 10;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.node.NodeUnstageVolume({ volumeId, stagingTargetPath: stagingPath });
        return;
      } catch (error) {
        if ((error as ServiceError).code !== abortedStatus || attempt === 20) throw error;
      }
    }
  }

  /** The claim is gone. */
  async deprovision(
    volumeId: string,
    secrets: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await this.controller.DeleteVolume({ volumeId, secrets: { ...secrets } });
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.close();
  }
}
