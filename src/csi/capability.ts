import { CsiError } from "./error.ts";
import type {
  _csi_v1_VolumeCapability_AccessMode_Mode__Output,
  VolumeCapability__Output,
} from "./gen/csi/v1/VolumeCapability.ts";
import { posixId } from "./parameter-values.ts";

/** Access mode of CSI, by name. */
export type AccessMode = _csi_v1_VolumeCapability_AccessMode_Mode__Output;

/** Whether only one node at a time may have the volume. */
export function isSingleNode(mode: AccessMode): boolean {
  return mode.startsWith("SINGLE_NODE_");
}

/** A capability that the driver offers: a file system, with mount flags from the allowed ones. */
export interface MountCapability {
  readonly accessMode: AccessMode;
  /** Whether the mode lets nobody write. */
  readonly readOnly: boolean;
  /** Flags of the mount point itself, such as `noexec`. */
  readonly vfsFlags: readonly string[];
  /** The pods' `fsGroup`, where kubelet hands it to the driver. */
  readonly mountGroup?: number;
  /** Options of the NFS client, such as `nconnect=2`. */
  readonly nfsOptions: readonly string[];
}

const vfsFlags = new Set([
  "ro",
  "rw",
  "noexec",
  "nosuid",
  "nodev",
  "noatime",
  "nodiratime",
  "relatime",
  "sync",
]);
/** What an administrator may tune; the rest (hard, sec, port, proto, addresses) keeps the mount alive and private. */
const nfsOption =
  /^(nconnect=([1-9]|1[0-6])|lookupcache=(all|pos|positive|none)|(rsize|wsize)=\d{4,7}|(acregmin|acregmax|acdirmin|acdirmax)=\d{1,4}|vers=4\.[12])$/;

/** CSI spec, VolumeCapability: how the group is written is the CO's; Kubernetes writes a decimal group id. */
function mountGroupOf(text: string): number | undefined {
  if (text === "") return undefined;
  try {
    return posixId(text);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new CsiError("INVALID_ARGUMENT", `The volume mount group '${text}' ${cause.message}`, {
      cause,
    });
  }
}

/**
 * The parsed capability.
 * @throws {CsiError} INVALID_ARGUMENT when it is missing, names no access mode, asks for a block device or a
 * file system of another kind, or carries a mount flag that the driver does not allow.
 */
export function mountCapability(
  capability: VolumeCapability__Output | null | undefined,
): MountCapability {
  if (capability === null || capability === undefined) {
    throw new CsiError("INVALID_ARGUMENT", "The volume capability is missing");
  }
  if (capability.block != null) {
    throw new CsiError(
      "INVALID_ARGUMENT",
      "Block volumes are not supported; use volumeMode Filesystem",
    );
  }
  const mount = capability.mount;
  const accessMode = capability.accessMode?.mode ?? "UNKNOWN";
  if (mount == null || accessMode === "UNKNOWN") {
    throw new CsiError("INVALID_ARGUMENT", "The volume capability lacks its access type or mode");
  }
  if (!["", "nfs", "nfs4"].includes(mount.fsType)) {
    throw new CsiError(
      "INVALID_ARGUMENT",
      `File system type '${mount.fsType}': leave fsType empty`,
    );
  }
  const mountGroup = mountGroupOf(mount.volumeMountGroup);
  const flags = mount.mountFlags.flatMap((flag) => flag.split(",")).filter((flag) => flag !== "");
  for (const flag of flags) {
    if (!vfsFlags.has(flag) && !nfsOption.test(flag)) {
      throw new CsiError("INVALID_ARGUMENT", `Mount option '${flag}' is not allowed`);
    }
  }
  return {
    accessMode,
    ...(mountGroup === undefined ? {} : { mountGroup }),
    readOnly:
      accessMode === "SINGLE_NODE_READER_ONLY" ||
      accessMode === "MULTI_NODE_READER_ONLY" ||
      flags.includes("ro"),
    vfsFlags: flags.filter((flag) => vfsFlags.has(flag) && flag !== "ro" && flag !== "rw"),
    nfsOptions: flags.filter((flag) => !vfsFlags.has(flag)),
  };
}
