import { VolumeBucket } from "./bucket-volumes.ts";
import { mountCapability } from "./capability.ts";
import { type ControllerDependencies, createVolume } from "./create-volume.ts";
import { CsiError } from "./error.ts";
import type { ControllerDefinition } from "./gen/csi/v1/Controller.ts";
import type { ControllerServiceCapability } from "./gen/csi/v1/ControllerServiceCapability.ts";
import { parseParameters } from "./parameters.ts";
import { credentialsFor } from "./secrets.ts";
import type { RpcCall, Rpcs } from "./unary.ts";
import { parseLocation } from "./volume-id.ts";
import { describeEndpoint, resolveConnection } from "./volume-spec-of.ts";

const capability = (
  type: "CREATE_DELETE_VOLUME" | "SINGLE_NODE_MULTI_WRITER",
): ControllerServiceCapability => ({ rpc: { type } });

/**
 * Finds the volume of a handle by the handle alone. Undefined for one that was never issued here: csi-sanity
 * and the CO may ask for any text, and an unknown volume is an answer, not a malformed argument.
 */
function openVolume(
  request: { readonly volumeId: string; readonly secrets: Readonly<Record<string, string>> },
  dependencies: ControllerDependencies & Pick<RpcCall, "signal">,
): VolumeBucket | undefined {
  const { volumeId } = request;
  if (volumeId === "") throw new CsiError("INVALID_ARGUMENT", "The volume id is missing");
  const location = parseLocation(volumeId);
  if (location === undefined) return undefined;
  const connection = resolveConnection(location.connection, dependencies.defaults);
  const credentials = credentialsFor(
    location.connection.authenticationSource ?? "driver",
    request.secrets,
  );
  return new VolumeBucket(
    {
      place: {
        volume: volumeId,
        bucket: location.bucket,
        prefix: location.prefix,
        endpoint: describeEndpoint(connection),
      },
    },
    { operations: dependencies.openBuckets(connection, credentials), signal: dependencies.signal },
  );
}

/** The Controller service: buckets and prefixes of volumes, without any state of its own. */
export function controllerRpcs(dependencies: ControllerDependencies): Rpcs<ControllerDefinition> {
  return {
    CreateVolume: (request, call) => createVolume(request, { ...dependencies, ...call }),

    async DeleteVolume(request, call) {
      const volume = openVolume(request, { ...dependencies, ...call });
      // CSI spec, DeleteVolume: a volume that does not exist has been deleted.
      if (volume === undefined) return {};
      const found = await volume.readMark();
      switch (found.kind) {
        case "noSuchBucket":
          return {};
        case "foreign":
          call.log.warn("Kept: the bucket or prefix does not carry this volume's mark", {
            volumeId: request.volumeId,
          });
          return {};
        case "unmarked":
          // A crash between removing the mark and removing the bucket.
          if (await volume.isLeftover()) await volume.removeBucket();
          return {};
        case "marked": {
          const { mark, etag } = found;
          if (mark.state === "released") return {};
          if (mark.volumeId !== request.volumeId) {
            // Released, and taken over by another volume since.
            call.log.warn("Kept: the bucket or prefix belongs to another volume", {
              volumeId: request.volumeId,
              owner: mark.volumeId,
            });
            return {};
          }
          if (mark.onDelete === "retain") {
            const now = await volume.writeMark({ ...mark, state: "released" }, etag);
            if (now.state === "released") return {};
            throw volume.error("ABORTED", "the ownership mark changed while it was being released");
          }
          await volume.remove(mark);
          return {};
        }
      }
    },

    async ValidateVolumeCapabilities(request, call) {
      if (request.volumeId === "")
        throw new CsiError("INVALID_ARGUMENT", "The volume id is missing");
      if (request.volumeCapabilities.length === 0) {
        throw new CsiError("INVALID_ARGUMENT", "The volume capabilities are missing");
      }
      const found = await openVolume(request, { ...dependencies, ...call })?.readMark();
      if (
        found?.kind !== "marked" ||
        found.mark.state === "released" ||
        found.mark.volumeId !== request.volumeId
      ) {
        throw new CsiError("NOT_FOUND", `No volume ${request.volumeId}`);
      }
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
    },

    ControllerGetCapabilities: () =>
      Promise.resolve({
        capabilities: [capability("CREATE_DELETE_VOLUME"), capability("SINGLE_NODE_MULTI_WRITER")],
      }),
  };
}
