/** One line of `/proc/self/mountinfo`. */
export interface MountEntry {
  readonly mountPoint: string;
  /** Directory inside the file system that is mounted here. */
  readonly root: string;
  /** `major:minor` of the superblock: equal for all bind mounts of one volume. */
  readonly device: string;
  readonly fsType: string;
  readonly source: string;
  /** Options of this mount point, such as `ro` and `nosuid`. */
  readonly options: readonly string[];
  /** Options of the superblock: for NFS, the negotiated ones. */
  readonly superOptions: readonly string[];
}

// proc(5): space, tab, line feed and backslash are written as three octal digits.
const plain = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );

/** The mounts in mountinfo's order: a later entry lies over an earlier one of the same mount point. */
export function parseMountinfo(text: string): readonly MountEntry[] {
  return text.split("\n").flatMap((line) => {
    const fields = line.split(" ");
    const separator = fields.indexOf("-", 6);
    const [, , device, root, mountPoint, options] = fields;
    const [fsType, source, superOptions] = fields.slice(separator + 1);
    if (separator < 0 || device === undefined || root === undefined) return [];
    if (mountPoint === undefined || options === undefined) return [];
    if (fsType === undefined || source === undefined) return [];
    return [
      {
        device,
        root: plain(root),
        mountPoint: plain(mountPoint),
        options: options.split(","),
        fsType,
        source: plain(source),
        superOptions: (superOptions ?? "").split(","),
      },
    ];
  });
}

/** The mount that a path lookup finds at `mountPoint`. */
export function mountAt(mounts: readonly MountEntry[], mountPoint: string): MountEntry | undefined {
  return mounts.findLast((entry) => entry.mountPoint === mountPoint);
}

/** How many volumes are mounted, each counted once however many mount points it has. */
export function mountedVolumes(mounts: readonly MountEntry[]): number {
  return new Set(mounts.filter(isVolumeMount).map(({ device }) => device)).size;
}

/** Whether the mount is one of a volume server of ours: NFSv4 from the loopback address. */
export function isVolumeMount(entry: MountEntry): boolean {
  return entry.fsType === "nfs4" && entry.source.startsWith("127.0.0.1:");
}
