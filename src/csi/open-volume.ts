import { VolumeBucket } from "./bucket-volumes.ts";
import type { ControllerDependencies } from "./create-volume.ts";
import { CsiError } from "./error.ts";
import type { OwnershipMark } from "./ownership-mark.ts";
import { credentialsFor } from "./secrets.ts";
import type { RpcCall } from "./unary.ts";
import { parseLocation } from "./volume-id.ts";
import { describeEndpoint, resolveConnection } from "./volume-spec-of.ts";

/** A request that names a volume, with the Secret that came with it. */
export interface VolumeRequest {
  readonly volumeId: string;
  readonly secrets: Readonly<Record<string, string>>;
}

/**
 * Finds the volume of a handle by the handle alone. Undefined for one that was never issued here: csi-sanity
 * and the CO may ask for any text, and an unknown volume is an answer, not a malformed argument.
 */
export function openVolume(
  request: VolumeRequest,
  dependencies: ControllerDependencies & Pick<RpcCall, "signal">,
): VolumeBucket | undefined {
  const { volumeId } = request;
  if (volumeId === "") throw new CsiError("INVALID_ARGUMENT", "The volume id is missing");
  const location = parseLocation(volumeId);
  if (location === undefined) return undefined;
  const connection = resolveConnection(location.connection, dependencies.connections);
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

/** Whether a mark is that of an existing volume with this handle. */
export function isVolume(mark: OwnershipMark, volumeId: string): boolean {
  return mark.volumeId === volumeId && (mark.state === "owned" || mark.state === "deleting");
}

/** The mark of the volume with this handle. @throws {CsiError} NOT_FOUND */
export async function existingVolume(
  request: VolumeRequest,
  dependencies: ControllerDependencies & Pick<RpcCall, "signal">,
): Promise<OwnershipMark> {
  const found = await openVolume(request, dependencies)?.readMark();
  if (found?.kind === "marked" && isVolume(found.mark, request.volumeId)) return found.mark;
  throw new CsiError("NOT_FOUND", `No volume ${request.volumeId}`);
}
