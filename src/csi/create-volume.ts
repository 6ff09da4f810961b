import type { Clock } from "../base/clock.ts";
import type { Events } from "../kubernetes/events.ts";
import type { OpenBucketOperations } from "./bucket-operations.ts";
import { VolumeBucket } from "./bucket-volumes.ts";
import { mountCapability } from "./capability.ts";
import { CsiError } from "./error.ts";
import type { CapacityRange__Output } from "./gen/csi/v1/CapacityRange.ts";
import type { CreateVolumeRequest__Output } from "./gen/csi/v1/CreateVolumeRequest.ts";
import type { CreateVolumeResponse } from "./gen/csi/v1/CreateVolumeResponse.ts";
import { driverName, type OwnershipMark, parametersDigest } from "./ownership-mark.ts";
import { isReservedKey, type Parameters, parseParameters } from "./parameters.ts";
import { namesFor } from "./references.ts";
import { credentialsFor } from "./secrets.ts";
import type { RpcCall } from "./unary.ts";
import {
  bucketFor,
  fittingPrefix,
  formatLocation,
  type VolumeId,
  type VolumeLocation,
} from "./volume-id.ts";
import {
  type Connections,
  classConnection,
  describeEndpoint,
  expandPrefix,
  parsePrefix,
  resolveConnection,
  volumeSpecOf,
} from "./volume-spec-of.ts";

/** What the controller service is given. */
export interface ControllerDependencies {
  readonly connections: Connections;
  readonly openBuckets: OpenBucketOperations;
  readonly events: Events;
  readonly clock: Clock;
}

/** A request that has been judged: where the volume goes and how large it is. */
interface Wanted {
  readonly name: string;
  readonly location: VolumeLocation;
  readonly volumeId: VolumeId;
  /** Whether the bucket is to be made for the volume. */
  readonly ownBucket: boolean;
  readonly capacity: { readonly leastBytes: number; readonly mostBytes: number };
  readonly onDelete: OwnershipMark["onDelete"];
  readonly context: Readonly<Record<string, string>>;
  readonly digest: string;
}

