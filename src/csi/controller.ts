import { VolumeBucket } from "./bucket-volumes.ts";
import { mountCapability } from "./capability.ts";
import { type ControllerDependencies, createVolume } from "./create-volume.ts";
import { deleteVolume } from "./delete-volume.ts";
import { CsiError } from "./error.ts";
import type { ControllerDefinition } from "./gen/csi/v1/Controller.ts";
import type { ValidateVolumeCapabilitiesRequest__Output } from "./gen/csi/v1/ValidateVolumeCapabilitiesRequest.ts";
import type { ValidateVolumeCapabilitiesResponse } from "./gen/csi/v1/ValidateVolumeCapabilitiesResponse.ts";
import { listVolumes } from "./list-volumes.ts";
import { existingVolume } from "./open-volume.ts";
import { parseParameters } from "./parameters.ts";
import { credentialsFor } from "./secrets.ts";
import type { RpcCall, Rpcs } from "./unary.ts";
import { parseLocation } from "./volume-id.ts";
import {
  classConnection,
  describeEndpoint,
  parsePrefix,
  resolveConnection,
} from "./volume-spec-of.ts";

/** Whether the attributes name a bucket that is there: a static volume's handle says nothing of its place. */
async function isStatic(
  request: ValidateVolumeCapabilitiesRequest__Output,
  dependencies: ControllerDependencies & RpcCall,
): Promise<boolean> {
  const { volumeId, volumeContext, secrets } = request;
  if (volumeContext["bucket"] === undefined || parseLocation(volumeId) !== undefined) return false;
  const parameters = parseParameters(volumeContext, "volume");
  const { bucket = "", prefix = "", authenticationSource = "driver" } = parameters;
  const connection = resolveConnection(classConnection(parameters), dependencies.connections);
  const operations = dependencies.openBuckets(
    connection,
    credentialsFor(authenticationSource, secrets),
  );
  const endpoint = describeEndpoint(connection);
  const place = { volume: volumeId, bucket, prefix: parsePrefix(prefix), endpoint };
  const volume = new VolumeBucket({ place }, { operations, signal: dependencies.signal });
  return (await volume.readMark()).kind !== "noSuchBucket";
}

async function validate(
  request: ValidateVolumeCapabilitiesRequest__Output,
  dependencies: ControllerDependencies & RpcCall,
): Promise<ValidateVolumeCapabilitiesResponse> {
  if (request.volumeId === "") throw new CsiError("INVALID_ARGUMENT", "The volume id is missing");
  if (request.volumeCapabilities.length === 0) {
    throw new CsiError("INVALID_ARGUMENT", "The volume capabilities are missing");
  }
  if (!(await isStatic(request, dependencies))) await existingVolume(request, dependencies);
  try {
    for (const one of request.volumeCapabilities) mountCapability(one);
    parseParameters(request.parameters, "class");
    parseParameters(request.volumeContext, "volume");
  } catch (error) {
    if (!(error instanceof CsiError)) throw error;
    return { message: error.message };
  }
  return {
    confirmed: {
      volumeContext: request.volumeContext,
      volumeCapabilities: request.volumeCapabilities,
      parameters: request.parameters,
    },
  };
}

/** The Controller service: buckets and prefixes of volumes, without any state of its own. */
export function controllerRpcs(dependencies: ControllerDependencies): Rpcs<ControllerDefinition> {
  const within = (call: RpcCall) => ({ ...dependencies, ...call });
  return {
    CreateVolume: (request, call) => createVolume(request, within(call)),
    DeleteVolume: (request, call) => deleteVolume(request, within(call)),
    ListVolumes: (request, call) => listVolumes(request, within(call)),
    ValidateVolumeCapabilities: (request, call) => validate(request, within(call)),

    async ControllerGetVolume({ volumeId }, call) {
      // The request carries no Secret: a class that has one keeps its volumes to itself.
      const { capacityBytes } = await existingVolume({ volumeId, secrets: {} }, within(call));
      return { volume: { volumeId, capacityBytes: String(capacityBytes) }, status: {} };
    },

    ControllerGetCapabilities: () =>
      Promise.resolve({
        capabilities: (
          [
            "CREATE_DELETE_VOLUME",
            "LIST_VOLUMES",
            "GET_VOLUME",
            "SINGLE_NODE_MULTI_WRITER",
          ] as const
        ).map((type) => ({ rpc: { type } })),
      }),
  };
}