/** CSI spec, CapacityRange: zero means "not given". @throws {CsiError} OUT_OF_RANGE */
function capacityOf(range: CapacityRange__Output | null): Wanted["capacity"] {
  const leastBytes = Number(range?.requiredBytes ?? 0);
  const mostBytes = Number(range?.limitBytes ?? 0) || Number.POSITIVE_INFINITY;
  if (leastBytes < 0 || mostBytes < leastBytes || leastBytes > Number.MAX_SAFE_INTEGER) {
    throw new CsiError("OUT_OF_RANGE", `No volume has ${leastBytes} to ${mostBytes} bytes`);
  }
  return { leastBytes, mostBytes };
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: a template of ours, not JavaScript's
const ownPrefix = "${pv.name}";

function locationOf(request: CreateVolumeRequest__Output, parameters: Parameters): VolumeLocation {
  const connection = classConnection(parameters);
  if (parameters.bucket === undefined) {
    if ((parameters.prefix ?? "") !== "") {
      throw new CsiError("INVALID_ARGUMENT", "Parameter prefix needs the parameter bucket");
    }
    return { bucket: bucketFor(request.name), prefix: "", connection };
  }
  // Without a prefix all volumes of the class would share the bucket's root.
  const prefix = parsePrefix(expandPrefix(parameters.prefix || ownPrefix, request));
  return { bucket: parameters.bucket, prefix, connection };
}

/** Judges the whole request before anything is done. @throws {CsiError} INVALID_ARGUMENT, OUT_OF_RANGE */
function judge(
  request: CreateVolumeRequest__Output,
  dependencies: Pick<ControllerDependencies, "connections">,
): Wanted {
  const { name } = request;
  if (name === "") throw new CsiError("INVALID_ARGUMENT", "The volume name is missing");
  if (request.volumeCapabilities.length === 0) {
    throw new CsiError("INVALID_ARGUMENT", `Volume ${name}: the volume capabilities are missing`);
  }
  for (const capability of request.volumeCapabilities) mountCapability(capability);
  if (request.volumeContentSource !== null && request.volumeContentSource !== undefined) {
    throw new CsiError("INVALID_ARGUMENT", `Volume ${name}: a content source is not supported yet`);
  }
  if (Object.keys(request.mutableParameters).length > 0) {
    throw new CsiError(
      "INVALID_ARGUMENT",
      `Volume ${name}: mutable parameters are not supported yet`,
    );
  }
  const parameters = parseParameters(request.parameters, "class");
  const capacity = capacityOf(request.capacityRange);
  const wish = locationOf(request, parameters);
  const prefix = fittingPrefix(wish);
  const location = { ...wish, prefix: prefix ?? wish.prefix };
  const volumeId = prefix === undefined ? undefined : formatLocation(location);
  if (volumeId === undefined || (wish.prefix === "" && prefix !== "")) {
    throw new CsiError(
      "INVALID_ARGUMENT",
      `Volume ${name}: endpoint and bucket do not fit into a handle of 128 bytes; set the endpoint in the driver's configuration`,
    );
  }
  const own = Object.entries(request.parameters).filter(([key]) => !isReservedKey(key));
  const context = {
    ...Object.fromEntries(own),
    ...namesFor(request.parameters),
    bucket: location.bucket,
    ...(location.prefix === "" ? {} : { prefix: location.prefix }),
    ...(capacity.leastBytes === 0 ? {} : { capacity: String(capacity.leastBytes) }),
  };
  // CSI spec, Size Limits: a map has at most 4 KiB.
  if (Object.entries(context).reduce((sum, [k, v]) => sum + Buffer.byteLength(k + v), 0) > 4096) {
    throw new CsiError("INVALID_ARGUMENT", `Volume ${name}: the parameters are over 4 KiB`);
  }
  // What the node will read is judged now, by the same code.
  volumeSpecOf(
    { id: volumeId, parameters: parseParameters(context, "volume"), readOnly: false },
    dependencies.connections,
  );
  return {
    name,
    location,
    volumeId,
    ownBucket: parameters.bucket === undefined,
    capacity,
    onDelete: parameters.onDelete ?? "delete",
    context,
    digest: parametersDigest(request.parameters),
  };
}

/**
 * The handle of the volume that the request asks for: what CreateVolume and DeleteVolume both work on. Undefined for
 * a request that CreateVolume refuses.
 */
export function wantedVolumeId(
  request: CreateVolumeRequest__Output,
  dependencies: Pick<ControllerDependencies, "connections">,
): VolumeId | undefined {
  try {
    return judge(request, dependencies).volumeId;
  } catch (error) {
    if (error instanceof CsiError) return undefined;
    throw error;
  }
}

/** CSI spec, CreateVolume: the same name is the same volume only when it is compatible with the request. */
function assertSame(volume: VolumeBucket, mark: OwnershipMark, wanted: Wanted): void {
  const different =
    mark.name !== wanted.name
      ? `it belongs to the volume '${mark.name}'`
      : mark.parameters !== wanted.digest
        ? "the volume exists with other parameters"
        : mark.capacityBytes < wanted.capacity.leastBytes ||
            mark.capacityBytes > wanted.capacity.mostBytes
          ? `the volume exists with ${mark.capacityBytes} bytes`
          : undefined;
  if (different !== undefined) throw volume.error("ALREADY_EXISTS", different);
}

/**
 * Makes the volume's bucket or prefix ours, or finds that it already is. Each step can be the last before a
 * crash: a repeat finds the mark, or an empty bucket whose name only this driver makes.
 * @throws {CsiError} INVALID_ARGUMENT, OUT_OF_RANGE, ALREADY_EXISTS; NOT_FOUND when the class's bucket is
 * missing; PERMISSION_DENIED, UNAUTHENTICATED, UNAVAILABLE from the store.
 */
export async function createVolume(
  request: CreateVolumeRequest__Output,
  dependencies: ControllerDependencies & RpcCall,
): Promise<CreateVolumeResponse> {
  const wanted = judge(request, dependencies);
  const connection = resolveConnection(wanted.location.connection, dependencies.connections);
  const source = wanted.location.connection.authenticationSource ?? "driver";
  const credentials = credentialsFor(source, request.secrets);
  const { bucket, prefix } = wanted.location;
  const volume = new VolumeBucket(
    {
      place: { volume: wanted.volumeId, bucket, prefix, endpoint: describeEndpoint(connection) },
    },
    {
      operations: dependencies.openBuckets(connection, credentials),
      signal: dependencies.signal,
    },
  );
  const mark = await own(volume, wanted, dependencies).catch((cause: unknown) => {
    const isGone = cause instanceof CsiError && cause.code === "NOT_FOUND" && wanted.ownBucket;
    if (!isGone) throw cause;
    throw volume.error("ABORTED", "the bucket went away while the volume was being made", cause);
  });
  assertSame(volume, mark, wanted);
  return {
    volume: {
      volumeId: wanted.volumeId,
      capacityBytes: String(mark.capacityBytes),
      volumeContext: {
        ...wanted.context,
        ...(mark.capacityBytes === 0 ? {} : { capacity: String(mark.capacityBytes) }),
      },
    },
  };
}

async function own(
  volume: VolumeBucket,
  wanted: Wanted,
  dependencies: ControllerDependencies & RpcCall,
): Promise<OwnershipMark> {
  const found = await volume.readMark();
  const fresh = (ownsContents: boolean): OwnershipMark => ({
    format: 1,
    driver: driverName,
    name: wanted.name,
    volumeId: wanted.volumeId,
    bucket: wanted.location.bucket,
    prefix: wanted.location.prefix,
    parameters: wanted.digest,
    capacityBytes: wanted.capacity.leastBytes,
    createdBucket: wanted.ownBucket,
    ownsContents,
    onDelete: wanted.onDelete,
    state: "owned",
    createdAt: new Date(Number(dependencies.clock.nowNs() / 1_000_000n)).toISOString(),
  });
  switch (found.kind) {
    case "foreign":
      throw volume.error(
        "ALREADY_EXISTS",
        "it carries the mark of another place or driver version",
      );
    case "marked": {
      const { mark, etag } = found;
      if (mark.state === "owned") return mark;
      if (mark.state === "deleting") throw volume.error("ABORTED", "it is being deleted");
      if (mark.state === "archived") {
        throw volume.error("ALREADY_EXISTS", `the archived data of '${mark.name}' lies there`);
      }
      if (wanted.ownBucket && mark.name !== wanted.name) return mark;
      // Retained data is taken over, and was there before: deleting the new volume keeps it.
      return volume.writeMark({ ...fresh(false), createdBucket: mark.createdBucket }, etag);
    }
    case "unmarked": {
      const outer = await volume.surrounding();
      if (outer !== undefined) {
        const what = `the prefix lies inside that of the volume '${outer.name}', which owns all below it`;
        throw volume.error("INVALID_ARGUMENT", what);
      }
      if (!wanted.ownBucket) {
        const isEmpty = await volume.isEmpty();
        // Before the mark: a volume that exists is in the list.
        await volume.addToIndex();
        return volume.writeMark(fresh(isEmpty));
      }
      if (await volume.isLeftover()) return volume.writeMark(fresh(true));
      if ((await volume.readMark()).kind !== "unmarked") {
        // What makes it not empty is the mark that the other replica has written since.
        throw volume.error("ABORTED", "another call is making the volume");
      }
      throw volume.error(
        "ALREADY_EXISTS",
        "the bucket exists and does not carry the driver's mark",
      );
    }
    case "noSuchBucket": {
      if (!wanted.ownBucket) throw volume.error("NOT_FOUND", "the bucket does not exist");
      if ((await volume.create()) === "exists") {
        throw volume.error("ABORTED", "the bucket appeared while it was being made");
      }
      try {
        return await volume.writeMark(fresh(true));
      } catch (error) {
        // Nothing half made is left. A mark that was written after all makes this "not empty", and the
        // repeat finds it; a store that is gone leaves a bucket that the repeat knows as a leftover.
        await volume.removeBucket().catch((cause: unknown) => {
          dependencies.log.warn("Bucket of a failed CreateVolume remains until the repeat", {
            volumeId: wanted.volumeId,
            cause,
          });
        });
        throw error;
      }
    }
  }
}
